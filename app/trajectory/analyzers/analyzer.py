"""The interface of what watches a session step by step: it is fed each step once, tells what it found, and its state can be stored.

Everything that is derived from steps (loops, activity, health, policies) is an analyzer, so that a live event costs only itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

from app.trajectory.events.steps import SessionStep

FindingKind = Literal["activity", "health", "loop", "policy"]
Snapshot: TypeAlias = dict[str, object]
"""An analyzer's state as plain values that JSON can hold."""


@dataclass(frozen=True, slots=True)
class SessionFinding:
    """Something found in a session. Found again with the same `kind`, `name` and `first`, it replaces the earlier telling.

    `first`, `last`: seqs of the stretch it holds for. `evidence`: seqs of the steps that show it, in order, bounded. `because`: a sentence
    for a person. `open`: it still holds at the last step.
    """

    kind: FindingKind
    name: str
    first: int
    last: int
    evidence: tuple[int, ...]
    because: str
    open: bool = True

    def row(self) -> list[object]:
        """Return the finding as a list of plain values."""
        return [self.kind, self.name, self.first, self.last, list(self.evidence), self.because, self.open]

    @classmethod
    def of_row(cls, row: Sequence[Any]) -> SessionFinding:
        """Read a finding from its plain values."""
        kind, name, first, last, evidence, because, is_open = row
        return cls(kind, name, first, last, tuple(evidence), because, is_open)


class Analyzer(Protocol):
    """Watches one session. Deterministic: the same steps give the same findings, whether fed at once or over days, from a snapshot or not.

    `version`: raise it when the same steps would give other findings.
    """

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...

    def add(self, step: SessionStep) -> Iterable[SessionFinding]:
        """Take the next step; return what is new or changed by it. Bounded time and memory, whatever the session's length."""
        ...

    def snapshot(self) -> Snapshot:
        """Return the state after the steps so far, bounded in size."""
        ...

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot of the same version."""
        ...

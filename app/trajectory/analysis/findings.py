"""Keeps what analyzers found in a session: the latest telling of each finding, bounded. Pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias, cast

from app.redaction.stored_fields import without_invalid_chars
from app.trajectory.analyzers.analyzer import FindingKind, SessionFinding, Snapshot
from app.trajectory.events.steps import SessionStep

MAX_FINDINGS = 5_000
"""Findings of a session that are stored; further ones are only counted."""
MAX_REMEMBERED = 100
"""Findings whose latest telling is part of the state, so that it can be returned to; those that go on before those that are over."""
MAX_EVIDENCE, MAX_WORDS = 50, 500
RECENT_STEPS = 64
"""Steps whose time and tool are known when a finding tells of them."""
FindingKey: TypeAlias = tuple[FindingKind, str, int]


@dataclass(frozen=True, slots=True)
class ToldFinding:
    """A finding as it was told last. `told`: seq of the step that told it. `tool`: of the last step that shows it and used one.

    `began_at`, `ended_at`: times of the stretch's first and last step, where they are known; of a stretch that began more than RECENT_STEPS
    before it was told, `began_at` is the time of the earliest of these.
    """

    kind: FindingKind
    name: str
    first: int
    last: int
    evidence: tuple[int, ...]
    because: str
    open: bool
    told: int
    tool: str = ""
    began_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def key(self) -> FindingKey:
        return self.kind, self.name, self.first


class FindingBook:
    """The findings of one session, as they are told. `left_out`: how many came after MAX_FINDINGS."""

    def __init__(self) -> None:
        self._recent: OrderedDict[int, tuple[datetime | None, str]] = OrderedDict()
        self._told: OrderedDict[FindingKey, ToldFinding] = OrderedDict()
        self._changed: dict[FindingKey, ToldFinding] = {}
        self._count = 0
        self.left_out = 0

    def pass_step(self, step: SessionStep) -> None:
        """Note a step's time and tool, before what it tells."""
        self._recent[step.seq] = step.at, step.tool
        if len(self._recent) > RECENT_STEPS:
            self._recent.popitem(last=False)

    def tell(self, told: int, finding: SessionFinding) -> None:
        """Take a finding that the step `told` told; it replaces the earlier telling of the same kind, name and first step."""
        key: FindingKey = finding.kind, finding.name, finding.first
        before = self._told.pop(key, None)
        if before is None:
            if self._count >= MAX_FINDINGS:
                self.left_out += 1
                return
            self._count += 1
        began_at = self._began_at(finding.first) if before is None else before.began_at
        now = ToldFinding(
            finding.kind,
            finding.name,
            finding.first,
            finding.last,
            finding.evidence[-MAX_EVIDENCE:],
            # It may quote what was read from JSON: there any character can be escaped, also those that can't be stored.
            without_invalid_chars(finding.because[:MAX_WORDS]),
            finding.open,
            told,
            self._tool(finding) or ("" if before is None else before.tool),
            began_at,
            self.time_of(finding.last),
        )
        self._told[key] = self._changed[key] = now
        if len(self._told) > MAX_REMEMBERED:
            del self._told[next((key for key, each in self._told.items() if not each.open), next(iter(self._told)))]

    def take(self) -> Sequence[ToldFinding]:
        """Return the latest tellings since the last call."""
        changed, self._changed = list(self._changed.values()), {}
        return changed

    def remembered(self) -> Sequence[ToldFinding]:
        """Return the tellings that are part of the state."""
        return list(self._told.values())

    def snapshot(self) -> Snapshot:
        """Return the state after the tellings so far; what `take` has yet to return is no part of it."""
        return {
            "recent": [(seq, _text(at), tool) for seq, (at, tool) in self._recent.items()],
            "told": [_plain(each) for each in self._told.values()],
            "count": self._count,
            "left_out": self.left_out,
        }

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot."""
        state = cast("dict[str, Any]", snapshot)
        self._recent = OrderedDict((seq, (_time(at), tool)) for seq, at, tool in state["recent"])
        told = [_told(each) for each in state["told"]]
        self._told = OrderedDict((each.key, each) for each in told)
        self._count, self.left_out = state["count"], state["left_out"]

    def time_of(self, seq: int) -> datetime | None:
        """Return the time of one of the last RECENT_STEPS steps, where it has one."""
        return self._recent[seq][0] if seq in self._recent else None

    def _began_at(self, first: int) -> datetime | None:
        earliest = next(iter(self._recent), first)
        return self.time_of(max(first, earliest))

    def _tool(self, finding: SessionFinding) -> str:
        # The evidence first: a stretch may end with the step that mended it.
        seqs = (*reversed(finding.evidence[-RECENT_STEPS:]), finding.last)
        return next((tool for seq in seqs if seq in self._recent and (tool := self._recent[seq][1])), "")


def _plain(told: ToldFinding) -> list[object]:
    began_at, ended_at = _text(told.began_at), _text(told.ended_at)
    return [*told.key, told.last, list(told.evidence), told.because, told.open, told.told, told.tool, began_at, ended_at]


def _told(plain: list[Any]) -> ToldFinding:
    kind, name, first, last, evidence, because, is_open, told, tool, began_at, ended_at = plain
    return ToldFinding(kind, name, first, last, tuple(evidence), because, is_open, told, tool, _time(began_at), _time(ended_at))


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _time(told: str | None) -> datetime | None:
    return None if told is None else datetime.fromisoformat(told)

"""Cuts a session into exchanges: a person's prompt, what the agent did for it, and what the person's next turn says of that. Pure.

Counts and places only: nothing of what was said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias

from app.sessions.event import ReplyUsage
from app.trajectory.analyzers.analyzer import Snapshot
from app.trajectory.events.steps import SessionStep
from app.trajectory.events.turns import Ending, ending

ExchangeOutcome = Literal["accepted", "corrected", "neutral"]
"""The verdict of the person's next turn on an exchange; neutral: it goes on without a verdict."""
Verdict: TypeAlias = Literal["passed", "failed"]

MAX_FILES = 20
"""Edited files of an exchange that are told by name."""
MAX_COST_NANOUSD = 10**18
"""Most that an exchange is told to have cost, a thousand million dollars: a transcript may give any prices, and the sum must fit its column."""
_OUTCOMES: Mapping[Ending, ExchangeOutcome] = {"accepted": "accepted", "corrected": "corrected", "open": "neutral"}


@dataclass(frozen=True, slots=True)
class SessionExchange:
    """A prompt and what followed up to the next. `number` 0: what came before the first prompt.

    `first`, `last`: seqs. `outcome` None: nobody has answered yet. `phases`: number of steps by phase. `failed`: tool calls that failed.
    `checked`: how the last run of tests or checks ended, None: there was none that told. `files`: edited, the first MAX_FILES.
    `cost_nanousd`: where the transcript gives prices.
    """

    number: int
    first: int
    last: int
    outcome: ExchangeOutcome | None = None
    phases: Mapping[str, int] = field(default_factory=dict)
    failed: int = 0
    checks_passed: int = 0
    checks_failed: int = 0
    checked: Verdict | None = None
    files: tuple[str, ...] = ()
    began_at: datetime | None = None
    ended_at: datetime | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cost_nanousd: int | None = None


@dataclass(slots=True)
class _OpenExchange:
    """The exchange that goes on, as plain values that JSON can hold."""

    number: int = 0
    first: int = 0
    last: int = 0
    phases: dict[str, int] = field(default_factory=dict)
    failed: int = 0
    checks_passed: int = 0
    checks_failed: int = 0
    checked: Verdict | None = None
    files: list[str] = field(default_factory=list)
    began_at: str | None = None
    ended_at: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cost_nanousd: int | None = None

    def closed(self, outcome: ExchangeOutcome | None) -> SessionExchange:
        return SessionExchange(
            number=self.number,
            first=self.first,
            last=self.last,
            outcome=outcome,
            phases=dict(self.phases),
            failed=self.failed,
            checks_passed=self.checks_passed,
            checks_failed=self.checks_failed,
            checked=self.checked,
            files=tuple(self.files),
            began_at=_time(self.began_at),
            ended_at=_time(self.ended_at),
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            cost_nanousd=self.cost_nanousd,
        )


class ExchangeReader:
    """Reads a session's exchanges step by step. Its state is one exchange, whatever the session's length."""

    def __init__(self) -> None:
        self._open = _OpenExchange()

    @property
    def current(self) -> SessionExchange | None:
        """Return the exchange that goes on; None before the first step."""
        return self._open.closed(None) if self._open.last else None

    def add(self, step: SessionStep, usage: ReplyUsage | None) -> SessionExchange | None:
        """Take the next step; return the exchange that it ended, if any."""
        ended = None
        if step.phase == "ask":
            if self._open.last:
                ended = self._open.closed(_OUTCOMES[ending(step.text)])
            self._open = _OpenExchange(number=self._open.number + 1)
        self._count(step, usage)
        return ended

    def snapshot(self) -> Snapshot:
        """Return the state after the steps so far."""
        return asdict(self._open)

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot."""
        self._open = _OpenExchange(**snapshot)  # type: ignore[arg-type]

    def _count(self, step: SessionStep, usage: ReplyUsage | None) -> None:
        now = self._open
        now.first, now.last = now.first or step.seq, step.seq
        now.phases[step.phase] = now.phases.get(step.phase, 0) + 1
        now.failed += step.result == "failed"
        if step.checks and step.result in {"ok", "failed"}:
            now.checked = "passed" if step.result == "ok" else "failed"
            now.checks_passed += step.result == "ok"
            now.checks_failed += step.result == "failed"
        if step.phase == "edit" and len(now.files) < MAX_FILES:
            now.files += [path for path in step.files if path not in now.files][: MAX_FILES - len(now.files)]
        if step.at is not None:
            told = step.at.isoformat()
            now.began_at = told if now.began_at is None else min(now.began_at, told)
            now.ended_at = told if now.ended_at is None else max(now.ended_at, told)
        if usage is not None:
            now.input_tokens += usage.input
            now.output_tokens += usage.output
            if usage.cost_nanousd is not None:
                now.cost_nanousd = min((now.cost_nanousd or 0) + usage.cost_nanousd, MAX_COST_NANOUSD)


def _time(told: str | None) -> datetime | None:
    return None if told is None else datetime.fromisoformat(told)

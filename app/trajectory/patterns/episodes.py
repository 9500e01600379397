"""Reads a session's troubles as episodes: the shape that failed, the shape that followed, and how it ended. Bounded state; pure.

An episode begins when a loop is found, or the session is told to be stuck or blocked, and goes on until something shows that it is over:
a passing check, the failed call with success, a commit, a person's approval. What followed isn't said to be the cause.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any, Final, TypeAlias, cast

from app.trajectory.analyzers.analyzer import SessionFinding, Snapshot
from app.trajectory.events.steps import SessionStep
from app.trajectory.patterns.endings import FailedCall, TroubleOutcome, failed_call, progress
from app.trajectory.patterns.failures import failure_signature, trouble_signature
from app.trajectory.shapes.phases import phase_of

TimeOf: TypeAlias = Callable[[int], datetime | None]
"""Tells the time of one of the last steps, by its seq; None: it has none, or lies too far back."""

MAX_EPISODES: Final = 200
"""Episodes of a session that are kept."""
MAX_STEPS: Final = 64
MAX_FAILURES: Final = 12
"""Steps and failures remembered, from which an episode's beginning is read."""
MAX_SHAPE: Final = 12
"""Phases kept of either shape, the last ones."""
MAX_AFTER: Final = 60
"""Steps after the last sign of trouble in which its end must show; what comes later has little to do with it."""
MAX_HELD: Final = 16
_CLEAR: Final = frozenset({"call_worked", "approved"})
"""Ends that tell by themselves: after any other a trouble must not be told as open any more."""


@dataclass(frozen=True, slots=True)
class TroubleEpisode:
    """A trouble of a session and what followed. `told`: seq of the event by which it was found, the episode's key in its session.

    `first`, `last`: seqs of its first sign and of its end, or its last sign so far. `trouble`: the loop's rung, or the health. `failing`,
    `ended`: phases up to `told`, and after its last sign (`shapes.phases`). `outcome` None: it goes on.
    """

    told: int
    first: int
    last: int
    trouble: str
    family: str
    signature: int
    tool: str
    failing: str
    ended: str
    outcome: TroubleOutcome | None
    began_at: datetime | None
    ended_at: datetime | None


@dataclass(slots=True)
class _OpenEpisode:
    """The episode that goes on, as plain values that JSON can hold. `after`: steps since its last sign."""

    told: int
    first: int
    last: int
    trouble: str
    family: str
    signature: int
    failed: FailedCall
    failing: str
    began_at: str | None
    ended_at: str | None
    ended: str = ""
    after: int = 0

    def closed(self, outcome: TroubleOutcome | None) -> TroubleEpisode:
        return TroubleEpisode(
            self.told,
            self.first,
            self.last,
            self.trouble,
            self.family,
            self.signature,
            self.failed.tool,
            self.failing,
            self.ended,
            outcome,
            _time(self.began_at),
            _time(self.ended_at),
        )


@dataclass(slots=True)
class _PassedStep:
    """A step whose phase is read once it is asked for: most are never. `read`: the phase's character, empty for none; None: not yet."""

    seq: int
    step: SessionStep | None
    read: str | None = None

    @property
    def char(self) -> str:
        if self.read is None:
            self.read = "" if self.step is None else _char_of(self.step)
        return self.read


@dataclass(slots=True)
class EpisodeReader:
    """Reads a session's episodes step by step. Deterministic: fed at once, or from a snapshot at any step, it tells the same."""

    _passed: deque[_PassedStep] = field(default_factory=lambda: deque(maxlen=MAX_STEPS))
    _failures: deque[FailedCall] = field(default_factory=lambda: deque(maxlen=MAX_FAILURES))
    _held: list[str] = field(default_factory=list)
    _open: _OpenEpisode | None = None
    _count: int = 0
    _ended: list[TroubleEpisode] = field(default_factory=list)

    def add(self, step: SessionStep, told: Iterable[SessionFinding], at: TimeOf) -> None:
        """Take the next step and what analyzers told by it. Subagents' steps are passed over: theirs are courses of their own."""
        if step.sidechain:
            return
        self._pass(step)
        troubles = [each for each in told if each.kind == "loop" or (each.kind == "health" and each.name in {"stuck", "blocked"})]
        was_held, shown = bool(self._held), [each for each in troubles if each.open]
        self._hold(troubles)
        if shown:
            finding = min(shown, key=lambda each: each.kind != "loop")
            self._show(step, finding, at(finding.first), was_held=was_held)
        elif self._open is not None:
            self._follow(self._open, step)

    def take(self) -> Sequence[TroubleEpisode]:
        """Return the episodes that ended since the last call, and the one that goes on."""
        ended, self._ended = self._ended, []
        return ended if self._open is None else [*ended, self._open.closed(None)]

    def snapshot(self) -> Snapshot:
        """Return the state after the steps so far; what `take` has yet to return is no part of it, but for the one that goes on."""
        return {
            "passed": [[each.seq, each.char] for each in self._passed],
            "failures": [asdict(each) for each in self._failures],
            "held": list(self._held),
            "open": None if self._open is None else asdict(self._open),
            "count": self._count,
        }

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot."""
        state = cast("dict[str, Any]", snapshot)
        self._passed = deque((_PassedStep(seq, None, char) for seq, char in state["passed"]), maxlen=MAX_STEPS)
        self._failures = deque((FailedCall(**each) for each in state["failures"]), maxlen=MAX_FAILURES)
        self._held, self._count = list(state["held"]), state["count"]
        self._open = None if state["open"] is None else _OpenEpisode(**state["open"] | {"failed": FailedCall(**state["open"]["failed"])})

    def _pass(self, step: SessionStep) -> None:
        self._passed.append(_PassedStep(step.seq, step))
        if step.result in {"failed", "unavailable", "rejected"}:
            self._failures.append(failed_call(step))

    def _hold(self, troubles: Iterable[SessionFinding]) -> None:
        for each in troubles:
            key = f"{each.kind} {each.name} {each.first}"
            if key in self._held:
                self._held.remove(key)
            if each.open:
                self._held = [*self._held, key][-MAX_HELD:]

    def _show(self, step: SessionStep, finding: SessionFinding, began_at: datetime | None, *, was_held: bool) -> None:
        """Go on with the open episode where the trouble never ended, or is of the same class; else begin another."""
        failure = next((each for each in reversed(self._failures) if each.seq >= finding.first), None)
        signature = trouble_signature(finding.name) if failure is None else failure_signature(failure.result, failure.error)
        if self._open is not None and (was_held or self._open.signature == signature.value):
            self._open.last, self._open.ended_at = step.seq, _text(step.at) or self._open.ended_at
            self._open.ended, self._open.after = "", 0
            return
        self._close("unresolved")
        if self._count < MAX_EPISODES:
            self._count += 1
            chars = (each.char for each in self._passed if each.seq >= finding.first)
            shape = "".join(char for char, _ in groupby(filter(None, chars)))[-MAX_SHAPE:]
            failed = failure or FailedCall(step.seq, step.result, "", step.tool)
            where = (step.seq, finding.first, step.seq, finding.name, signature.family, signature.value)
            self._open = _OpenEpisode(*where, failed, shape, _text(began_at), _text(step.at))

    def _follow(self, now: _OpenEpisode, step: SessionStep) -> None:
        """Take a step after the last sign of trouble; close the episode where it shows the end, or comes too late to."""
        now.after += 1
        char = self._passed[-1].char
        if char and now.ended[-1:] != char:
            now.ended = (now.ended + char)[-MAX_SHAPE:]
        outcome = progress(step, now.failed)
        if outcome is not None and (outcome in _CLEAR or not self._held):
            now.last, now.ended_at = step.seq, _text(step.at) or now.ended_at
            self._close(outcome)
        elif not self._held and now.after >= MAX_AFTER:
            self._close("unresolved")

    def _close(self, outcome: TroubleOutcome) -> None:
        if self._open is not None:
            self._ended.append(self._open.closed(outcome))
            self._open = None


def _char_of(step: SessionStep) -> str:
    phase = phase_of(step, again=False)
    return "" if phase is None else phase.char


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _time(told: str | None) -> datetime | None:
    return None if told is None else datetime.fromisoformat(told)

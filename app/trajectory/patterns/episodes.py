"""Reads a session's troubles as episodes: the shape that failed, the shape that followed, and how it ended. Bounded state; pure.

An episode begins when a loop is found, or the session is told to be stuck or blocked, and goes on until something shows that it is over:
a passing check, the failed call with success, a commit, a person's approval. What followed isn't said to be the cause.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import lru_cache
from itertools import groupby
from typing import Any, Final, Literal, TypeAlias, cast

from app.trajectory.analyzers.analyzer import SessionFinding, Snapshot
from app.trajectory.events.normal import digest
from app.trajectory.events.steps import Result, SessionStep
from app.trajectory.events.tools import SHELL_TOOL
from app.trajectory.events.turns import ending
from app.trajectory.patterns.failures import failure_signature, trouble_signature
from app.trajectory.shapes.phases import phase_of, symbol_of

TroubleOutcome: TypeAlias = Literal["check_passed", "call_worked", "committed", "approved", "unresolved"]
"""call_worked: the call that had failed, or one of its kind, gave success; unresolved: nothing shows that the trouble ended."""

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
_COMMON_DEEDS: Final = frozenset({"run", "explore", "plan", "ask"})
"""Deeds that say too little: only the same call again shows that it works now."""


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
    """The episode that goes on, as plain values that JSON can hold. `after`: steps since its last sign.

    `call`, `deed`, `files`: of the call that failed. `outside`: it was refused or got no service, so that any call of its kind shows the end.
    """

    told: int
    first: int
    last: int
    trouble: str
    family: str
    signature: int
    tool: str
    deed: str
    call: int
    files: int
    outside: bool
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
            self.tool,
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
class _Failure:
    """A call that didn't end well. `files`: hash of those that it names, 0 for none."""

    seq: int
    result: Result
    error: str
    tool: str
    call: int
    deed: str
    files: int


@dataclass(slots=True)
class EpisodeReader:
    """Reads a session's episodes step by step. Deterministic: fed at once, or from a snapshot at any step, it tells the same."""

    _passed: deque[_PassedStep] = field(default_factory=lambda: deque(maxlen=MAX_STEPS))
    _failures: deque[_Failure] = field(default_factory=lambda: deque(maxlen=MAX_FAILURES))
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
        self._failures = deque((_Failure(**each) for each in state["failures"]), maxlen=MAX_FAILURES)
        self._held, self._count = list(state["held"]), state["count"]
        self._open = None if state["open"] is None else _OpenEpisode(**state["open"])

    def _pass(self, step: SessionStep) -> None:
        self._passed.append(_PassedStep(step.seq, step))
        if step.result in {"failed", "unavailable", "rejected"}:
            phase = phase_of(step, again=False)
            deed = "" if phase is None else phase.deed
            self._failures.append(_Failure(step.seq, step.result, step.error, step.tool, step.call, deed, _place_of(step)))

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
            failed = failure or _Failure(step.seq, step.result, "", step.tool, 0, "", 0)
            call = (failed.tool, failed.deed, failed.call, failed.files, failed.result in {"rejected", "unavailable"})
            where = (step.seq, finding.first, step.seq, finding.name, signature.family, signature.value)
            self._open = _OpenEpisode(*where, *call, shape, _text(began_at), _text(step.at))

    def _follow(self, now: _OpenEpisode, step: SessionStep) -> None:
        """Take a step after the last sign of trouble; close the episode where it shows the end, or comes too late to."""
        now.after += 1
        char = self._passed[-1].char
        if char and now.ended[-1:] != char:
            now.ended = (now.ended + char)[-MAX_SHAPE:]
        outcome = _progress(step, now)
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


def _progress(step: SessionStep, episode: _OpenEpisode) -> TroubleOutcome | None:
    """Tell whether a step shows that a trouble is over, and how."""
    if step.kind == "prompt":
        return "approved" if ending(step.text) == "accepted" else None
    if step.result != "ok":
        return None
    if step.checks:
        return "check_passed"
    if _is_the_call(step, episode):
        return "call_worked"
    return "committed" if step.phase == "commit" else None


def _is_the_call(step: SessionStep, episode: _OpenEpisode) -> bool:
    """Tell whether a call is the one that had failed, or one of its kind: what its program or its file says, not the tool alone."""
    if not episode.deed or step.tool != episode.tool:
        return False
    if step.call and step.call == episode.call:
        return True
    phase = phase_of(step, again=False)
    if phase is None or phase.deed != episode.deed:
        return False
    if episode.outside and SHELL_TOOL.search(step.tool) is None:
        return True
    if episode.deed == "edit":
        return episode.files != 0 and _place_of(step) == episode.files
    return episode.deed not in _COMMON_DEEDS


def _place_of(step: SessionStep) -> int:
    return digest("\0".join(step.files)) if step.files else 0


@lru_cache(maxsize=4_096)
def reduced(shape: str) -> str:
    """Return a shape with each stretch that repeats at once told once, so that three rounds of a loop are as two."""
    period = 1
    while period <= len(shape) // 2:
        place = next((at for at in range(len(shape) - 2 * period + 1) if _repeats(shape, at, period)), None)
        if place is None:
            period += 1
        else:
            shape, period = shape[:place] + shape[place + period :], 1
    return shape


def _repeats(shape: str, at: int, period: int) -> bool:
    return shape[at : at + period] == shape[at + period : at + 2 * period]


def words_of_shape(shape: str) -> tuple[str, ...]:
    """Name a shape's phases."""
    return tuple(symbol_of(char).words for char in shape)


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _time(told: str | None) -> datetime | None:
    return None if told is None else datetime.fromisoformat(told)

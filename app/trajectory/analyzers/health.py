"""Tells how a session fares: on track, off track, stuck or blocked, with the steps that show it. Carries the loop ladder, whose findings it passes on.

What a live detector can't know: a step that a person will refuse or undo later looks like any other until then. Off track is told from the
reaction on, not from the mistake on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any, Literal, cast

from app.trajectory.analyzers.analyzer import SessionFinding, Snapshot
from app.trajectory.analyzers.loops import LoopAnalyzer
from app.trajectory.analyzers.troubles import SignKind, TroubleSign, sign_of
from app.trajectory.events.steps import SessionStep
from app.trajectory.events.turns import ending

Health = Literal["on_track", "off_track", "stuck", "blocked"]
MAX_SIGNS, MAX_EVIDENCE = 16, 12
MAX_AGE = 14
"""Steps after which a sign counts no more: what went wrong before them has been dealt with, or shows again."""
MIN_CORRECTIONS = 3
"""Corrections by a person, without a word of approval between, after which the agent is stuck, not only astray."""
MIN_OUTAGES, MIN_UNANSWERED = 3, 2
"""Failures of services without a success between; fewer where no answer comes from the model itself."""
MIN_OBSTACLES, MIN_DOUBTS = 2, 2
"""Failures for want of something outside, of which one may be the agent's word that it can't go on; and steps that the agent took back."""
_STRONG: frozenset[SignKind] = frozenset({"corrected", "undone", "interrupted"})
_WEAK: frozenset[SignKind] = frozenset({"refuted", "reverted"})


@dataclass(frozen=True, slots=True)
class HealthVerdict:
    """A session's state after a step, and why; `evidence` is empty where it is on track."""

    health: Health
    evidence: tuple[int, ...] = ()
    because: str = ""


_ON_TRACK = HealthVerdict("on_track")


@dataclass(frozen=True, slots=True)
class _AgedSign:
    """A sign with the number of its step and the tool that it is of."""

    sign: TroubleSign
    number: int
    tool: str = ""


class HealthAnalyzer:
    """Watches how a session fares. Tells loops, too: a loop is the first reason to be stuck."""

    name = "health"
    version = "1"

    def __init__(self) -> None:
        self.loops = LoopAnalyzer()
        self.signs: deque[_AgedSign] = deque(maxlen=MAX_SIGNS)
        self.number = 0
        self.worked = False
        """The agent did or said something since the last prompt: only then can the next one be a verdict on it."""
        self.told: SessionFinding | None = None

    def add(self, step: SessionStep) -> Iterable[SessionFinding]:
        """Take the next step; return loops and the verdict that begins, goes on or ends with it."""
        found = list(self.loops.add(step))
        if not step.sidechain:
            self.number += 1
            self._take(step)
            found.extend(self._tell(step.seq))
        return found

    def verdict(self) -> HealthVerdict:
        """Return how the session fares now."""
        loop = self.loops.main.open
        if loop is not None:
            return HealthVerdict("stuck", loop.evidence, loop.because)
        if not self.signs:
            return _ON_TRACK
        kinds = self._by_kind()
        return _stuck(self.loops, kinds) or _blocked(kinds) or _off_track(kinds) or _ON_TRACK

    def snapshot(self) -> Snapshot:
        """Return the state, the ladder's included."""
        return {
            "loops": self.loops.snapshot(),
            "signs": [[*astuple(each.sign), each.number, each.tool] for each in self.signs],
            "number": self.number,
            "worked": self.worked,
            "told": None if self.told is None else self.told.row(),
        }

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot."""
        given = cast("Mapping[str, Any]", snapshot)
        self.loops.restore(given["loops"])
        self.signs = deque((_AgedSign(TroubleSign(*row[:3]), row[3], row[4]) for row in given["signs"]), maxlen=MAX_SIGNS)
        self.number, self.worked = given["number"], given["worked"]
        told = given["told"]
        self.told = None if told is None else SessionFinding.of_row(told)

    def _take(self, step: SessionStep) -> None:
        """Note a step's sign, and drop what it answers."""
        self._age(step)
        sign = sign_of(step)
        if sign is not None and (sign.kind != "corrected" or self.worked):
            self.signs.append(_AgedSign(sign, self.number, step.tool if step.call else ""))
        self.worked = step.kind == "reply" or (step.kind == "tool" and step.call != 0) or (self.worked and step.kind != "prompt")

    def _age(self, step: SessionStep) -> None:
        if not self.signs:
            return
        praised = step.kind == "prompt" and not step.sidechain and ending(step.text) == "accepted"
        kept = [each for each in self.signs if not praised and self.number - each.number <= MAX_AGE and not _answers(step, each)]
        if len(kept) < len(self.signs):
            self.signs = deque(kept, maxlen=MAX_SIGNS)

    def _by_kind(self) -> dict[SignKind, list[_AgedSign]]:
        kinds: dict[SignKind, list[_AgedSign]] = {}
        for each in self.signs:
            kinds.setdefault(each.sign.kind, []).append(each)
        return kinds

    def _tell(self, seq: int) -> Iterator[SessionFinding]:
        verdict = self.verdict()
        told = self.told
        if told is None and verdict is _ON_TRACK:
            return
        if told is not None and told.name != verdict.health:
            self.told = None
            yield SessionFinding(told.kind, told.name, told.first, told.last, told.evidence, told.because, open=False)
        if verdict.health != "on_track":
            first = self.told.first if self.told is not None else min(verdict.evidence)
            finding = SessionFinding("health", verdict.health, first, seq, verdict.evidence, verdict.because)
            if self.told is None or finding.evidence != self.told.evidence:
                yield finding
            self.told = finding


def _answers(step: SessionStep, each: _AgedSign) -> bool:
    """Tell whether a step shows that what a sign told of is over."""
    match each.sign.kind:
        case "outage" | "outside":
            answered = step.kind == "reply" if not each.tool else step.result == "ok" and step.tool == each.tool
            return answered and (each.sign.kind == "outage" or step.result == "ok")
        case "refused":
            return step.kind == "prompt"
        case "helpless":
            return step.kind == "prompt" or (step.result == "ok" and step.phase in {"edit", "commit", "test"})
        case _:
            return False


def _stuck(loops: LoopAnalyzer, kinds: Mapping[SignKind, Sequence[_AgedSign]]) -> HealthVerdict | None:
    """Find the signs of being stuck below the ladder: a failing attempt again with regret between, or corrections in a row."""
    corrected = kinds.get("corrected", ())
    if len(corrected) >= MIN_CORRECTIONS and not kinds.get("outage"):
        return _verdict(
            "stuck", corrected, f"A person had to correct it {len(corrected)} times in a row; the last time: {corrected[-1].sign.what}."
        )
    regrets = kinds.get("refuted", ())
    streak = loops.main.errors.longest() if regrets else None
    if streak is None or streak.count < 2 or all(each.sign.seq <= streak.seqs[0] for each in regrets):
        return None
    return HealthVerdict(
        "stuck", tuple(streak.seqs[-MAX_EVIDENCE:]), f"The same attempt failed again after an apology, with the same error: {streak.error}"
    )


def _blocked(kinds: Mapping[SignKind, Sequence[_AgedSign]]) -> HealthVerdict | None:
    outages, obstacles, refused = kinds.get("outage", ()), kinds.get("outside", ()), kinds.get("refused", ())
    if outages and len(outages) >= (MIN_OUTAGES if outages[-1].tool else MIN_UNANSWERED):
        return _verdict("blocked", outages, f"{outages[-1].sign.what}. {len(outages)} tries, none of them answered.")
    if obstacles and len(obstacles) + len(kinds.get("helpless", ())) >= MIN_OBSTACLES:
        return _verdict("blocked", obstacles, f"{obstacles[-1].sign.what}. It can't go on without it.")
    if refused:
        return _verdict("blocked", refused, f"{refused[-1].sign.what}. It waits for their word.")
    return None


def _off_track(kinds: Mapping[SignKind, Sequence[_AgedSign]]) -> HealthVerdict | None:
    strong = sorted((each for kind in _STRONG for each in kinds.get(kind, ())), key=lambda each: each.number)
    if strong:
        return _verdict("off_track", strong, f"{strong[-1].sign.what}.")
    weak = sorted((each for kind in _WEAK for each in kinds.get(kind, ())), key=lambda each: each.number)
    if len(weak) >= MIN_DOUBTS and any(each.sign.kind == "refuted" for each in weak):
        return _verdict("off_track", weak, f"{weak[-1].sign.what}.")
    return None


def _verdict(health: Health, signs: Sequence[_AgedSign], because: str) -> HealthVerdict:
    return HealthVerdict(health, tuple(each.sign.seq for each in signs)[-MAX_EVIDENCE:], because)

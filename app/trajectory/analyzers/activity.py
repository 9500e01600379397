"""Tells what a stretch of a session is: exploring, planning, implementing, debugging, testing, documenting, refactoring or reviewing.

Each step adds its share to the eight, by its phase, its files, its result and its words; a stretch is what the last steps add up to. The
weights are set by hand; `tests/performance/measure_trajectory.py` says how far they go.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from app.sessions.event import Kind
from app.trajectory.analyzers.analyzer import SessionFinding, Snapshot
from app.trajectory.analyzers.cues import ACTIVITIES, Activity, activities_in
from app.trajectory.events.steps import SessionStep

Shares = tuple[int, ...]
"""Tenths of a point that a step, or a stretch, has for each of the eight, in their order. Whole numbers: sums don't depend on their order."""
MAX_STRETCH = 24
"""Steps that a stretch looks back over."""
MIN_STRETCH, MIN_LEAD = 4, (23, 20)
"""Steps before a stretch is told, and the ratio by which another activity must lead to end it: otherwise it would flicker."""
MAX_EVIDENCE, MAX_READ_CHARS = 8, 500
NOTHING: Shares = (0,) * len(ACTIVITIES)
_WEIGHTS: Mapping[Kind, int] = {"prompt": 25, "reply": 8, "thinking": 4}
"""A person's words say more of what is done than the agent's, and these more than its thoughts."""
_TEST_FILE = re.compile(r"(?:^|[/_.-])(?:tests?|specs?|__tests__|e2e|fixtures)(?:[/_.-]|$)|[a-z]Tests?\.\w+$", re.IGNORECASE)
_DOCUMENT = re.compile(r"\.(?:md|mdx|rst|adoc|txt)$|(?:^|/)docs?/|README|CHANGELOG", re.IGNORECASE)
_PLAN_FILE = re.compile(r"plans?/|(?:^|[/_-])(?:plan|todo|roadmap|design)\b[^/]*$", re.IGNORECASE)
_REVIEW_CALL = re.compile(
    r"\bgit\s+(?:-C\s+\S+\s+)?(?:diff|show|log|blame)|\bgh\s+(?:pr|api\s\S*(?:pulls|comments))|code.?review|pull.?request", re.IGNORECASE
)
_REASONS: Mapping[Activity, str] = {
    "exploring": "mostly reads and searches",
    "planning": "plans and weighs options, and changes nothing yet",
    "implementing": "mostly changes source files",
    "debugging": "follows failures and what causes them",
    "testing": "writes or runs tests and checks",
    "documenting": "mostly changes documents",
    "refactoring": "changes structure: moves, renames, simplifies",
    "reviewing": "reads changes and judges them",
}


@dataclass(frozen=True, slots=True)
class ActivityVerdict:
    """The activity of a stretch, and how clear it is: the share that it has of all."""

    activity: Activity
    confidence: float
    evidence: tuple[int, ...]
    because: str


class ActivityAnalyzer:
    """Watches what a session does. A stretch is told when it begins and when it ends."""

    name = "activity"
    version = "1"

    def __init__(self) -> None:
        self.stretch: deque[tuple[int, Shares]] = deque(maxlen=MAX_STRETCH)
        self.totals: Shares = NOTHING
        self.told: SessionFinding | None = None

    def add(self, step: SessionStep) -> Iterable[SessionFinding]:
        """Take the next step; return the stretch that ends and the one that begins with it."""
        if step.sidechain:
            return ()
        shares = shares_of(step)
        gone = self.stretch[0][1] if len(self.stretch) == MAX_STRETCH else NOTHING
        self.stretch.append((step.seq, shares))
        if shares != gone:
            self.totals = tuple([total + new - old for total, new, old in zip(self.totals, shares, gone, strict=True)])
        return list(self._tell(step.seq))

    def verdict(self) -> ActivityVerdict | None:
        """Return what the last steps are; None where none of them says anything."""
        return verdict_of(self.stretch)

    def _tell(self, seq: int) -> Iterator[SessionFinding]:
        told = self.told
        if told is not None:
            self.told = SessionFinding(told.kind, told.name, told.first, seq, told.evidence, told.because)
        if len(self.stretch) < MIN_STRETCH or not self._leads(told):
            return
        found = self.verdict()
        if found is None:
            return
        if told is not None:
            yield replace(told, open=False)
        self.told = SessionFinding(
            "activity", found.activity, found.evidence[0] if told is None else seq, seq, found.evidence, found.because
        )
        yield self.told

    def _leads(self, told: SessionFinding | None) -> bool:
        """Tell whether another activity than the one told has clearly more."""
        if told is None:
            return True
        best, current = max(self.totals), self.totals[ACTIVITIES.index(cast("Activity", told.name))]
        return best > current and best * MIN_LEAD[1] >= current * MIN_LEAD[0]

    def snapshot(self) -> Snapshot:
        """Return the state: the last steps' shares, and what was told."""
        return {
            "stretch": [[seq, list(shares)] for seq, shares in self.stretch],
            "told": None if self.told is None else self.told.row(),
        }

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot."""
        given = cast("Mapping[str, Any]", snapshot)
        self.stretch = deque(((seq, tuple(shares)) for seq, shares in given["stretch"]), maxlen=MAX_STRETCH)
        self.totals = totals_of(self.stretch)
        told = given["told"]
        self.told = None if told is None else SessionFinding.of_row(told)


def verdict_of(stretch: Sequence[tuple[int, Shares]]) -> ActivityVerdict | None:
    """Add up a stretch of steps, each given with its seq."""
    totals = totals_of(stretch)
    whole = sum(totals)
    if not whole:
        return None
    best = max(range(len(ACTIVITIES)), key=totals.__getitem__)
    telling = sorted(sorted(stretch, key=lambda each: -each[1][best])[:MAX_EVIDENCE])
    activity = ACTIVITIES[best]
    return ActivityVerdict(
        activity, totals[best] / whole, tuple(seq for seq, _ in telling), f"{activity.capitalize()}: the stretch {_REASONS[activity]}."
    )


def totals_of(stretch: Iterable[tuple[int, Shares]]) -> Shares:
    """Add up the shares of steps."""
    totals = tuple(map(sum, zip(*(shares for _, shares in stretch), strict=True)))
    return totals or NOTHING


def shares_of(step: SessionStep) -> Shares:
    """Return what a step says for each of the eight."""
    shares = dict.fromkeys(ACTIVITIES, 0)
    if step.kind == "tool":
        _add_call(shares, step)
    else:
        weight = _WEIGHTS.get(step.kind, 0)
        for activity in activities_in(step.text[:MAX_READ_CHARS]) if weight else ():
            shares[activity] += weight
    return tuple(shares.values())


def _add_call(shares: dict[Activity, int], step: SessionStep) -> None:
    failed = step.result == "failed"
    match step.phase:
        case "explore" if _REVIEW_CALL.search(step.text[:MAX_READ_CHARS]):
            shares["reviewing"] += 12
        case "explore":
            shares["exploring"] += 10
        case "plan":
            shares["planning"] += 30 if "plan" in step.tool else 3
        case "edit":
            _add_edit(shares, step)
        case "test":
            shares["testing"] += 10
            shares["debugging"] += 12 if failed else 0
        case _:
            shares["implementing"] += 2
            shares["debugging"] += 8 if failed else 0


def _add_edit(shares: dict[Activity, int], step: SessionStep) -> None:
    path = step.files[0] if step.files else step.text.split("\n", 1)[0]
    if _PLAN_FILE.search(path):
        shares["planning"] += 20
    elif _TEST_FILE.search(path):
        shares["testing"] += 15
    elif _DOCUMENT.search(path):
        shares["documenting"] += 20
    else:
        shares["implementing"] += 12

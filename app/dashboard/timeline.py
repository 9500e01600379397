"""A session's timeline as data: its steps by phase, its exchanges, and what was found in them. The template draws it, with its table."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from app.dashboard.finding_words import finding_label
from app.trajectory.analysis import FindingKind, SessionExchange, ShownAnalysis, StepStrip, ToldFinding
from app.trajectory.events import Phase
from app.trajectory.intent import Intent

WIDTH: Final = 1000
BARS_HEIGHT: Final = 60
MIN_MARK_WIDTH: Final = 4.0
PHASE_WORDS: Final[dict[Phase, str]] = {
    "ask": "asks",
    "explore": "explores",
    "plan": "plans",
    "edit": "edits",
    "test": "tests",
    "run": "runs",
    "commit": "commits",
    "say": "says",
}
ROWS: Final[dict[FindingKind, str]] = {"health": "Health", "loop": "Loops", "policy": "Rules", "activity": "Activity"}
"""Trouble first: it is what somebody looks for."""
TONES: Final = {"on_track": "good", "off_track": "warn", "blocked": "warn", "stuck": "bad"}
"""Colours of health. A loop is a warning, a broken rule bad, an activity neither."""


@dataclass(frozen=True, slots=True)
class PhaseArea:
    """The shares of one phase in all strips of steps, as rectangles in the notation of a path."""

    phase: Phase
    path: str


@dataclass(frozen=True, slots=True)
class FindingMark:
    """A finding on its row of the picture."""

    finding: ToldFinding
    label: str
    x: float
    width: float
    tone: str


@dataclass(frozen=True, slots=True)
class FindingRowView:
    """A row of the picture: what was found of one kind."""

    title: str
    marks: Sequence[FindingMark]


@dataclass(frozen=True, slots=True)
class IntentMark:
    """An exchange on the picture's row of intents."""

    intent: Intent
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class SessionTimeline:
    """The picture of a session's events `first` to `last`. `edges`: where exchanges begin. `phases`: those that occur, in words.

    `trouble`: what was found but activities, row by row. `intent_counts`: the intents of the exchanges, the most frequent first.
    """

    areas: Sequence[PhaseArea]
    edges: Sequence[float]
    rows: Sequence[FindingRowView]
    phases: Sequence[tuple[Phase, str]]
    exchanges: Sequence[SessionExchange]
    intents: Sequence[IntentMark]
    intent_counts: Sequence[tuple[Intent, int]]
    label: str
    first: int
    last: int
    trouble: Sequence[FindingMark]

    @property
    def activities(self) -> Sequence[FindingMark]:
        return [mark for row in self.rows for mark in row.marks if mark.finding.kind == "activity"]


def draw(analysis: ShownAnalysis) -> SessionTimeline | None:
    """Lay a page of an analysis out on WIDTH; None where there is nothing to draw."""
    if not analysis.exchanges or not analysis.strips:
        return None
    first, last = analysis.exchanges[0].first, analysis.exchanges[-1].last
    rows = [FindingRowView(title, _marks(analysis.found.findings, kind, first, last)) for kind, title in ROWS.items()]
    trouble = _trouble(rows)
    intents = _intents(analysis, first, last)
    used = {phase for strip in analysis.strips for phase in strip.phases}
    return SessionTimeline(
        areas=_areas(analysis.strips, first, last),
        edges=[_x(each.first, first, last) for each in analysis.exchanges[1:]],
        rows=[row for row in rows if row.marks],
        phases=[(phase, words) for phase, words in PHASE_WORDS.items() if phase in used],
        exchanges=analysis.exchanges,
        intents=intents,
        intent_counts=Counter(each.intent for each in intents).most_common(),
        label=_label(analysis, trouble),
        first=first,
        last=last,
        trouble=trouble,
    )


def _trouble(rows: Sequence[FindingRowView]) -> list[FindingMark]:
    """Choose what is listed as trouble: a loop that shows why a session is stuck is told with that."""
    marks = [mark for row in rows for mark in row.marks if mark.finding.kind != "activity"]
    stuck = {mark.finding.because for mark in marks if mark.finding.kind == "health"} - {""}
    return [mark for mark in marks if mark.finding.kind != "loop" or mark.finding.because not in stuck]


def _areas(strips: Sequence[StepStrip], first: int, last: int) -> list[PhaseArea]:
    paths: defaultdict[Phase, str] = defaultdict(str)
    for strip in strips:
        for phase, rectangle in _rectangles(strip, first, last):
            paths[phase] += rectangle
    return [PhaseArea(phase, paths[phase]) for phase in PHASE_WORDS if phase in paths]


def _rectangles(strip: StepStrip, first: int, last: int) -> Iterator[tuple[Phase, str]]:
    """Yield a strip's phases, one on the other, in the order of the legend."""
    x, count, y = _x(strip.first, first, last), sum(strip.phases.values()), 0.0
    width = round(_x(strip.last + 1, first, last) - x, 2)
    for phase in PHASE_WORDS:
        if share := strip.phases.get(phase, 0):
            height = BARS_HEIGHT * share / count
            yield phase, f"M{x:g} {y:.4g}h{width:g}v{height:.4g}h-{width:g}z"
            y += height


def _intents(analysis: ShownAnalysis, first: int, last: int) -> list[IntentMark]:
    """Place the exchanges whose intent is known, each as long as it is."""
    found = [(each, wanted.intent) for each in analysis.exchanges if (wanted := analysis.intent_of(each)) is not None]
    edges = [(_x(each.first, first, last), _x(each.last + 1, first, last), intent) for each, intent in found]
    return [IntentMark(intent, begin, round(end - begin, 2)) for begin, end, intent in edges]


def _marks(findings: Sequence[ToldFinding], kind: FindingKind, first: int, last: int) -> list[FindingMark]:
    return [_mark(each, first, last) for each in findings if each.kind == kind]


def _mark(finding: ToldFinding, first: int, last: int) -> FindingMark:
    """Place a finding; one that began before the page, or goes on after it, ends at its edge, and one that is open at the last."""
    begin, end = _x(max(finding.first, first), first, last), _x((last if finding.open else min(finding.last, last)) + 1, first, last)
    width = max(end - begin, MIN_MARK_WIDTH)
    return FindingMark(finding, finding_label(finding.kind, finding.name), min(begin, WIDTH - width), round(width, 2), _tone(finding))


def _tone(finding: ToldFinding) -> str:
    match finding.kind:
        case "health":
            return TONES.get(finding.name, "plain")
        case "loop":
            return "warn"
        case "policy":
            return "bad"
        case "activity":
            return "plain"


def _x(seq: int, first: int, last: int) -> float:
    return round(WIDTH * (seq - first) / (last - first + 1), 2)


def _label(analysis: ShownAnalysis, marks: Sequence[FindingMark]) -> str:
    """Say the picture in a sentence, for who doesn't see it."""
    count = len(analysis.exchanges)
    trouble = [each for each in marks if each.tone in {"warn", "bad"}]
    first, last = analysis.exchanges[0].first, analysis.exchanges[-1].last
    said = f"Events {first} to {last} by what was done, in {count} exchange{'' if count == 1 else 's'}"
    return f"{said}; {len(trouble)} sign{'' if len(trouble) == 1 else 's'} of trouble" if trouble else f"{said}; no sign of trouble"

"""A session's timeline: each step drawn once, findings within the picture, and said in a sentence."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from app.dashboard.timeline import BARS_HEIGHT, WIDTH, IntentMark, draw
from app.sessions.reader import ProjectionProgress, ShownSession
from app.sessions.session import Session
from app.trajectory.analysis.exchanges import SessionExchange
from app.trajectory.analysis.findings import ToldFinding
from app.trajectory.analysis.queries import FindingPage
from app.trajectory.analysis.reader import ShownAnalysis
from app.trajectory.analysis.strips import StepStrip
from app.trajectory.intent import PromptIntent


def session() -> Any:
    return Session.__new__(Session)


def finding(first: int, last: int, *, kind: str = "health", name: str = "stuck", goes_on: bool = False, because: str = "") -> ToldFinding:
    return ToldFinding(kind, name, first, last, (), because, goes_on, last)  # type: ignore[arg-type]


def analysis(*findings: ToldFinding, first: int = 1) -> ShownAnalysis:
    exchanges = [SessionExchange(1, first, first + 4), SessionExchange(2, first + 5, first + 9)]
    strips = [StepStrip(first, first + 4, {"ask": 1, "edit": 4}, 1), StepStrip(first + 5, first + 9, {"ask": 1, "test": 4}, 0)]
    shown = ShownSession(session(), "shop", None, can_delete=False)
    progress = ProjectionProgress("trajectory", 10, up_to_date=True)
    return ShownAnalysis(shown, progress, exchanges, FindingPage(findings), True, strips)


def test_nothing_is_drawn_of_a_session_without_steps() -> None:
    shown = ShownSession(session(), "shop", None, can_delete=False)
    assert draw(ShownAnalysis(shown, ProjectionProgress("trajectory", 0, up_to_date=False))) is None


@pytest.mark.parametrize("first", [1, 900])
def test_the_phases_fill_the_picture_and_exchanges_part_it(first: int) -> None:
    drawn = draw(analysis(first=first))
    assert drawn is not None
    rectangles = [each for area in drawn.areas for each in re.findall(r"M[\d.]+ [\d.]+h([\d.]+)v([\d.]+)h-[\d.]+z", area.path)]
    assert sum(float(width) * float(height) for width, height in rectangles) == pytest.approx(WIDTH * BARS_HEIGHT)
    assert drawn.edges == [500.0]
    assert [phase for phase, _ in drawn.phases] == ["ask", "edit", "test"]


def test_findings_stand_on_rows_within_the_picture() -> None:
    found = [finding(3, 5), finding(10, 10, kind="policy", name="no-force-push"), finding(1, 40, kind="loop", name="exact")]
    drawn = draw(analysis(*found))
    assert drawn is not None
    assert [(row.title, [(mark.x, mark.width, mark.tone) for mark in row.marks]) for row in drawn.rows] == [
        ("Health", [(200.0, 300.0, "bad")]),
        ("Loops", [(0.0, 1000.0, "warn")]),
        ("Rules", [(900.0, 100.0, "bad")]),
    ]
    assert drawn.label == "Events 1 to 10 by what was done, in 2 exchanges; 3 signs of trouble"


def test_exchanges_stand_on_a_row_by_their_intent_as_a_person_corrected_it() -> None:
    told = PromptIntent(1, "debugging", "debugging", 0.8, "testing", 0.1)
    corrected = replace(told, seq=6, intent="learning", corrected_by="ada")
    drawn = draw(replace(analysis(), intents={1: told, 6: corrected}))
    assert drawn is not None
    assert drawn.intents == [IntentMark("debugging", 0.0, 500.0), IntentMark("learning", 500.0, 500.0)]
    assert drawn.intent_counts == [("debugging", 1), ("learning", 1)]


def test_exchanges_whose_intent_is_not_told_yet_are_left_out_of_its_row() -> None:
    drawn = draw(analysis())
    assert drawn is not None
    assert (drawn.intents, drawn.intent_counts) == ([], [])


def test_a_session_on_track_says_so() -> None:
    drawn = draw(analysis(finding(1, 10, name="on_track"), finding(1, 10, kind="activity", name="testing")))
    assert drawn is not None
    assert drawn.label.endswith("no sign of trouble")


def test_what_goes_on_reaches_the_end_of_the_picture() -> None:
    drawn = draw(analysis(finding(6, 6, kind="activity", name="testing", goes_on=True)))
    assert drawn is not None
    assert [(mark.x, mark.width) for row in drawn.rows for mark in row.marks] == [(500.0, 500.0)]


def test_trouble_is_parted_from_activities_and_named_in_words() -> None:
    found = [
        finding(1, 2, kind="activity", name="testing"),
        finding(3, 9, kind="loop", name="error"),
        finding(4, 4, kind="policy", name="tests-stay"),
    ]
    drawn = draw(analysis(*found))
    assert drawn is not None
    assert [each.label for each in drawn.trouble] == ["the same error again", "broken: tests-stay"]
    assert [each.label for each in drawn.activities] == ["testing"]


def test_a_loop_that_says_why_a_session_is_stuck_is_listed_once() -> None:
    found = [finding(3, 9, because="The fourth time."), finding(3, 7, kind="loop", name="error", because="The fourth time.")]
    drawn = draw(analysis(*found, finding(8, 9, kind="loop", name="drift", because="Nothing new.")))
    assert drawn is not None
    assert [each.label for each in drawn.trouble] == ["stuck", "calls that bring nothing new"]

"""`cairn sessions show`: what the analysis found, a line each."""

from __future__ import annotations

from typing import Any

from app.cli.sessions import analysis_lines


def analysis(**more: Any) -> dict[str, Any]:
    empty: dict[str, Any] = {name: [] for name in ("exchanges", "activity", "health", "loops", "policies", "patterns")}
    return {"analysed": 9, "events": 9, "parked": None, "next_cursor": None, "findings_left_out": 0, **empty, **more}


def finding(**more: Any) -> dict[str, Any]:
    return {"name": "stuck", "first": 3, "last": 8, "open": True, "because": "The same error, four times.", **more}


def test_findings_are_told_a_line_each() -> None:
    found = analysis(health=[finding()], loops=[finding(name="exact", last=3, open=False, because=None)], findings_left_out=2)
    assert analysis_lines(found) == [
        "analysis: 9 of 9 events, 0 exchanges",
        "health: stuck, from event 3 on: The same error, four times.",
        "loop: exact, event 3",
        "2 more findings are left out",
    ]


def test_what_other_sessions_show_is_told_below_what_was_found() -> None:
    known = {"first": 3, "last": 8, "pattern": {"words": "Seen in 2 other sessions of this project."}}
    assert analysis_lines(analysis(loops=[finding(name="exact")], patterns=[known]))[-1] == (
        "pattern: events 3 to 8: Seen in 2 other sessions of this project."
    )


def test_outcomes_are_counted() -> None:
    exchanges = [{"outcome": each} for each in ("accepted", "corrected", "accepted", None)]
    assert analysis_lines(analysis(exchanges=exchanges, next_cursor="c")) == [
        "analysis: 9 of 9 events, the first 4 exchanges (2 accepted, 1 corrected)"
    ]


def test_a_session_that_was_not_analysed_says_so_and_why() -> None:
    assert analysis_lines(analysis(analysed=0)) == ["analysis: not yet"]
    assert analysis_lines(analysis(analysed=0, parked="It broke.")) == ["analysis: not yet, it failed: It broke."]


def test_activities_stand_together_on_one_line_below_what_went_wrong() -> None:
    activities = [finding(name="exploring", first=1, last=4, open=False), finding(name="testing", first=5)]
    lines = analysis_lines(analysis(activity=activities, health=[finding(name="off_track", open=False)]))
    assert lines[1:] == [
        "health: off track, events 3 to 8: The same error, four times.",
        "activity: exploring (events 1 to 4), testing (from event 5 on)",
    ]


def test_a_loop_that_says_why_a_session_is_stuck_is_told_once() -> None:
    lines = analysis_lines(
        analysis(health=[finding()], loops=[finding(name="error", last=7), finding(name="drift", because="Nothing new.")])
    )
    assert lines[1:] == ["health: stuck, from event 3 on: The same error, four times.", "loop: drift, from event 3 on: Nothing new."]

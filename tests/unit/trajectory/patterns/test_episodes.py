"""Episodes: what a trouble looked like, what followed and how it ended; the same however the session's events came."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.sessions.event import Event, ToolUse
from app.trajectory.analysis.session_analysis import SessionAnalysis
from app.trajectory.analyzers.health import HealthAnalyzer
from app.trajectory.patterns import episodes as module
from app.trajectory.patterns.episodes import MAX_AFTER, MAX_EPISODES, MAX_SHAPE, EpisodeReader, TroubleEpisode
from app.trajectory.patterns.merging import reduced
from app.trajectory.patterns.wording import words_of_shape
from tests.unit.trajectory.sessions import call, numbered, prompt, reply
from tests.unit.trajectory.test_incremental import events as any_events

MIGRATE = "alembic upgrade head"
LOCKED = "sqlalchemy.exc.OperationalError: database is locked"
QUIET = [call(1, f"cat {number}", f"line {number} of a text") for number in range(MAX_AFTER)]


def episodes_of(events: Sequence[Event]) -> Sequence[TroubleEpisode]:
    analysis = SessionAnalysis([HealthAnalyzer()])
    analysis.read(numbered(at_seqs(events)), ())
    return analysis.take().episodes


def at_seqs(events: Sequence[Event]) -> list[Event]:
    """The events with ids, and times a second apart, by their places."""
    first = prompt(0).at
    assert first is not None
    return [replace(each, id=str(seq), at=prompt(seq).at) for seq, each in enumerate(events, 1)]


def failing_migration(times: int = 3) -> list[Event]:
    return [prompt(1), *(call(1, MIGRATE, LOCKED, code=1) for _ in range(times))]


def only(events: Sequence[Event]) -> TroubleEpisode:
    (found,) = episodes_of(events)
    return found


@pytest.mark.parametrize(
    ("then", "outcome", "ended"),
    [
        ([call(1, "vim env.py"), call(1, MIGRATE, "ok")], "call_worked", ["a command", "a migration"]),
        ([call(1, "edit env.py\n- a\n+ b", tool="Edit"), call(1, "pytest", "1 passed")], "check_passed", ["editing", "testing"]),
        ([*QUIET[:7], call(1, "git commit -am x", "1 file changed")], "committed", ["exploring", "committing"]),
        ([call(1, "git commit -am x", "1 file changed")], None, ["committing"]),  # whether it helped, the next try tells
        ([prompt(1, "Perfect, thanks!")], "approved", ["a prompt"]),
        ([call(1, "ls", "a b")], None, ["exploring"]),
        ([], None, []),
    ],
)
def test_a_trouble_ends_with_what_shows_it(then: list[Event], outcome: str | None, ended: list[str]) -> None:
    found = only([*failing_migration(), *then])
    assert (found.outcome, list(words_of_shape(found.ended))) == (outcome, ended)
    assert (found.first, found.told) == (2, 4)
    assert list(words_of_shape(found.failing)) == ["a migration fails"]
    assert (found.trouble, found.family, found.tool) == ("error", "a lock", "bash")
    assert found.last == 4 + (len(then) if outcome else 0)


def test_how_long_it_took_is_from_its_first_sign_to_its_end() -> None:
    found = only([*failing_migration(), call(1, "ls", "a"), call(1, MIGRATE, "ok")])
    assert found.began_at is not None
    assert found.ended_at is not None
    assert (found.ended_at - found.began_at).total_seconds() == 4


def test_a_trouble_that_shows_again_is_one_and_what_came_between_is_no_end() -> None:
    between = call(1, "edit env.py\n- a\n+ b", tool="Edit")
    found = only([*failing_migration(), between, *failing_migration()[1:], call(1, MIGRATE, "ok")])
    assert (found.told, found.outcome, list(words_of_shape(found.ended))) == (4, "call_worked", ["a migration"])


def test_another_trouble_leaves_the_first_without_an_end() -> None:
    other = [call(1, "npm run build", "error TS2345: Argument is not assignable", code=1) for _ in range(3)]
    first, second = episodes_of([*failing_migration(), prompt(1, "Leave it; build it."), *QUIET[:8], *other])
    assert (first.outcome, second.outcome) == ("unresolved", None)
    assert first.signature != second.signature
    assert second.family == "a type error"


def test_what_comes_long_after_is_no_end_of_it() -> None:
    assert only([*failing_migration(), *QUIET, call(1, MIGRATE, "ok")]).outcome == "unresolved"
    assert only([*failing_migration(), *QUIET[:20], call(1, MIGRATE, "ok")]).outcome == "call_worked"


@pytest.mark.parametrize("command", ["ls -la", "npm run dev", "python other.py"])
def test_another_command_that_works_is_no_end(command: str) -> None:
    assert only([*failing_migration(), call(1, command, "fine, and at length, with lines")]).outcome is None


def test_a_shells_command_of_no_kind_ends_with_itself_only() -> None:
    fails = [call(1, "./tool --go", "Error: it broke in the middle", code=1) for _ in range(3)]
    assert only([prompt(1), *fails, call(1, "./other", "fine")]).outcome is None
    assert only([prompt(1), *fails, call(1, "./tool --go", "fine")]).outcome == "call_worked"


EDIT_FAILED = "String to replace not found in file."


@pytest.mark.parametrize(
    ("failed", "later", "outcome"),
    [
        (("Edit", "a.py", EDIT_FAILED, "failed"), ("Edit", "a.py", "updated", "ok"), "call_worked"),
        (("Edit", "a.py", EDIT_FAILED, "failed"), ("Edit", "b.py", "updated", "ok"), None),
        (("Edit", "a.py", EDIT_FAILED, "failed"), ("Write", "a.py", "updated", "ok"), None),
        (("Read", "a.py", "ENOENT: no such file or directory", "failed"), ("Read", "b.py", "a text of some length", "ok"), None),
        (("mcp_search", "one", "503 Service Unavailable", "failed"), ("mcp_search", "two", "a text of some length", "ok"), "call_worked"),
        (("mcp_search", "one", "Error: the index has no such word", "failed"), ("mcp_search", "two", "a text of some length", "ok"), None),
    ],
)
def test_only_a_call_of_the_same_kind_shows_that_it_works_now(failed: tuple[str, ...], later: tuple[str, ...], outcome: str | None) -> None:
    def made(given: tuple[str, ...], number: int) -> Event:
        tool, place, output, ended = given
        used = ToolUse(tool, f"{place}\n- old{number}\n+ new{number}" if tool in {"Edit", "Write"} else place, output)
        files = (place,) if place.endswith(".py") else ()
        return Event("1", "assistant", "tool", "", "1", tool=used, outcome=ended, files=files)  # type: ignore[arg-type]

    found = only([prompt(1), *(made(failed, 0) for _ in range(3)), made(later, 9)])
    assert found.outcome == outcome


def test_a_calm_session_has_no_episode() -> None:
    assert episodes_of([prompt(1), call(1, "cat a", "a text"), call(1, "pytest", "1 passed"), reply(1)]) == []
    assert episodes_of([]) == []
    assert episodes_of([prompt(1)]) == []


def test_a_subagents_loop_is_none_of_the_sessions() -> None:
    aside = [replace(each, sidechain=True) for each in failing_migration(5)]
    assert episodes_of(aside) == []


def test_a_sessions_episodes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_EPISODES", 3)
    events = [each for _ in range(6) for each in (*failing_migration(), call(1, MIGRATE, "ok"), prompt(1, "Go on."))]
    found = episodes_of(events)
    assert len(found) == 3
    assert MAX_EPISODES < 1_000


@given(any_events, st.data())
@settings(max_examples=80, deadline=None)
def test_going_on_from_any_state_tells_the_same_episodes(given: list[Event], data: st.DataObject) -> None:
    events = at_seqs(given)
    cut = data.draw(st.integers(0, len(events)))
    whole = SessionAnalysis([HealthAnalyzer()])
    states = whole.read(numbered(events), {cut})
    told = {each.told: each for each in whole.take().episodes}
    if not cut:
        return
    resumed = SessionAnalysis([HealthAnalyzer()])
    resumed.restore(states[cut], None)
    resumed.read(list(numbered(events))[cut:], ())
    later = {each.told: each for each in resumed.take().episodes}
    assert {told: each for told, each in told.items() if told > cut or told in later} == later
    assert all(len(each.failing) <= MAX_SHAPE and len(each.ended) <= MAX_SHAPE for each in told.values())


@given(any_events)
@settings(max_examples=40, deadline=None)
def test_a_state_is_plain_and_bounded(given: list[Event]) -> None:
    analysis = SessionAnalysis([HealthAnalyzer()])
    analysis.read(numbered(at_seqs(given)), ())
    state = analysis._episodes.snapshot()
    read = EpisodeReader()
    read.restore(json.loads(json.dumps(state)))
    assert read.snapshot() == state
    assert len(json.dumps(state)) < 10_000


@given(st.text("abc", max_size=12))
def test_a_reduced_shape_repeats_nothing_at_once(shape: str) -> None:
    found = reduced(shape)
    assert reduced(found) == found
    assert set(found) == set(shape)
    assert not any(
        found[at : at + size] == found[at + size : at + 2 * size] for size in range(1, 7) for at in range(len(found) - 2 * size + 1)
    )


@pytest.mark.parametrize(("shape", "expected"), [("", ""), ("aaa", "a"), ("ababab", "ab"), ("ababa", "aba"), ("xabcabcy", "xabcy")])
def test_rounds_of_a_loop_are_told_once(shape: str, expected: str) -> None:
    assert reduced(shape) == expected

"""Exchanges: where they begin, how their checks ended, and what the person's next turn says of them."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from app.sessions.event import Event, ReplyUsage
from app.trajectory.analysis.exchanges import MAX_COST_NANOUSD, MAX_FILES, ExchangeReader, SessionExchange
from app.trajectory.events.steps import step_of
from tests.unit.trajectory.sessions import call, numbered, prompt, reply


def read(events: Iterable[Event]) -> list[SessionExchange]:
    reader = ExchangeReader()
    ended = [each for seq, event in numbered(events) if (each := reader.add(step_of(seq, event), event.usage)) is not None]
    return [*ended, reader.current] if reader.current is not None else ended


def test_costs_past_all_measure_are_told_as_the_most() -> None:
    priced = [reply(seq, usage=ReplyUsage(1, 1, cost_nanousd=10**15)) for seq in range(2, 12_000)]
    (exchange,) = read([prompt(1), *priced])
    assert exchange.cost_nanousd == MAX_COST_NANOUSD < 2**63


@pytest.mark.parametrize(
    ("turn", "outcome"),
    [("Thanks, great!", "accepted"), ("No, that's wrong", "corrected"), ("Now add a test for the parser", "neutral"), ("", "neutral")],
)
def test_the_next_turn_tells_how_an_exchange_was_received(turn: str, outcome: str) -> None:
    first, second = read([prompt(1), reply(2), prompt(3, turn)])
    assert (first.outcome, second.outcome) == (outcome, None)
    assert [(each.number, each.first, each.last) for each in (first, second)] == [(1, 1, 2), (2, 3, 3)]


def test_a_prompt_to_a_subagent_begins_no_exchange() -> None:
    aside = Event("2", "user", "prompt", "Search the code", "2", sidechain=True)
    assert len(read([prompt(1), aside, reply(3)])) == 1


def test_checks_are_counted_and_the_last_one_tells() -> None:
    (only,) = read([prompt(1), call(2, "pytest -q", "1 failed", code=1), call(3, "pytest -q", "ok"), call(4, "make build", code=2)])
    assert (only.checks_passed, only.checks_failed, only.checked, only.failed) == (1, 1, "passed", 2)
    assert only.phases == {"ask": 1, "test": 2, "run": 1}


def test_edited_files_are_told_up_to_a_bound_and_costs_are_added_up() -> None:
    edits = [Event(str(n), "assistant", "tool", "", str(n), tool=call(1, tool="Edit").tool, files=(f"a{n}.py", "b.py")) for n in range(40)]
    (only,) = read([prompt(1), *edits, reply(2, usage=ReplyUsage(100, 20, cost_nanousd=7)), reply(3, usage=ReplyUsage(1, 2))])
    assert len(only.files) == MAX_FILES
    assert (only.input_tokens, only.output_tokens, only.cost_nanousd) == (101, 22, 7)


def test_a_clock_that_jumps_back_makes_no_exchange_end_before_it_begins() -> None:
    (only,) = read([prompt(9), reply(2), call(5)])
    assert only.began_at is not None
    assert only.ended_at is not None
    assert only.began_at < only.ended_at

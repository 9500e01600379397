"""Extraction over every real transcript: what is found stands in the session, and is worth its place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.knowledge.extraction import extract
from app.knowledge.item import ItemCandidate
from app.sessions.event import Event
from tests.transcripts import sessions_of, transcripts_in

OWN_WORDS = frozenset(
    ["fix", "cause", "before", "the", "command", "worked", "had", "failed", "tests", "deployment", "build", "and", "checks"]
)
"""What the rules themselves write between the quoted parts."""
_WORD = re.compile(r"[^\W_]+")

Found = tuple[list[Event], list[ItemCandidate]]


@pytest.fixture(scope="module")
def found(shared_data: Path) -> list[Found]:
    made = [(session, list(extract(session))) for file in transcripts_in(shared_data / "transcripts") for session in sessions_of(file)]
    assert sum(len(session) for session, _ in made) > 5_000
    return made


def test_every_item_cites_words_that_were_said(found: list[Found]) -> None:
    for session, items in found:
        by_id = {event.id: event for event in session}
        for item in items:
            event = by_id[item.event_id]
            assert item.excerpt in event.text or (event.tool is not None and item.excerpt in event.tool.input)
            assert item.locator == event.locator


def test_no_word_is_invented(found: list[Found]) -> None:
    for session, items in found:
        said = {word for event in session for word in _words(event)} | OWN_WORDS
        for item in items:
            assert set(_WORD.findall(item.text.casefold())) <= said, item


def test_no_item_is_said_twice_in_a_session(found: list[Found]) -> None:
    for _, items in found:
        assert len({item.text.casefold() for item in items}) == len(items)
        assert len({item.key for item in items}) == len(items)


def test_reading_again_finds_the_same(found: list[Found]) -> None:
    assert all(list(extract(session)) == items for session, items in found)


def test_enough_is_found_and_not_too_much(found: list[Found]) -> None:
    """Of real work: at least one item in fifty events, at most one in ten."""
    events = sum(len(session) for session, _ in found)
    items = [item for _, made in found for item in made]
    assert events / 50 < len(items) < events / 10
    assert {"bug_solution", "architectural_decision", "gotcha", "testing_strategy", "tool_usage"} <= {item.type for item in items}


def _words(event: Event) -> Iterator[str]:
    yield from _WORD.findall(event.text.casefold())
    if event.tool is not None:
        yield from _WORD.findall(f"{event.tool.input}\n{event.tool.output}".casefold())

"""Extraction over every real transcript: what is found stands in the session, and is worth its place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.errors import CairnError
from app.knowledge.extraction import extract
from app.knowledge.item import Candidate
from app.sessions.event import Event
from app.sessions.formats import HEAD_BYTES, Tally, detect, parse
from app.settings import Sessions

OWN_WORDS = frozenset(
    ["fix", "cause", "before", "the", "command", "worked", "had", "failed", "tests", "deployment", "build", "and", "checks"]
)
"""What the rules themselves write between the quoted parts."""
_WORD = re.compile(r"[^\W_]+")

Found = tuple[list[Event], list[Candidate]]


@pytest.fixture(scope="module")
def found(shared_data: Path) -> list[Found]:
    made = [(session, list(extract(session))) for file in _files(shared_data / "transcripts") for session in _sessions(file)]
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


def _files(folder: Path) -> list[Path]:
    return sorted(
        path for path in folder.rglob("*") if path.suffix in {".jsonl", ".md"} and not path.name.startswith(("README", "LICENSE"))
    )


def _sessions(file: Path) -> Iterator[list[Event]]:
    with file.open("rb") as opened:
        head = opened.read(HEAD_BYTES)
        try:
            format_ = detect(head)
        except CairnError:
            return
        opened.seek(0)
        sessions: dict[str, dict[str, Event]] = {}
        current: dict[str, Event] = {}
        for each in parse(iter(lambda: opened.read(65536), b""), format=format_, limits=Sessions(), tally=Tally()):
            if isinstance(each, Event):
                current[each.id] = each
            else:
                current = sessions.setdefault(each.external_id, {})
    yield from (list(events.values()) for events in sessions.values())


def _words(event: Event) -> Iterator[str]:
    yield from _WORD.findall(event.text.casefold())
    if event.tool is not None:
        yield from _WORD.findall(f"{event.tool.input}\n{event.tool.output}".casefold())

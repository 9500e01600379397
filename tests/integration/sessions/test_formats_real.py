"""The parsers on the public transcripts: nothing crashes, families of one session agree, memory stays bounded."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from app.sessions.event import Event, SessionHeader
from app.sessions.formats import HEAD_BYTES, ParseTally, detect, parse
from app.settings import ROOT, SessionsSettings


def chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as content:
        while chunk := content.read(65536):
            yield chunk


def read(path: Path) -> tuple[str, list[Event], ParseTally]:
    tally, session, events = ParseTally(), "", []
    with path.open("rb") as content:
        found = detect(content.read(HEAD_BYTES))
    for each in parse(chunks(path), format=found, limits=SessionsSettings(), tally=tally):
        if isinstance(each, SessionHeader):
            session = each.external_id
        else:
            events.append(each)
    return session, events, tally


@pytest.mark.parametrize("path", sorted((ROOT / "examples" / "sessions").iterdir()), ids=lambda path: path.name)
def test_an_example_session_holds_nothing_that_is_unknown(path: Path) -> None:
    _, events, tally = read(path)
    assert events
    assert not tally.unknown


@pytest.mark.parametrize(
    "pattern",
    ["specstory/specstoryai__getspecstory/2026-01-23_14-20-54Z*.md", "specstory/specstoryai__getspecstory/2026-02-09_20-36-38Z*.md"],
)
def test_exports_of_one_session_under_other_names_have_the_same_ids(shared_data: Path, pattern: str) -> None:
    family = sorted((shared_data / "transcripts").glob(pattern))
    assert len(family) >= 2
    first, *others = [(session, [event.id for event in events]) for session, events, _ in map(read, family)]
    assert all(other == first for other in others)


def test_each_checkpoint_of_a_growing_session_holds_the_one_before(shared_data: Path) -> None:
    chain = sorted((shared_data / "transcripts" / "entire-checkpoints" / "prefix-chain").glob("*/full.jsonl"))
    ids = [{event.id for event in read(path)[1]} for path in chain]
    assert len(ids) == 5
    for before, after in pairwise(ids):
        assert before < after


def test_the_same_session_with_another_header_generation_is_the_same_session(shared_data: Path) -> None:
    folder = shared_data / "transcripts" / "specstory" / "robin-collins__gpt-crawler"
    old, new = (read(path) for path in sorted(folder.glob("2025-01-2?_??-??-node-js-module*.md")))
    assert old[0] == new[0]
    assert {event.id for event in old[1]} & {event.id for event in new[1]}


def test_event_ids_are_unique_within_a_session(shared_data: Path) -> None:
    for path in (shared_data / "transcripts" / "claude-code-jsonl").rglob("*.jsonl"):
        _, events, _ = read(path)
        repeated = len(events) - len({event.id for event in events})
        assert repeated <= 2, path  # the edge cases' file repeats a record on purpose


def test_fifty_megabytes_never_sit_in_memory_whole(tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl"
    with path.open("w") as out:
        for number in range(50_000):
            out.write(json.dumps({"id": f"e{number}", "role": "user", "text": "why " * 240}) + "\n")
    assert path.stat().st_size > 45 * 2**20
    tracemalloc.start()
    count = sum(isinstance(each, Event) for each in parse(chunks(path), format="generic", limits=SessionsSettings(), tally=ParseTally()))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 50_000
    assert peak < 12 * 2**20

"""Readers of growing transcripts: bounded by number, age and waiting text, and one owner's don't push out another's."""

from __future__ import annotations

from uuid import uuid4

import pytest

from app.errors import Unavailable
from app.sessions import reading_files
from app.sessions.event import Format
from app.sessions.formats.growing import GrowingTranscript
from app.sessions.reading_files import MAX_OWN_READERS, MAX_OWN_WAITING, MAX_READERS, MAX_WAITING, Following, ReadingFiles
from app.settings import Settings

LIMITS = Settings().sessions
ME, OTHER = uuid4(), uuid4()


def begun(kind: Format = "specstory") -> Following:
    return Following(GrowingTranscript(kind, LIMITS))


def test_an_owners_oldest_waiting_file_gives_way_and_no_one_elses() -> None:
    files = ReadingFiles()
    files.add(OTHER, "theirs", begun(), whole=False)
    for number in range(MAX_OWN_WAITING):
        files.add(ME, str(number), begun(), whole=False)
    assert files.get(ME, "0") is not None  # used now: the next is the oldest
    files.add(ME, "last", begun(), whole=False)
    assert [name for name in ("0", "1", "last") if files.get(ME, name)] == ["0", "last"]
    assert files.get(OTHER, "theirs") is not None


def test_files_wait_for_a_place_until_one_is_sent_or_is_no_longer_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    files, owners = ReadingFiles(), [uuid4() for _ in range(MAX_WAITING)]
    for owner in owners:
        files.add(owner, "f", begun(), whole=False)
    with pytest.raises(Unavailable, match="try again"):
        files.add(ME, "f", begun(), whole=False)
    files.add(ME, "short", begun(), whole=True)
    files.add(ME, "lines", begun("codex"), whole=False)
    assert all(files.get(owner, "f") for owner in owners)
    monkeypatch.setattr(reading_files, "WAITING_SECONDS", -1.0)
    files.add(ME, "f", begun(), whole=False)
    assert [files.get(owner, "f") for owner in owners] == [None] * MAX_WAITING


def test_readers_are_bounded_per_owner_and_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    files, others = ReadingFiles(), [uuid4() for _ in range(MAX_READERS)]
    files.add(OTHER, "theirs", begun("codex"), whole=False)
    for number in range(MAX_OWN_READERS + 1):
        files.add(ME, str(number), begun("codex"), whole=False)
    assert (files.get(ME, "0"), files.get(OTHER, "theirs") is None) == (None, False)
    for owner in others:
        files.add(owner, "f", begun("codex"), whole=False)
    assert files.get(OTHER, "theirs") is None
    assert all(files.get(owner, "f") for owner in others)
    monkeypatch.setattr(reading_files, "UNUSED_SECONDS", -1.0)
    files.add(ME, "f", begun("codex"), whole=False)
    assert not any(files.get(owner, "f") for owner in others)


def test_a_forgotten_reader_is_not_its_successor() -> None:
    files, former, present = ReadingFiles(), begun(), begun()
    files.add(ME, "f", former, whole=False)
    files.add(ME, "f", present, whole=False)
    files.forget(ME, "f", former)
    assert files.get(ME, "f") is present
    files.forget(ME, "f", present)
    assert files.get(ME, "f") is None

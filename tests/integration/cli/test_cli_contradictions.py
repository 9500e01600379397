"""`cairn contradictions` and `cairn decide`: by a real process against a real server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.cli.test_cli import cairn
from tests.running import Running, running

pytestmark = pytest.mark.long

KAFKA, PULSAR = "Order events go through kafka-main", "Order events go through pulsar-main"


@pytest.fixture(scope="module")
def server(short_folder: Path) -> Iterator[Running]:
    with running(short_folder / "contradictions") as started:
        yield started


def test_pairs_are_listed_until_somebody_decides_and_again_once_that_is_taken_back(server: Running) -> None:
    def ask(*words: str) -> str:
        told = cairn(server.folder, *words)
        assert told.returncode == 0, told.stderr
        return told.stdout

    nothing = cairn(server.folder, "contradictions", "--project", "quay")
    assert (nothing.returncode, nothing.stdout, "No items of the project 'quay' contradict each other" in nothing.stderr) == (0, "", True)
    older, newer = [json.loads(ask("remember", words, "--project", "quay", "--json"))["id"] for words in (KAFKA, PULSAR)]
    shown = ask("contradictions")
    assert f"quay\n   “{KAFKA}”\n" in shown
    assert "cairn decide ID OTHER" not in shown, "hints are no result"
    assert shown.index(older) < shown.index(newer)
    assert "Both hold" in ask("decide", older, newer, "--both")
    assert json.loads(ask("contradictions", "--json"))["contradictions"] == []
    refused = cairn(server.folder, "decide", older, newer)
    assert (refused.returncode, "--undo" in refused.stderr) == (1, True)
    assert "Undecided again" in ask("decide", older, newer, "--undo")
    assert len(json.loads(ask("contradictions", "--json"))["contradictions"]) == 1
    assert "Holds, and replaces the other one" in ask("decide", older, newer)
    both = cairn(server.folder, "decide", older, newer, "--both", "--undo")
    assert (both.returncode, "choose one" in both.stderr) == (1, True)

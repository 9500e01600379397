"""Intents from a shell: a prompt classified, a search narrowed, by real processes against a real server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.cli.test_cli import cairn
from tests.running import Running, running

pytestmark = pytest.mark.long

EVENTS = (
    {"id": "e1", "role": "user", "text": "which file holds the harbour settings?"},
    {"id": "e2", "role": "assistant", "text": "The harbour settings are held by harbour.toml."},
    {"id": "e3", "role": "user", "text": "write unit tests for the harbour settings"},
    {"id": "e4", "role": "assistant", "text": "The unit tests of the harbour settings read the file twice."},
)


@pytest.fixture(scope="module")
def server(short_folder: Path) -> Iterator[Running]:
    with running(short_folder / "intents") as started:
        yield started


def test_a_prompt_is_classified_with_its_runner_up_and_a_reason(server: Running) -> None:
    told = cairn(server.folder, "classify", "write unit tests for the invoice rounding")
    assert told.returncode == 0, told.stderr
    best, second, reason = told.stdout.splitlines()
    assert best.startswith("testing  ")
    assert second.endswith("%")
    assert "Nearest example" in reason
    offer = "The parser works now. Shall I write unit tests for it?"
    found = json.loads(cairn(server.folder, "classify", "yes please", "--context", offer, "--json").stdout)
    assert found["intent"] == "testing"
    nothing = cairn(server.folder, "classify", " ")
    assert (nothing.returncode, nothing.stdout, "nothing to classify" in nothing.stderr) == (1, "", True)


def test_a_search_is_narrowed_by_intents_and_an_unknown_one_is_named(server: Running, tmp_path: Path) -> None:
    file = tmp_path / "session.jsonl"
    file.write_text("".join(json.dumps(each) + "\n" for each in EVENTS))
    sent = cairn(server.folder, "ingest", str(file), "--project", "harbour", "--format", "generic")
    assert sent.returncode == 0, sent.stderr

    def found(*intents: str) -> str:
        given = [word for each in intents for word in ("--intent", each)]
        asked = cairn(server.folder, "query", "where are the harbour settings held?", "--kind", "passage", "--json", *given)
        assert asked.returncode == 0, asked.stderr
        return "\n".join(each["text"] for each in json.loads(asked.stdout)["results"])

    assert "harbour.toml" in found("exploration")
    assert "harbour.toml" in found("exploration", "testing")
    assert "harbour.toml" not in found("testing")
    refused = cairn(server.folder, "query", "harbour", "--intent", "hacking")
    assert (refused.returncode, "feature-dev" in refused.stderr) == (1, True), refused.stderr

"""`cairn review`: what a lead should look at, by a real process against a real server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.cli.test_cli import cairn
from tests.running import Running, running

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def server(short_folder: Path) -> Iterator[Running]:
    with running(short_folder / "review") as started:
        yield started


def test_the_lists_are_printed_and_empty_ones_are_said_to_be(server: Running) -> None:
    nothing = cairn(server.folder, "review")
    assert (nothing.returncode, nothing.stdout, "nothing to review" in nothing.stderr) == (0, "", True), nothing.stderr
    made = cairn(server.folder, "remember", "The quay crane wants grease in wet weather.", "--project", "quay", "--json")
    item = json.loads(made.stdout)["id"]
    shown = cairn(server.folder, "review", "--project", "quay")
    assert "New (1)\n   The quay crane wants grease in wet weather.\n" in shown.stdout, shown.stderr
    assert f"gotcha · quay · {item}" in shown.stdout
    listed = json.loads(cairn(server.folder, "review", "--list", "new", "--json").stdout)
    assert (listed["counts"]["new"], [each["id"] for each in listed["items"]["new"]]) == (1, [item])
    elsewhere = cairn(server.folder, "review", "--project", "nowhere")
    assert (elsewhere.returncode, "cairn projects list" in elsewhere.stderr) == (1, True), elsewhere.stderr

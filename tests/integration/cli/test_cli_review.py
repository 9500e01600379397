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
    empty = cairn(server.folder, "review", "--list", "never_used", "--project", "quay")
    assert "nothing to review in the project 'quay': the list never_used is empty" in empty.stderr
    elsewhere = cairn(server.folder, "review", "--project", "nowhere")
    assert (elsewhere.returncode, "cairn projects list" in elsewhere.stderr) == (1, True), elsewhere.stderr


def test_an_item_is_kept_retired_brought_back_and_merged(server: Running) -> None:
    words = ("The winch needs two people.", "Two people operate the winch.")
    item, other = [json.loads(cairn(server.folder, "remember", each, "--project", "winch", "--json").stdout)["id"] for each in words]
    done = cairn(server.folder, "keep", item)
    assert (done.returncode, done.stdout) == (0, "Kept in winch: The winch needs two people.\n"), done.stderr
    done = cairn(server.folder, "retire", item)
    assert (done.returncode, f"To bring it back: cairn restore {item}" in done.stdout) == (0, True), done.stderr
    refused = cairn(server.folder, "merge", other, item)
    assert (refused.returncode, "hidden" in refused.stderr) == (1, True), refused.stderr
    assert cairn(server.folder, "restore", item).returncode == 0
    merged = json.loads(cairn(server.folder, "merge", other, item, "--json").stdout)
    assert (merged["id"], [each["id"] for each in merged["replaces"]]) == (item, [other])
    assert "There is no item" in cairn(server.folder, "retire", "3f0c1c9e-7d7b-4f53-9d3c-1d2f7f6f2b11").stderr


def test_a_contradiction_is_printed_with_both_ones_words(server: Running) -> None:
    for value in ("15 minutes", "24 hours"):
        cairn(server.folder, "remember", f"Access tokens expire after {value}.", "--project", "gate")
    shown = cairn(server.folder, "review", "--list", "contradicted", "--project", "gate")
    assert "Contradicted (1)\n   Access tokens expire after 24 hours.\n" in shown.stdout, shown.stderr
    assert "24 hours” can’t hold beside “Access tokens expire after 15 minutes" in shown.stdout

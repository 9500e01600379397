"""What the how-to pages show of policies and nudges is what the code reads and says."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from app.assist.nudges import PREAMBLE
from app.trajectory.policies.policy import definition_of
from app.trajectory.policies.policy_file import SHIPPED, load_policies, read_policies
from tests.loop_cases import bash
from tests.unit.trajectory.test_loops import told_of

PAGES = Path(__file__).parents[2] / "docs" / "how-to"
RULES, GOING = ((PAGES / name).read_text() for name in ("watch-rules.md", "see-how-sessions-go.md"))


def block(page: str, language: str) -> str:
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)[0]


def test_the_example_of_a_file_of_policies_can_be_used() -> None:
    assert len(read_policies(block(RULES, "yaml"), name="the example")) == 3


def test_the_example_of_a_projects_policies_can_be_sent() -> None:
    body = json.loads(re.findall(r"-d '(\{.*?\})'\n```", RULES, re.DOTALL)[0])
    shipped = {each.id: each for each in load_policies(SHIPPED)}
    assert [each["id"] for each in body["switches"] if each["id"] not in shipped] == []
    assert [definition_of(each).id for each in body["policies"]] == ["plan-migrations"]


def test_the_table_of_shipped_policies_has_each_with_its_severity() -> None:
    rows = dict(re.findall(r"^\| `([a-z-]+)` \| .* \| (nudge|metric|alert) \|$", RULES, re.MULTILINE))
    assert rows == {each.id: each.severity for each in load_policies(SHIPPED)}


@pytest.mark.parametrize("line", [line for line in RULES.splitlines() if line.startswith('{"id"')])
def test_the_example_of_an_event_is_one(line: str) -> None:
    assert {"id", "role", "tool"} == set(json.loads(line))


def test_the_example_of_a_nudge_is_what_a_session_is_told() -> None:
    found = told_of(bash("ls", "a.py"), *[bash("pytest -q", "E   AssertionError: assert 2 == 1\n1 failed", 1)] * 4)
    shown = block(GOING, "text")
    assert shown.startswith(PREAMBLE)
    assert f"- {found[-1].because} (events {found[-1].first} to {found[-1].last})" in shown

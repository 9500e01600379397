"""One policy is switched and the rest stays as it is; what the server says of a file names its lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.cli import policies
from app.cli.exits import ServerRefused
from app.errors import Unreadable

SHIPPED = [
    {"id": "done-after-check", "enabled": True, "severity": "nudge", "origin": "shipped"},
    {"id": "no-force-push", "enabled": True, "severity": "alert", "origin": "shipped"},
]
OWN = {
    "id": "plan-migrations",
    "words": "A migration is edited only after a plan.",
    "severity": "nudge",
    "enabled": True,
    "for_each": "session",
    "template": "precedence",
    "parts": {"before": "edits", "need": "plans"},
    "formula": "(not (edits)) weak_until (plans)",
    "origin": "project",
}
NOW = [SHIPPED[0] | {"severity": "metric"}, SHIPPED[1], OWN]
GIVEN = {each: OWN[each] for each in ("id", "words", "severity", "enabled", "for_each", "template")} | {"before": "edits", "need": "plans"}


def test_a_shipped_policy_is_switched_and_what_the_project_said_before_stays() -> None:
    body = policies._switched("no-force-push", {"enabled": False}, SHIPPED, NOW)
    assert body == {
        "switches": [{"id": "done-after-check", "severity": "metric"}, {"id": "no-force-push", "enabled": False}],
        "policies": [GIVEN],
    }


def test_a_policy_of_the_projects_own_is_switched_where_it_is_defined() -> None:
    body = policies._switched("plan-migrations", {"severity": "metric"}, SHIPPED, NOW)
    assert body == {"switches": [{"id": "done-after-check", "severity": "metric"}], "policies": [GIVEN | {"severity": "metric"}]}


def test_a_policy_that_is_reset_is_as_shipped_again() -> None:
    assert policies._switched("done-after-check", {}, SHIPPED, NOW) == {"switches": [], "policies": [GIVEN]}


def test_an_unknown_policy_is_left_to_the_server_to_refuse() -> None:
    assert {"id": "no-such"} in policies._switched("no-such", {"enabled": False}, SHIPPED, NOW)["switches"]


def test_a_formula_of_the_projects_own_is_sent_back_as_it_is() -> None:
    own = OWN | {"template": None, "parts": {}}
    (sent,) = policies._switched("no-force-push", {"enabled": False}, SHIPPED, [*SHIPPED, own])["policies"]
    assert (sent["formula"], "template" in sent, "origin" in sent) == (OWN["formula"], False, False)


@pytest.mark.parametrize(
    ("message", "param", "said"),
    [
        ("events.1.role must be one of 'user'.", "events.1.role", "s.jsonl, line 4: role must be one of 'user'."),
        ("events.0.id is missing: send it. Also wrong: events.0.x.", "events.0.id", "s.jsonl, line 2: id is missing: send it."),
        ("events.1 must be an object.", "events.1", "s.jsonl, line 4: the event must be an object."),
        ("events.9.role is wrong.", "events.9.role", "events.9.role is wrong."),
        ("There is no project.", None, "There is no project."),
    ],
)
def test_an_event_that_is_refused_is_named_by_its_line(message: str, param: str | None, said: str) -> None:
    refused = ServerRefused(message, status=422, code="invalid_input", param=param)
    assert policies._placed(refused, Path("s.jsonl"), None, [2, 4]).message == said


def test_a_file_of_policies_is_named_as_it_was_given() -> None:
    refused = ServerRefused("The file can't be used: line 2: x.", status=422, code="invalid_policies", param="policies")
    assert policies._placed(refused, Path("s.jsonl"), Path("mine.yaml"), [1]).message == "mine.yaml can't be used: line 2: x."


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has no events"),
        ("\n \n", "has no events"),
        ('{"type": "progress"}', "line 1: this is no generic event"),
        ('{"id": "1", "role": "user"}\n\n[1]', "line 3: this is no generic event"),
        ("policies:", "a file of policies ends in .yaml"),
    ],
)
def test_a_file_that_holds_no_generic_events_says_what_to_do(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "s.jsonl"
    file.write_text(text)
    with pytest.raises(Unreadable, match=said):
        policies._events(file)

"""Policies over HTTP: shown to the team, switched per project by leads and admins, checked against events."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.integration.api.conftest import Api, generic

OWN = {"id": "plan-first", "words": "Code is edited only after a plan.", "template": "precedence", "before": "edits", "need": "plans"}
EVENTS = [
    {"id": "e1", "role": "user", "text": "Round the till's sums."},
    {"id": "e2", "role": "tool", "tool": {"name": "edit", "input": "till.py\n- x = 1\n+ x = 2", "output": "updated", "exit_code": 0}},
    {"id": "e3", "role": "tool", "tool": {"name": "bash", "input": "git commit -am x", "output": "1 file changed", "exit_code": 0}},
]


async def project(api: Api, key: str = "admin") -> str:
    name = f"rules-{uuid4().hex[:8]}"
    assert (await api.ask("POST", f"/v1/sessions/{name}-1/events?project={name}", key=key, data=generic(("a", "user", "x")))).status == 202
    return name


def by_id(found: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {each["id"]: each for each in found}


async def test_the_shipped_policies_are_shown_with_what_they_are_made_of(api: Api) -> None:
    found = (await api.ask("GET", "/v1/policies", key=await api.developer())).json
    assert {each["origin"] for each in found["policies"]} == {"shipped"}
    assert by_id(found["policies"])["read-before-edit"]["for_each"] == "file"
    assert {"response", "absence"} <= {each["name"] for each in found["templates"]}
    assert {"commits", "tool"} <= {each["name"] for each in found["predicates"]}
    assert (found["project"], found["changes"]) == (None, [])


async def test_a_project_switches_policies_and_has_its_own(api: Api) -> None:
    name = await project(api)
    sent = {"switches": [{"id": "no-force-push", "enabled": False}, {"id": "tests-stay", "severity": "metric"}], "policies": [OWN]}
    done = await api.ask("PUT", f"/v1/policies?project={name}", json=sent)
    assert done.status == 200, done.text
    shown = (await api.ask("GET", f"/v1/policies?project={name}", key=await api.developer())).json
    assert shown == done.json
    policies = by_id(shown["policies"])
    assert (policies["no-force-push"]["enabled"], policies["tests-stay"]["severity"]) == (False, "metric")
    assert (policies["plan-first"]["origin"], policies["plan-first"]["parts"]) == ("project", {"before": "edits", "need": "plans"})
    assert len(shown["changes"]) == 1
    project_id = next(
        each["id"] for each in (await api.ask("GET", "/v1/projects?order=newest&limit=1000")).json["projects"] if each["name"] == name
    )
    watched = {each.id for each in await api.services.trajectory.policies.of(UUID(project_id))}
    assert ("plan-first" in watched, "no-force-push" in watched) == (True, False)
    again = await api.ask("PUT", f"/v1/policies?project={name}", json={})
    assert "no-force-push" in {each.id for each in await api.services.trajectory.policies.of(UUID(project_id))}, "a change is seen at once"
    assert {each["origin"] for each in again.json["policies"]} == {"shipped"}
    assert len(again.json["changes"]) == 2
    other = (await api.ask("GET", f"/v1/policies?project={await project(api)}")).json
    assert by_id(other["policies"])["no-force-push"]["enabled"]


async def test_only_leads_and_admins_change_policies(api: Api) -> None:
    name, developer = await project(api), await api.developer()
    assert (await api.ask("PUT", f"/v1/policies?project={name}", key=developer, json={})).status == 403
    lead = f"lead-{uuid4().hex[:8]}"
    assert (await api.ask("POST", "/v1/developers", json={"name": lead, "role": "lead"})).status == 201
    key = (await api.ask("POST", f"/v1/developers/{lead}/keys")).json["key"]
    done = await api.ask("PUT", f"/v1/policies?project={name}", key=key, json={"policies": [OWN]})
    assert (done.status, done.json["changes"][0]["by"]) == (200, lead)


async def test_another_teams_project_isnt_there(api: Api) -> None:
    name, stranger = await project(api), await api.developer(team=f"team-{uuid4().hex[:8]}")
    assert (await api.ask("GET", f"/v1/policies?project={name}", key=stranger)).status == 404
    assert (await api.ask("POST", "/v1/policies/check", key=stranger, json={"events": [], "project": name})).status == 404
    assert (await api.ask("PUT", f"/v1/policies?project=rules-{uuid4().hex[:8]}", json={})).status == 404


@pytest.mark.parametrize(
    ("sent", "param", "said"),
    [
        ({"switches": [{"id": "no-forse-push", "enabled": False}]}, "switches", "no-force-push"),
        ({"policies": [OWN, OWN]}, "policies", "already"),
        ({"policies": [OWN | {"id": "tests-stay"}]}, "policies", "already"),
        ({"policies": [OWN | {"need": "plams"}]}, "policies.0.need", "plans"),
        ({"policies": [OWN | {"id": f"p{place}"} for place in range(21)]}, "policies", "20"),
        ({"policies": [{"id": "x", "words": "W.", "formula": "always (edits"}]}, "policies.0.formula", "line 1, column 14"),
        (
            {
                "policies": [
                    {"id": "x", "words": "W.", "formula": " iff ".join(f"(next {'next ' * n}edits until checks)" for n in range(9))}
                ]
            },
            "policies.0.formula",
            "literals",
        ),
        ({"rules": []}, "rules", "not a field"),
        ({"policies": [OWN | {"words": "Before\x00after."}]}, "policies.0.words", "NUL"),
        ({"policies": [OWN | {"need": 'tool "\x00"'}]}, "policies.0.need", "NUL"),
        ({"switches": [{"id": "a\x00b", "enabled": False}]}, "switches", "no policy"),
    ],
)
async def test_what_cant_be_used_is_refused_and_nothing_changes(api: Api, sent: dict[str, Any], param: str, said: str) -> None:
    name = await project(api)
    refused = await api.ask("PUT", f"/v1/policies?project={name}", json=sent)
    assert (refused.status, refused.error["param"]) == (422, param), refused.text
    assert said in refused.error["message"]
    assert (await api.ask("GET", f"/v1/policies?project={name}")).json["changes"] == []


async def test_events_are_checked_and_the_verdicts_name_them(api: Api) -> None:
    done = await api.ask("POST", "/v1/policies/check", key=await api.developer(), json={"events": EVENTS})
    assert (done.status, done.json["events"]) == (200, 3), done.text
    verdicts = by_id(done.json["verdicts"])
    assert verdicts["check-before-commit"]["verdict"] == "false"
    assert verdicts["check-before-commit"]["violations"][0]["events"] == ["e2", "e3"]
    assert verdicts["no-force-push"]["verdict"] == "presumably_true"


async def test_events_are_checked_against_what_is_sent_along(api: Api) -> None:
    demanded = {"id": "checked", "words": "Edits are checked.", "template": "response", "when": "edits", "then": "checks"}
    done = await api.ask("POST", "/v1/policies/check", json={"events": EVENTS, "policies": [demanded]})
    (verdict,) = done.json["verdicts"]
    assert (verdict["verdict"], verdict["violations"][0]["events"], verdict["violations"][0]["open"]) == ("presumably_false", ["e2"], True)
    file = "policies:\n  - id: never\n    words: No edits.\n    template: absence\n    of: edits\n"
    done = await api.ask("POST", "/v1/policies/check", json={"events": EVENTS, "file": file})
    assert [each["verdict"] for each in done.json["verdicts"]] == ["false"]
    name = await project(api)
    await api.ask("PUT", f"/v1/policies?project={name}", json={"policies": [OWN]})
    done = await api.ask("POST", "/v1/policies/check", json={"events": EVENTS, "project": name})
    assert by_id(done.json["verdicts"])["plan-first"]["verdict"] == "false"


@pytest.mark.parametrize(
    ("sent", "param", "said"),
    [
        ({"events": [], "file": "policies:\n  - id: x\n    words: W.\n    formula: edts\n"}, "file", "line 4, column 14"),
        ({"events": [], "file": 'policies: ["\\UFFFFFFFF"]'}, "file", "it is no YAML"),
        ({"events": [], "file": f"%YAML {'9' * 5_000}.1\n---\npolicies: []"}, "file", "it is no YAML"),
        ({"events": [], "file": "policies: []", "policies": []}, "policies", "only one"),
        ({"events": [], "policies": [OWN, OWN]}, "policies", "already"),
        ({"events": [{"id": "", "role": "user"}]}, "events.0.id", "events.0.id"),
        ({}, "events", "events"),
    ],
)
async def test_a_check_that_cant_be_made_says_why(api: Api, sent: dict[str, Any], param: str, said: str) -> None:
    refused = await api.ask("POST", "/v1/policies/check", json=sent)
    assert (refused.status, refused.error["param"]) == (422, param), refused.text
    assert said in refused.error["message"], refused.text


@pytest.mark.parametrize("escaped", ["\\u0000", "\\ud800", "\\udfff\\u0000"])
async def test_names_with_characters_that_no_text_may_hold_are_checked_all_the_same(api: Api, escaped: str) -> None:
    deletes = {"id": "e1", "role": "tool", "tool": {"name": "bash", "input": f'{{"command": "sed -i s/a/b/ till{escaped}.py"}}'}}
    done = await api.ask("POST", "/v1/policies/check", json={"events": [deletes]})
    assert done.status == 200, done.text
    assert by_id(done.json["verdicts"])["read-before-edit"]["verdict"] == "false"


async def test_an_empty_session_has_verdicts_too(api: Api) -> None:
    done = await api.ask("POST", "/v1/policies/check", json={"events": []})
    assert {each["verdict"] for each in done.json["verdicts"]} == {"presumably_true"}

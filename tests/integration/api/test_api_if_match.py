"""A change that is based on an older state is refused with 412, and says what to do; without `if-match` it is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

from tests.integration.api.conftest import Api


@dataclass(frozen=True, slots=True)
class Changeable:
    """Something that people change: where it is read, and two changes of it (method, path, body)."""

    path: str
    first: tuple[str, str, Any]
    second: tuple[str, str, Any]


@pytest.fixture
async def things(api: Api) -> dict[str, Changeable]:
    name = f"m{uuid4().hex[:12]}"
    assert (await api.ask("POST", "/v1/teams", json={"name": name})).status == 201
    assert (await api.ask("POST", "/v1/developers", json={"name": name, "team": name})).status == 201
    key = (await api.ask("POST", f"/v1/developers/{name}/keys")).json["id"]
    body = {"type": "gotcha", "text": f"The {uuid4().hex} service wants a warm cache.", "project": name}
    assert (await api.ask("POST", "/v1/knowledge", json=body)).status == 201
    listed = (await api.ask("GET", "/v1/projects?order=newest&limit=100")).json["projects"]
    project = next(each for each in listed if each["name"] == name)
    at = f"/v1/projects/{project['id']}"
    who, budget, group = f"/v1/developers/{name}", f"/v1/budgets/{name}", f"/v1/teams/{name}/budget"
    return {
        "project": Changeable(at, ("PATCH", at, {"name": f"{name}-2"}), ("PATCH", at, {"open": "members"})),
        "developer": Changeable(who, ("PATCH", who, {"role": "lead"}), ("PATCH", who, {"disabled": True})),
        "removal": Changeable(who, ("PATCH", who, {"role": "lead"}), ("DELETE", f"{who}?sessions=keep", None)),
        "budget": Changeable(budget, ("PUT", budget, {"monthly_limit_usd": 5}), ("PUT", budget, {"monthly_limit_usd": 6})),
        "top-up": Changeable(budget, ("POST", f"{budget}/top-ups", {"amount_usd": 1}), ("PUT", budget, {"monthly_limit_usd": 6})),
        "team": Changeable(group, ("PUT", group, {"monthly_limit_usd": 5}), ("PUT", group, {"monthly_limit_tokens": 6})),
        "key": Changeable(
            f"/v1/keys/{key}",
            ("PATCH", f"/v1/keys/{key}", {"monthly_limit_usd": 2}),
            ("PATCH", f"/v1/keys/{key}", {"monthly_limit_usd": 3}),
        ),
        "revocation": Changeable(
            f"/v1/keys/{key}", ("PATCH", f"/v1/keys/{key}", {"monthly_limit_usd": 2}), ("DELETE", f"/v1/keys/{key}", None)
        ),
    }


async def change(api: Api, asked: tuple[str, str, Any], if_match: str | None) -> Any:
    method, path, body = asked
    headers = {} if if_match is None else {"if-match": if_match}
    return await api.ask(method, path, json=body, headers=headers)


@pytest.mark.parametrize("what", ["project", "developer", "removal", "budget", "top-up", "team", "key", "revocation"])
async def test_a_change_based_on_an_older_state_is_refused_and_names_the_present_one(
    api: Api, things: dict[str, Changeable], what: str
) -> None:
    thing = things[what]
    read = await api.ask("GET", thing.path)
    assert read.headers["etag"].startswith(f'"{read.json["revision"]}-')
    assert (await change(api, thing.first, None)).status in {200, 201}
    refused = await change(api, thing.second, read.headers["etag"])
    assert (refused.status, refused.error["code"], refused.error["param"]) == (412, "changed_meanwhile", "if-match"), refused.text
    present = (await api.ask("GET", thing.path)).json["revision"]
    assert present in refused.error["message"]
    assert "Read it again" in refused.error["message"]
    assert (await change(api, thing.second, f'W/"{present}"')).status in {200, 204}


@pytest.mark.parametrize("what", ["project", "developer", "budget", "team", "key"])
async def test_a_change_is_made_with_the_revision_alone_and_with_any_and_answers_the_next(
    api: Api, things: dict[str, Changeable], what: str
) -> None:
    thing = things[what]
    revision = (await api.ask("GET", thing.path)).json["revision"]
    made = await change(api, thing.first, revision)
    assert (made.status, made.headers["etag"]) == (200, f'"{made.json["revision"]}"')
    assert made.json["revision"] != revision
    assert (await change(api, thing.second, "*")).status == 200


async def test_a_key_is_revoked_at_the_revision_that_was_read(api: Api, things: dict[str, Changeable]) -> None:
    thing = things["revocation"]
    revision = (await api.ask("GET", thing.path)).json["revision"]
    refused = await change(api, thing.second, "0123456789abcdef")
    assert (refused.status, revision in refused.error["message"]) == (412, True)
    assert (await change(api, thing.second, revision)).status == 204
    assert (await change(api, thing.second, revision)).status == 404, "it was revoked before"


@pytest.mark.parametrize("given", ["", '"a", "b"', '""', "a b", "x" * 300])
async def test_an_if_match_that_is_no_revision_is_refused(api: Api, things: dict[str, Changeable], given: str) -> None:
    for what in ("project", "developer", "budget", "team", "key"):
        refused = await change(api, things[what].second, given)
        assert (refused.status, refused.error["param"]) == (422, "if-match"), refused.text


async def test_spending_and_use_leave_the_revision_as_it_is(api: Api, things: dict[str, Changeable]) -> None:
    before = (await api.ask("GET", things["developer"].path)).json
    assert (await api.ask("POST", f"{things['developer'].path}/keys")).status == 201
    after = (await api.ask("GET", things["developer"].path)).json
    assert (after["keys"], after["revision"]) == (before["keys"] + 1, before["revision"])

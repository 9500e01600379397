"""Teams, developers and keys over HTTP: the admin's, and nobody else's."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.integration.api.conftest import Api


def name() -> str:
    return f"n{uuid4().hex[:10]}"


async def test_a_key_works_until_it_is_revoked(api: Api) -> None:
    developer = name()
    made = await api.ask("POST", "/v1/developers", json={"name": developer})
    assert made.status == 201
    assert {**made.json, "created_at": None} == {
        "revision": made.json["revision"],
        "name": developer,
        "team": "default",
        "monthly_limit_usd": 8.33,
        "role": "developer",
        "keys": 0,
        "created_at": None,
        "disabled_at": None,
        "removed_at": None,
    }
    key = (await api.ask("POST", f"/v1/developers/{developer}/keys")).json
    assert (await api.ask("GET", "/v1/sessions", key=key["key"])).status == 200
    assert (await api.ask("DELETE", f"/v1/keys/{key['id']}")).status == 204
    refused = await api.ask("GET", "/v1/sessions", key=key["key"])
    assert (refused.status, refused.error["code"]) == (401, "not_authenticated")
    assert "Bearer" in refused.headers["www-authenticate"]


async def test_a_name_that_is_taken_is_a_conflict(api: Api) -> None:
    team, developer = name(), name()
    for path, body in (("/v1/teams", {"name": team}), ("/v1/developers", {"name": developer, "team": team})):
        assert (await api.ask("POST", path, json=body)).status == 201
        refused = await api.ask("POST", path, json=body)
        assert (refused.status, refused.error["type"]) == (409, "conflict_error")
    listed = (await api.ask("GET", "/v1/teams?order=newest")).json["teams"]
    assert [each["developers"] for each in listed if each["name"] == team] == [1]
    assert developer in [each["name"] for each in (await api.ask("GET", "/v1/developers?order=newest")).json["developers"]]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"name": ""}, "name"),
        ({"name": " a"}, "name"),
        ({"name": "a/b"}, "name"),
        ({"name": "a\u0000"}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": "a", "team": "b/c"}, "team"),
        ({"name": "a", "monthly_limit_usd": -1}, "monthly_limit_usd"),
        ({"name": "a", "monthly_limit_usd": "8.33"}, "monthly_limit_usd"),
        ({"name": "a", "admin": True}, "admin"),
    ],
)
async def test_a_developer_with_a_wrong_field_is_refused(api: Api, body: dict[str, Any], param: str) -> None:
    refused = await api.ask("POST", "/v1/developers", json=body)
    assert (refused.status, refused.error["param"]) == (422, param), refused.text


async def test_a_developer_of_an_unknown_team_is_refused(api: Api) -> None:
    assert (await api.ask("POST", "/v1/developers", json={"name": name(), "team": name()})).status == 404


@pytest.mark.parametrize("key", [None, "", "nonsense", "cairn_" + "a" * 12 + "_" + "b" * 43])
async def test_without_a_good_key_nothing_is_told(api: Api, key: str | None) -> None:
    for method, path in (("GET", "/v1/sessions"), ("GET", "/v1/teams"), ("GET", "/metrics"), ("POST", "/v1/index/rebuild")):
        refused = await api.ask(method, path, key=key)
        assert (refused.status, refused.error["type"]) == (401, "authentication_error"), path


async def test_a_developers_key_does_nothing_of_the_admins(api: Api) -> None:
    key = await api.developer()
    admins = (("GET", "/v1/teams"), ("GET", "/v1/developers"), ("POST", "/v1/developers/x/keys"), ("GET", "/v1/invitations"))
    for method, path in (*admins, ("POST", "/v1/index/rebuild"), ("GET", "/metrics")):
        refused = await api.ask(method, path, key=key)
        assert (refused.status, refused.error["type"]) == (403, "permission_error"), path

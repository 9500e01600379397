"""A key's own limit and models over HTTP: on every route that calls a model, in lists, and in changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from tests.integration.api.conftest import Api, Reply
from tests.integration.api.door import Door, open_door

CHAT = {"model": "auto", "messages": [{"role": "user", "content": "hello"}]}
CALLS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": CHAT,
    "/v1/messages": CHAT | {"max_tokens": 100},
    "/v1/responses": {"model": "auto", "input": "hello", "store": False},
    "/v1/embeddings": {"model": "auto", "input": "hello"},
}


@pytest.fixture
async def door(api: Api) -> AsyncIterator[Door]:
    async with open_door(api) as made:
        yield made


@pytest.fixture
async def cached(api: Api) -> AsyncIterator[Door]:
    async with open_door(api, cached=True) as made:
        yield made


async def new_key(door: Door, **fields: Any) -> tuple[str, str]:
    """Make a key of the door's developer: (the key, its id)."""
    made = await door.api.ask("POST", f"/v1/developers/{door.developer}/keys", json={"name": uuid4().hex[:12], **fields})
    assert made.status == 201, made.text
    return made.json["key"], made.json["id"]


async def shown(door: Door, key_id: str) -> dict[str, Any]:
    await door.engine._meter.close()
    await door.api.services.budget.ledger.flush()
    (found,) = (await door.api.ask("GET", "/v1/keys", params={"which": key_id})).json["keys"]
    return dict(found)


async def change(door: Door, key_id: str, *, key: str | None = None, **fields: Any) -> Reply:
    whose = {} if key is None else {"key": key}  # else the admin's
    return await door.api.ask("PATCH", f"/v1/keys/{key_id}", json=fields, **whose)


async def test_a_key_tells_its_limit_what_it_spent_and_its_models(door: Door) -> None:
    key, key_id = await new_key(door, monthly_limit_usd=2.5, models=["auto"])
    assert (await door.chat(key=key)).status == 200
    found = await shown(door, key_id)
    assert (found["monthly_limit_usd"], found["held_usd"], found["models"]) == (2.5, 0, ["auto"])
    assert 0 < found["spent_usd"] < 2.5
    me = (await door.api.ask("GET", "/v1/me", key=key)).json["key"]
    assert {name: me[name] for name in ("monthly_limit_usd", "spent_usd", "models", "renews_at")} == {
        name: found[name] for name in ("monthly_limit_usd", "spent_usd", "models", "renews_at")
    }
    plain = (await door.api.ask("GET", "/v1/me", key=door.key)).json["key"]
    assert (plain["monthly_limit_usd"], plain["spent_usd"], plain["held_usd"], plain["models"]) == (None, None, None, None)
    assert plain["renews_at"] == found["renews_at"]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses"])
async def test_a_key_at_its_limit_is_refused_with_402_and_whose_limit_it_is(door: Door, path: str) -> None:
    key, _ = await new_key(door, monthly_limit_usd=0)
    refused = await door.api.ask("POST", path, key=key, json=CALLS[path])
    assert (refused.status, refused.error["code"]) == (402, "budget_exceeded"), refused.text
    for words in ("This key's own limit", "is spent", "reserved for running calls", "It renews at", "An admin can raise it"):
        assert words in refused.error["message"]
    assert await door.asked() == {"one": 0, "two": 0}
    assert (await door.api.ask("POST", path, key=door.key, json=CALLS[path])).status == 200


async def test_a_key_at_its_limit_is_refused_in_the_vendors_shape(door: Door) -> None:
    key, _ = await new_key(door, monthly_limit_usd=0)
    refused = await door.api.ask("POST", "/v1/messages", key=key, json=CALLS["/v1/messages"])
    assert (refused.status, refused.json["error"]["type"]) == (429, "billing_error"), refused.text
    assert "This key's own limit" in refused.json["error"]["message"]


@pytest.mark.parametrize("path", CALLS)
async def test_a_model_that_is_not_the_keys_is_refused_on_every_route(door: Door, path: str) -> None:
    key, _ = await new_key(door, models=["two/*"])
    model = "all-MiniLM-L6-v2" if path == "/v1/embeddings" else "one"
    refused = await door.api.ask("POST", path, key=key, json=CALLS[path] | {"model": model})
    assert refused.status == 403, refused.text
    message = refused.json["error"]["message"]
    assert f"This key may not use '{model}', only: two/*." in message
    assert await door.asked() == {"one": 0, "two": 0}


async def test_counting_tokens_obeys_the_keys_models(door: Door) -> None:
    key, _ = await new_key(door, models=["two/*"])
    asked = [
        (await door.api.ask("POST", "/v1/messages/count_tokens", key=key, json=CHAT | {"model": model})).status for model in ("one", "two")
    ]
    assert asked == [403, 200]


async def test_a_chain_asks_only_the_providers_that_the_key_may_use(door: Door) -> None:
    key, _ = await new_key(door, models=["two/*"])
    answered = await door.chat(key=key)
    assert (answered.status, answered.headers["x-cairn-provider"]) == (200, "two")
    assert await door.asked() == {"one": 0, "two": 1}


async def test_the_list_of_models_is_the_keys(door: Door) -> None:
    key, _ = await new_key(door, models=["two/*"])
    everything = [each["id"] for each in (await door.api.ask("GET", "/v1/models", key=door.key)).json["data"]]
    own = [each["id"] for each in (await door.api.ask("GET", "/v1/models", key=key)).json["data"]]
    assert set(own) < set(everything)
    assert "auto" in own
    for model in everything:
        assert (await door.api.ask("GET", f"/v1/models/{model}", key=key)).status == (200 if model in own else 403)


async def test_a_cached_answer_goes_to_no_key_that_may_not_use_its_model(cached: Door) -> None:
    first = await cached.chat("why is it so?")
    assert first.headers["x-cairn-provider"] == "one"
    assert (await cached.chat("why is it so?")).headers["x-cairn-cache"] == "memory"
    key, _ = await new_key(cached, models=["two/*"])
    other = await cached.chat("why is it so?", key=key)
    assert (other.headers["x-cairn-cache"], other.headers["x-cairn-provider"]) == ("miss", "two")
    assert (await cached.chat("why is it so?", key=key, model="one")).status == 403
    whole, _ = await new_key(cached, models=["auto"])
    assert (await cached.chat("why is it so?", key=whole)).headers["x-cairn-cache"] == "memory"


async def test_an_admins_key_keeps_its_limit_and_models_when_it_acts_for_another(door: Door) -> None:
    key, key_id = await new_key(door, monthly_limit_usd=1, models=["two/*"])
    assert (await door.api.ask("PATCH", f"/v1/developers/{door.developer}", json={"role": "admin"})).status == 200
    other = f"n{uuid4().hex[:10]}"
    assert (await door.api.ask("POST", "/v1/developers", json={"name": other})).status == 201
    answered = await door.chat(key=key, headers={"x-cairn-developer": other})
    assert (answered.status, answered.headers["x-cairn-provider"]) == (200, "two")
    assert (await door.chat(key=key, headers={"x-cairn-developer": other}, model="one")).status == 403
    assert (await shown(door, key_id))["spent_usd"] > 0


async def test_limit_and_models_are_changed_and_removed_by_an_admin(door: Door) -> None:
    key, key_id = await new_key(door)
    assert (await door.chat(key=key)).status == 200
    changed = await change(door, key_id, monthly_limit_usd=0.5)
    assert (changed.status, changed.json["monthly_limit_usd"], changed.json["models"]) == (200, 0.5, None)
    await door.engine._meter.close()
    counted = (await shown(door, key_id))["spent_usd"]
    assert counted > 0, "what it has spent this month counts"
    assert (await change(door, key_id, models=["one"])).json["models"] == ["one"]
    assert (await door.chat(key=key, model="two")).status == 403
    cleared = await change(door, key_id, monthly_limit_usd=None, models=None)
    assert (cleared.json["monthly_limit_usd"], cleared.json["models"]) == (None, None)
    assert (await door.chat(key=key, model="two")).status == 200


async def test_a_developer_lowers_the_limit_of_their_own_key_and_nothing_else(door: Door) -> None:
    key, key_id = await new_key(door)
    assert (await change(door, key_id, key=door.key, monthly_limit_usd=3)).status == 200
    assert (await change(door, key_id, key=door.key, monthly_limit_usd=2)).json["monthly_limit_usd"] == 2
    for wanted in (2.01, None):
        refused = await change(door, key_id, key=key, monthly_limit_usd=wanted)
        assert refused.status == 403, refused.text
        assert "only an admin raises or removes it" in refused.error["message"]
    assert (await change(door, key_id, key=key, models=["one"])).status == 403
    other = f"n{uuid4().hex[:10]}"
    await door.api.ask("POST", "/v1/developers", json={"name": other})
    stranger = (await door.api.ask("POST", f"/v1/developers/{other}/keys")).json["key"]
    assert (await change(door, key_id, key=stranger, monthly_limit_usd=1)).status == 404
    assert (await shown(door, key_id))["monthly_limit_usd"] == 2


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({}, "monthly_limit_usd"),
        ({"monthly_limit_usd": -1}, "monthly_limit_usd"),
        ({"monthly_limit_usd": "2"}, "monthly_limit_usd"),
        ({"monthly_limit_usd": 1e7}, "monthly_limit_usd"),
        ({"models": []}, "models"),
        ({"models": "auto"}, "models"),
        ({"models": ["onne"]}, "models"),
        ({"models": ["a b"]}, "models"),
        ({"models": ["x" * 300]}, "models"),
        ({"models": ["auto"] * 60}, "models"),
        ({"limit": 2}, "limit"),
    ],
)
async def test_a_change_with_a_wrong_field_is_refused(door: Door, fields: dict[str, Any], param: str) -> None:
    _, key_id = await new_key(door)
    refused = await change(door, key_id, **fields)
    assert (refused.status, str(refused.error["param"]).split("[")[0].split(".")[0]) == (422, param), refused.text
    if fields:
        made = await door.api.ask("POST", f"/v1/developers/{door.developer}/keys", json=fields)
        assert made.status == 422, made.text


async def test_a_new_key_tells_its_limit_and_its_models(door: Door) -> None:
    path = f"/v1/developers/{door.developer}/keys"
    made = (await door.api.ask("POST", path, json={"monthly_limit_usd": 2.5, "models": ["auto", "one", "auto"]})).json
    assert (made["monthly_limit_usd"], made["models"]) == (2.5, ["auto", "one"])
    plain = (await door.api.ask("POST", path)).json
    assert (plain["monthly_limit_usd"], plain["models"]) == (None, None)


async def test_more_changes_at_once_than_there_are_connections_wait_for_no_second_one(door: Door) -> None:
    many = door.api.services.database.pool().limit + 2
    ids = [(await new_key(door))[1] for _ in range(many)]
    changed = await asyncio.gather(*(change(door, key_id, monthly_limit_usd=1, models=["one"]) for key_id in ids))
    assert {(each.status, each.json["monthly_limit_usd"], *each.json["models"]) for each in changed} == {(200, 1, "one")}
    ended = await asyncio.gather(*(door.api.ask("DELETE", f"/v1/keys/{key_id}") for key_id in ids))
    assert {each.status for each in ended} == {204}


async def test_a_change_of_which_one_part_is_refused_changes_nothing(door: Door) -> None:
    _, key_id = await new_key(door, monthly_limit_usd=2)
    assert (await change(door, key_id, monthly_limit_usd=1, models=["onne"])).status == 422
    assert (await change(door, key_id, key=door.key, monthly_limit_usd=1, models=["one"])).status == 403
    found = await shown(door, key_id)
    assert (found["monthly_limit_usd"], found["models"]) == (2, None)


async def test_an_unknown_model_is_refused_with_the_nearest_name(door: Door) -> None:
    refused = await door.api.ask("POST", f"/v1/developers/{door.developer}/keys", json={"models": ["onne"]})
    assert refused.status == 422
    assert "Did you mean one?" in refused.error["message"]


async def test_an_unknown_or_revoked_key_cannot_be_changed(door: Door) -> None:
    assert (await change(door, str(uuid4()), monthly_limit_usd=1)).status == 404
    _, key_id = await new_key(door)
    assert (await door.api.ask("DELETE", f"/v1/keys/{key_id}")).status == 204
    refused = await change(door, key_id, monthly_limit_usd=1)
    assert (refused.status, "is revoked" in refused.error["message"]) == (409, True)

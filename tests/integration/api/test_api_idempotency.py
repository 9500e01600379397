"""Idempotency keys: a retry gets the first reply, and repeats nothing; nor does one after a process died in between."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from app.errors import Conflict
from app.idempotency.keys import Claim, KeyedRequest, carrying_out
from tests.integration.api.conftest import Api, Reply


async def made(api: Api) -> str:
    """A new developer's name."""
    name = f"once-{uuid4().hex[:12]}"
    assert (await api.ask("POST", "/v1/developers", json={"name": name})).status == 201
    return name


async def top_up(api: Api, name: str, key: str, amount: Any = 5) -> Reply:
    return await api.ask("POST", f"/v1/budgets/{name}/top-ups", headers={"idempotency-key": key}, json={"amount_usd": amount})


async def added(api: Api, name: str) -> float:
    return float((await api.ask("GET", f"/v1/budgets/{name}")).json["added_usd"])


async def forget_reply(api: Api, *, died_seconds_ago: int) -> None:
    """What a process leaves that was killed after its effect was committed, before its reply was stored."""
    async with api.services.database.begin() as connection:
        row = "update idempotency_keys set status = null, body = null, claimed_at = now() - make_interval(secs => :ago) where status is not null"
        await connection.execute(text(row), {"ago": died_seconds_ago})


async def test_a_retried_top_up_adds_once_and_gets_the_first_reply(api: Api) -> None:
    name, key = await made(api), uuid4().hex
    first, again = await top_up(api, name, key), await top_up(api, name, key)
    assert (first.status, again.status, again.text) == (201, 201, first.text)
    assert ("idempotency-replayed" in first.headers, again.headers["idempotency-replayed"]) == (False, "true")
    assert await added(api, name) == 5
    assert (await top_up(api, name, uuid4().hex)).json["added_usd"] == 10


async def test_a_top_up_whose_process_died_before_its_reply_is_not_added_again(api: Api) -> None:
    name, key = await made(api), uuid4().hex
    await top_up(api, name, key)
    await forget_reply(api, died_seconds_ago=31)
    again = await top_up(api, name, key)
    assert (again.status, again.json["added_usd"], again.headers["idempotency-replayed"]) == (201, 5, "true")
    assert (await top_up(api, name, key)).text == again.text
    assert await added(api, name) == 5


async def test_a_top_up_under_way_is_refused_with_when_to_ask_again(api: Api) -> None:
    name, key = await made(api), uuid4().hex
    await top_up(api, name, key)
    await forget_reply(api, died_seconds_ago=0)
    refused = await top_up(api, name, key)
    assert (refused.status, refused.error["code"], refused.headers["retry-after"]) == (409, "idempotency_in_progress", "1")


async def test_a_request_that_stood_still_while_its_retry_failed_does_nothing_and_says_so(api: Api) -> None:
    name, keys = await made(api), api.services.idempotency
    admin = await api.services.accounts.acting_for("default")
    sent = KeyedRequest.of(admin.team_id, "admin", uuid4().hex, b"a top-up")
    first = await keys.claim(sent)
    assert isinstance(first, Claim)
    async with api.services.database.begin() as connection:
        await connection.execute(
            text("update idempotency_keys set claimed_at = now() - interval '1 minute' where claim = :id"), {"id": first.id}
        )
    retry = await keys.claim(sent)
    assert isinstance(retry, Claim)
    await keys.release(retry)
    with carrying_out(first), pytest.raises(Conflict, match="nothing was done"):
        await api.services.budget.budgets.top_up(admin, name, 5, note=None)
    assert await added(api, name) == 0


async def test_of_many_concurrent_retries_one_is_carried_out(api: Api) -> None:
    name, key = await made(api), uuid4().hex
    replies = await asyncio.gather(*(top_up(api, name, key) for _ in range(12)))
    assert {each.status for each in replies} <= {201, 409}
    assert any(each.status == 201 for each in replies)
    assert await added(api, name) == 5


async def test_a_key_with_another_request_is_refused(api: Api) -> None:
    name, key = await made(api), uuid4().hex
    await top_up(api, name, key)
    for refused in (await top_up(api, name, key, 6), await top_up(api, await made(api), key)):
        assert (refused.status, refused.error["code"], refused.error["param"]) == (422, "idempotency_key_reused", "idempotency-key")


async def test_a_refused_request_may_be_sent_again_with_its_key(api: Api) -> None:
    name, key = f"once-{uuid4().hex[:12]}", uuid4().hex
    assert (await top_up(api, name, key)).status == 404
    assert (await api.ask("POST", "/v1/developers", json={"name": name})).status == 201
    assert (await top_up(api, name, key)).status == 201
    assert (await top_up(api, name, uuid4().hex, "five")).status == 422


@pytest.mark.parametrize("key", ["", "two words", "x" * 256, "naïve"])
async def test_a_bad_key_is_refused_and_named(api: Api, key: str) -> None:
    refused = await top_up(api, "nobody", key)
    assert (refused.status, refused.error["param"]) == (422, "idempotency-key")


async def test_keys_of_two_developers_and_two_teams_are_apart(api: Api) -> None:
    one, other, key = await api.developer(), await api.developer(f"team-{uuid4().hex[:8]}"), "the-same-key"
    ids = set()
    for developer in (one, other):
        sent = await api.ask(
            "POST",
            "/v1/channels/once/messages",
            key=developer,
            headers={"idempotency-key": key},
            json={"type": "a", "payload": developer[-4:]},
        )
        assert sent.status == 201, sent.text
        ids.add(sent.json["id"])
        assert "idempotency-replayed" not in sent.headers
    assert len(ids) == 2


async def test_developers_and_teams_are_made_once_also_after_a_crash(api: Api) -> None:
    for path in ("/v1/developers", "/v1/teams"):
        headers, body = {"idempotency-key": uuid4().hex}, {"name": f"once-{uuid4().hex[:12]}"}
        first = await api.ask("POST", path, headers=headers, json=body)
        assert (await api.ask("POST", path, headers=headers, json=body)).text == first.text
        await forget_reply(api, died_seconds_ago=31)
        again = await api.ask("POST", path, headers=headers, json=body)
        assert (again.status, again.json) == (201, first.json)
        taken = {"idempotency-key": uuid4().hex}
        for _ in range(2):
            assert (await api.ask("POST", path, headers=taken, json=body)).status == 409


async def test_a_developers_key_is_shown_once_and_stored_nowhere(api: Api) -> None:
    name, headers = await made(api), {"idempotency-key": uuid4().hex}
    first = await api.ask("POST", f"/v1/developers/{name}/keys", headers=headers)
    assert first.status == 201
    for crashed in (False, True):
        if crashed:
            await forget_reply(api, died_seconds_ago=31)
        again = await api.ask("POST", f"/v1/developers/{name}/keys", headers=headers)
        assert (again.status, again.error["code"]) == (409, "secret_shown_once")
        assert first.json["id"] in again.error["message"]
    async with api.services.database.begin() as connection:
        stored = str((await connection.execute(text("select * from idempotency_keys"))).all())
    assert first.json["key"] not in stored
    assert headers["idempotency-key"] not in stored
    listed = (await api.ask("GET", "/v1/developers?order=newest")).json["developers"]
    assert next(each["keys"] for each in listed if each["name"] == name) == 1


async def test_an_invitation_is_made_once_and_its_link_is_shown_once(api: Api) -> None:
    name, headers = f"once-{uuid4().hex[:12]}", {"idempotency-key": uuid4().hex}
    first = await api.ask("POST", f"/v1/developers/{name}/invitations", headers=headers)
    assert first.status == 201, first.text
    for crashed in (False, True):
        if crashed:
            await forget_reply(api, died_seconds_ago=31)
        again = await api.ask("POST", f"/v1/developers/{name}/invitations", headers=headers)
        assert (again.status, again.error["code"]) == (409, "secret_shown_once")
        assert first.json["id"] in again.error["message"]
    async with api.services.database.begin() as connection:
        stored = str((await connection.execute(text("select * from idempotency_keys"))).all())
    assert first.json["token"] not in stored
    listed = (await api.ask("GET", "/v1/invitations")).json["invitations"]
    assert [each["id"] for each in listed if each["developer"] == name] == [first.json["id"]]
    another = await api.ask("POST", f"/v1/developers/{name}/invitations", headers={"idempotency-key": uuid4().hex})
    assert another.status == 201


async def test_old_keys_are_swept_and_may_be_used_again(api: Api) -> None:
    name, key = await made(api), uuid4().hex
    await top_up(api, name, key)
    async with api.services.database.begin() as connection:
        await connection.execute(text("update idempotency_keys set created_at = now() - interval '25 hours'"))
    assert (await top_up(api, name, key)).json["added_usd"] == 10
    async with api.services.database.begin() as connection:
        await connection.execute(text("update idempotency_keys set created_at = now() - interval '25 hours'"))
    assert await api.services.idempotency.sweep() > 0

"""Requests that are nearly right, at each route of the running server: whatever is wrong with them, it isn't the server's fault."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fakes.mutated import CHAT_BODY, MESSAGES_BODY, RESPONSES_BODY, mutated
from tests.integration.api.client_routes import CHAT, MESSAGES, RESPONSES, ClientRoute
from tests.integration.api.conftest import Api
from tests.integration.api.door import open_door

BODIES = {CHAT: CHAT_BODY, MESSAGES: MESSAGES_BODY, RESPONSES: RESPONSES_BODY}
REQUESTS_AT_ONCE = 10


async def test_what_is_mutated_is_answered_before(api: Api) -> None:
    async with open_door(api) as door:
        for route, body in BODIES.items():
            for stream in (False, True):
                told = route.read(await api.ask("POST", route.path, key=door.key, json={**body, "stream": stream}))
                assert (told.status, told.error) == (200, None), told.reply.text


@pytest.mark.long
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
@pytest.mark.parametrize("route", BODIES, ids=str)
async def test_a_mutated_request_is_answered_or_refused_in_the_routes_own_shape(api: Api, route: ClientRoute, data: st.DataObject) -> None:
    bodies = data.draw(st.lists(mutated(BODIES[route]), min_size=REQUESTS_AT_ONCE, max_size=REQUESTS_AT_ONCE))
    async with open_door(api) as door:
        for body in bodies:
            raw = io.BytesIO(json.dumps(body).encode())
            reply = await api.ask("POST", route.path, key=door.key, data=raw, headers={"content-type": "application/json"})
            assert reply.status < 500, (body, reply.text)
            if reply.status != 200:
                failure = route.read(reply).error
                assert failure is not None
                assert failure.message
        assert {state for _, state, _ in await door.holds()} <= {"settled", "released", "unreconciled"}

"""A stream that is opened and never read, and events that hold line breaks: nothing stays held, nothing is torn."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from app.web.event_streams import EventStream, one_line
from tests.integration.api.conftest import Api
from tests.integration.api.door import open_door


async def test_a_stream_that_nobody_began_to_read_is_settled(api: Api) -> None:
    from uuid import uuid4

    from app.inference.request import CallContext, ChatRequest

    async with open_door(api) as door:
        found = await api.services.accounts.find_developer(door.developer)
        asker = CallContext(found.id, found.team_id, uuid4().hex)
        stream = await door.engine.open_stream(ChatRequest("auto", [{"role": "user", "content": "hello"}]), asker)
        response = EventStream(stream.events(), {}, unread=stream.abandon)

        async def send(message: Any) -> None:
            raise OSError("the caller is gone")

        async def receive() -> Any:
            await asyncio.Event().wait()

        with pytest.raises(OSError, match="gone"):
            await response({}, receive, send)
        assert [(name, state) for name, state, _ in await door.holds()] == [("one", "settled")]
        assert (await door.money())["held_usd"] == 0


def test_an_event_is_one_line() -> None:
    assert one_line(b'{"a":\r\n 1}') == b'{"a":   1}'
    assert one_line(b'{"a":1}') == b'{"a":1}'

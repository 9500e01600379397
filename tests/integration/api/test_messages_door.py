"""Anthropic's own client at Cairn's door: messages whole and streamed, tools, thinking, errors, the budget."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anthropic
import pytest

from tests.fakes.provider import full
from tests.integration.api.conftest import Api
from tests.integration.api.door import Door, open_door

WORDS = "".join(full("say 5 words"))


@pytest.fixture
async def door(api: Api) -> AsyncIterator[Door]:
    async with open_door(api) as made:
        yield made


@pytest.fixture
async def client(door: Door) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(base_url=door.api.url, api_key=door.key) as made:
        yield made


async def test_anthropics_client_gets_a_message(client: anthropic.AsyncAnthropic) -> None:
    answer = await client.messages.create(model="auto", max_tokens=50, messages=[{"role": "user", "content": "say 5 words"}])
    print(answer)
    assert [block.type for block in answer.content] == ["text"]


async def test_stream(client: anthropic.AsyncAnthropic) -> None:
    async with client.messages.stream(model="auto", max_tokens=50, messages=[{"role": "user", "content": "say 5 words"}]) as stream:
        async for e in stream:
            print(e)
        m = await stream.get_final_message()
    print(m)


async def test_count(client: anthropic.AsyncAnthropic) -> None:
    print(await client.messages.count_tokens(model="auto", messages=[{"role": "user", "content": "say 5 words"}]))

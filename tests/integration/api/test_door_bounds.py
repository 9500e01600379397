"""A hold covers the most that a provider can bill, whatever the prompt is made of: through the door, to providers that bill just that."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import pytest

from app.money import from_usd
from app.settings import TimeoutSettings
from tests.fakes.scripted import ScriptedProvider
from tests.integration.api.conftest import Api
from tests.integration.api.door import Door, open_door
from tests.unit.tokens.test_documents import document
from tests.unit.tokens.test_image_sizes import png

MAX_TOKENS = 50
WHOLE = {"streams": False}
LONG = TimeoutSettings(connect=30, first_token=60, idle=60, answer=60, total=90)
"""The first call through litellm loads it, which takes seconds."""
PRICE = {"input": 1_000, "output": 2_000}
"""Nano-dollars a token, as the door's providers are configured."""
PDF = base64.b64encode(document(3)).decode()
PICTURE = base64.b64encode(png(640, 480)).decode()
PDF_BLOCK = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PDF}, "title": "report.pdf"}
PICTURE_BLOCK = {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": PICTURE}}
MARKED = {"type": "text", "text": "a long instruction " * 50}


class BillingProvider(ScriptedProvider):
    """Bills the usage that a test sets, in Anthropic's format or in OpenAI's."""

    def __init__(self, kind: str) -> None:
        super().__init__({})
        self.usage: Mapping[str, Any] = {}
        self._kind = kind

    def reply_to(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        del body
        if self._kind == "anthropic":
            content = [{"type": "text", "text": "hi"}]
            head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "one-model", "content": content}
            return {**head, "stop_reason": "end_turn", "stop_sequence": None, "usage": self.usage}
        choice = {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}
        return {"id": "c_1", "object": "chat.completion", "created": 1, "model": "one-model", "choices": [choice], "usage": self.usage}


def asked(*blocks: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "model": "auto",
        "max_tokens": MAX_TOKENS,
        "messages": [{"role": "user", "content": [*blocks, {"type": "text", "text": "so?"}]}],
    }


async def most_tokens(door: Door, body: Mapping[str, Any]) -> int:
    """Return the bound of the prompt, as a hold counts."""
    reply = await door.api.ask("POST", "/v1/messages/count_tokens", key=door.key, json=dict(body))
    assert reply.status == 200, reply.text
    return int(reply.json["input_tokens"])


async def charged(door: Door, body: Mapping[str, Any]) -> int:
    """Ask, and return what was charged, in nano-dollars: as the provider billed it, and within the hold."""
    reply = await door.api.ask("POST", "/v1/messages", key=door.key, json=dict(body))
    assert reply.status == 200, reply.text
    money = await door.money()
    assert await door.holds() == [("one", "settled", "usage")]  # not "overrun": it cost no more than was held
    assert money["held_usd"] == 0
    assert money["spent_usd"] <= money["limit_usd"]
    return from_usd(money["spent_usd"])


@pytest.mark.parametrize(
    ("mark", "price"),
    [
        pytest.param({"type": "ephemeral"}, 1_250, id="five minutes"),
        pytest.param({"type": "ephemeral", "ttl": "5m"}, 1_250, id="five minutes, said"),
        pytest.param({"type": "ephemeral", "ttl": "1h"}, 2_000, id="an hour"),
    ],
)
@pytest.mark.parametrize("told", [True, False])
async def test_a_prompt_that_is_written_to_the_cache_as_a_whole_costs_no_more_than_its_hold(
    api: Api, mark: dict[str, str], price: int, told: bool
) -> None:
    async with (
        BillingProvider("anthropic") as fake,
        open_door(api, kinds={"one": "anthropic"}, hostile={"one": fake}, provider=WHOLE, timeouts=LONG) as door,  # type: ignore[dict-item]
    ):
        body = asked({**MARKED, "cache_control": mark})
        most = await most_tokens(door, body)
        split = {f"ephemeral_{mark.get('ttl', '5m')}_input_tokens": most} if told else None
        fake.usage = {"input_tokens": 0, "cache_creation_input_tokens": most, "cache_creation": split, "output_tokens": MAX_TOKENS}
        assert await charged(door, body) == most * price + MAX_TOKENS * PRICE["output"]
        assert mark.items() >= fake.asked[0]["messages"][0]["content"][0]["cache_control"].items() - {("ttl", "5m")}


async def test_a_prompt_without_a_mark_is_held_at_the_price_of_input(api: Api) -> None:
    async with open_door(api, "one", kinds={"one": "anthropic"}) as door:
        body = asked(MARKED)
        most = await most_tokens(door, body)
        limit = most * PRICE["input"] + MAX_TOKENS * PRICE["output"]
        name = door.developer
        assert (await api.ask("PUT", f"/v1/budgets/{name}", json={"monthly_limit_usd": limit / 10**9})).status == 200
        assert (
            await api.ask("POST", "/v1/messages", key=door.key, json=asked({**MARKED, "cache_control": {"type": "ephemeral"}}))
        ).status == 429
        assert (await api.ask("POST", "/v1/messages", key=door.key, json=body)).status == 200


@pytest.mark.parametrize("kind", ["anthropic", "openai"])
@pytest.mark.parametrize(("block", "least"), [(PDF_BLOCK, 3 * 3_000), (PICTURE_BLOCK, 391)])
async def test_documents_and_pictures_that_are_billed_at_the_most_cost_no_more_than_their_hold(
    api: Api, kind: str, block: Mapping[str, Any], least: int
) -> None:
    async with (
        BillingProvider(kind) as fake,
        open_door(api, kinds={"one": kind}, hostile={"one": fake}, provider=WHOLE, timeouts=LONG) as door,  # type: ignore[dict-item]
    ):
        most = await most_tokens(door, asked(block))
        assert most > least
        names = ("input_tokens", "output_tokens") if kind == "anthropic" else ("prompt_tokens", "completion_tokens")
        fake.usage = dict(zip(names, (most, MAX_TOKENS), strict=True))
        assert await charged(door, asked(block)) == most * PRICE["input"] + MAX_TOKENS * PRICE["output"]
        sent = fake.asked[0]["messages"][0]["content"][0]
        assert (PDF if block is PDF_BLOCK else PICTURE) in str(sent)


async def test_a_document_goes_on_to_a_provider_that_reads_it_or_is_refused_by_its_name(api: Api) -> None:
    async with open_door(api, "one", "two", kinds={"one": "groq"}) as door:
        reply = await door.api.ask("POST", "/v1/messages", key=door.key, json=asked(PDF_BLOCK))
        assert (reply.status, reply.headers["x-cairn-provider"]) == (200, "two")
    async with open_door(api, "one", kinds={"one": "groq"}) as door:
        reply = await door.api.ask("POST", "/v1/messages", key=door.key, json=asked(PDF_BLOCK))
        assert reply.status == 400
        assert "accepts no documents such as PDFs: report.pdf" in reply.json["error"]["message"]
        assert await door.holds() == []


async def test_a_pdf_comes_in_chat_completions_too(api: Api) -> None:
    block = {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{PDF}", "filename": "report.pdf"}}
    async with open_door(api, "one") as door:
        body = {"model": "auto", "messages": [{"role": "user", "content": [block]}], "max_tokens": MAX_TOKENS}
        assert (await door.api.ask("POST", "/v1/chat/completions", key=door.key, json=body)).status == 200

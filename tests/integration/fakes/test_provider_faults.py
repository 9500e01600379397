"""Each fault of the fake as a plain client sees it over a real socket."""

from __future__ import annotations

import asyncio
import errno
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest

from tests.fakes.provider import NAMES, FakeProvider, FaultName, Kind, full
from tests.integration.fakes.speaking import FILTERED, KINDS, MODEL, STOP, Json, ask, request
from tests.waiting import patience

PROMPT = "say 6 words"
TOKENS = full(PROMPT)
WHOLE = "".join(TOKENS)
TWO = "".join(TOKENS[:2])

each_kind = pytest.mark.parametrize("kind", KINDS)
each_way = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


@pytest.fixture
async def fake() -> AsyncIterator[FakeProvider]:
    async with FakeProvider() as served:
        yield served


def said(kind: Kind, body: Json) -> tuple[object, object]:
    """An error body's own code, and its type."""
    error = body["error"]
    match kind:
        case "anthropic":
            assert body["type"] == "error"
            return None, error["type"]
        case "gemini":
            return error["code"], error["status"]
        case _:
            return error["code"], error["type"]


BAD = "invalid_request_error"
REFUSALS: dict[FaultName, dict[Kind, tuple[int, object, object]]] = {
    "bad_request": {
        "openai": (400, "decimal_above_max_value", BAD),
        "groq": (400, "decimal_above_max_value", BAD),
        "anthropic": (400, None, BAD),
        "gemini": (400, 400, "INVALID_ARGUMENT"),
    },
    "content_policy": {"openai": (400, "invalid_prompt", BAD), "groq": (400, "invalid_prompt", BAD), "anthropic": (400, None, BAD)},
    "context_too_long": {
        "openai": (400, "context_length_exceeded", BAD),
        "groq": (400, "context_length_exceeded", BAD),
        "anthropic": (400, None, BAD),
        "gemini": (400, 400, "INVALID_ARGUMENT"),
    },
    "401": {
        "openai": (401, "invalid_api_key", BAD),
        "groq": (401, "invalid_api_key", BAD),
        "anthropic": (401, None, "authentication_error"),
        "gemini": (401, 401, "UNAUTHENTICATED"),
    },
    "402": {"openai": (402, BAD, "unknown_error"), "anthropic": (402, None, "billing_error")},
    "403": {
        "openai": (403, "unsupported_country_region_territory", "request_forbidden"),
        "anthropic": (403, None, "permission_error"),
        "gemini": (403, 403, "PERMISSION_DENIED"),
    },
    "404": {
        "openai": (404, "model_not_found", BAD),
        "groq": (404, "model_not_found", BAD),
        "anthropic": (404, None, "not_found_error"),
        "gemini": (404, 404, "NOT_FOUND"),
    },
    "429": {
        "openai": (429, "rate_limit_exceeded", "requests"),
        "groq": (429, "rate_limit_exceeded", "tokens"),
        "anthropic": (429, None, "rate_limit_error"),
        "gemini": (429, 429, "RESOURCE_EXHAUSTED"),
    },
    "insufficient_quota": {
        "openai": (429, "insufficient_quota", "insufficient_quota"),
        "groq": (429, "insufficient_quota", "insufficient_quota"),
        "anthropic": (400, None, BAD),
        "gemini": (429, 429, "RESOURCE_EXHAUSTED"),
    },
    "500": {
        "openai": (500, None, "server_error"),
        "groq": (500, None, "internal_server_error"),
        "anthropic": (500, None, "api_error"),
        "gemini": (500, 500, "INTERNAL"),
    },
    "502": {"openai": (502, 502, "cf_bad_gateway")},
    "503": {
        "openai": (503, None, "server_error"),
        "groq": (503, None, "internal_server_error"),
        "anthropic": (503, None, "api_error"),
        "gemini": (503, 503, "UNAVAILABLE"),
    },
    "504": {
        "openai": (504, 504, "cf_gateway_timeout"),
        "anthropic": (504, None, "timeout_error"),
        "gemini": (504, 504, "DEADLINE_EXCEEDED"),
    },
    "529": {"openai": (529, None, "server_error"), "anthropic": (529, None, "overloaded_error"), "gemini": (529, 529, "UNAVAILABLE")},
}


@pytest.mark.parametrize(("fault", "kind"), [(fault, kind) for fault, kinds in REFUSALS.items() for kind in kinds])
@each_way
async def test_a_refusal_has_the_providers_status_and_error(fake: FakeProvider, fault: FaultName, kind: Kind, stream: bool) -> None:
    fake.will(fault)
    heard = await ask(fake, kind, PROMPT, stream=stream)
    assert (heard.status, *said(kind, heard.body)) == REFUSALS[fault][kind]
    assert (await ask(fake, kind, PROMPT, stream=stream)).text == WHOLE


@pytest.mark.parametrize(("fault", "kind"), [("502", "groq"), ("504", "groq"), ("502", "anthropic"), ("502", "gemini")])
async def test_a_proxys_refusal_is_a_page(fake: FakeProvider, fault: FaultName, kind: Kind) -> None:
    fake.will(fault)
    heard = await ask(fake, kind, PROMPT)
    assert (heard.status, heard.headers["content-type"], heard.raw[:6]) == (int(fault), "text/html", "<html>")


async def test_gemini_blocks_a_prompt_with_status_200(fake: FakeProvider) -> None:
    fake.will("content_policy")
    heard = await ask(fake, "gemini", PROMPT)
    assert (heard.status, heard.body["promptFeedback"]["blockReason"], heard.text) == (200, "PROHIBITED_CONTENT", "")


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (7, "7"),
        (0.5, "0.5"),
        (datetime(2026, 11, 21, 9, 0, tzinfo=UTC), "Sat, 21 Nov 2026 09:00:00 GMT"),
        ("soon", "soon"),
        (None, None),
    ],
)
async def test_a_refusal_says_when_to_come_back(fake: FakeProvider, given: float | str | datetime | None, sent: str | None) -> None:
    fake.will("429", retry_after=given)
    assert (await ask(fake, "openai", PROMPT)).headers.get("retry-after") == sent


async def test_gemini_says_when_to_come_back_in_its_body_too(fake: FakeProvider) -> None:
    fake.will("429", retry_after=7)
    heard = await ask(fake, "gemini", PROMPT)
    assert heard.body["error"]["details"][0]["retryDelay"] == "7s"


@each_kind
@each_way
async def test_reset_ends_the_connection_before_any_byte(fake: FakeProvider, kind: Kind, stream: bool) -> None:
    fake.will("reset")
    with pytest.raises(aiohttp.ClientOSError) as caught:
        await ask(fake, kind, PROMPT, stream=stream)
    assert caught.value.errno == errno.ECONNRESET


@each_kind
@each_way
async def test_close_ends_the_connection_before_any_byte(fake: FakeProvider, kind: Kind, stream: bool) -> None:
    fake.will("close")
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await ask(fake, kind, PROMPT, stream=stream)


@each_kind
@each_way
@pytest.mark.parametrize("fault", ["slow_headers", "silent", "comments_only", "stall"])
async def test_after_a_bounded_wait_the_answer_goes_on(fake: FakeProvider, fault: FaultName, kind: Kind, stream: bool) -> None:
    fake.will(fault, seconds=0.06, after_tokens=2)
    heard = await ask(fake, kind, PROMPT, stream=stream)
    assert (heard.text, heard.finish) == (WHOLE, STOP[kind])


@each_kind
@pytest.mark.parametrize(
    ("fault", "before"),
    [("silent", 0), ("comments_only", 0), ("stall", 2)],
)
async def test_an_endless_wait_ends_when_the_client_leaves(fake: FakeProvider, fault: FaultName, before: int, kind: Kind) -> None:
    fake.will(fault, after_tokens=2)
    asking = asyncio.create_task(ask(fake, kind, PROMPT, stream=True))
    async with patience():
        while not fake.asked or fake.asked[0].tokens_sent < before:
            await asyncio.sleep(0.005)
    await asyncio.sleep(0.1)
    assert not asking.done()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    async with patience():
        await fake.idle()
    asked = fake.asked[0]
    assert (asked.disconnected, asked.finished, asked.tokens_sent) == (True, False, before)


@pytest.mark.parametrize("fault", ["slow_headers", "silent", "comments_only", "stall"])
async def test_an_endless_wait_ends_when_the_server_stops(fault: FaultName) -> None:
    async with patience(), FakeProvider() as fake:
        fake.will(fault)
        asking = asyncio.create_task(ask(fake, "openai", PROMPT, stream=True))
        while not fake.asked:
            await asyncio.sleep(0.005)
        await fake.stop()
        with pytest.raises(aiohttp.ClientError):
            await asking
        assert not fake.asked[0].disconnected


@pytest.mark.parametrize(
    ("kind", "signs"),
    [
        ("openai", b": keep-alive\n\n"),
        ("groq", b": keep-alive\n\n"),
        ("anthropic", b'event: ping\ndata: {"type": "ping"}\n\n'),
        ("gemini", b": keep-alive\n\n"),
    ],
)
async def test_comments_only_sends_signs_of_life_and_no_token(fake: FakeProvider, kind: Kind, signs: bytes) -> None:
    fake.will("comments_only")
    got = b""
    async with aclosing(_chunks(fake, kind)) as chunks:
        async for chunk in chunks:
            got += chunk
            if len(got) >= 3 * len(signs):
                break
    assert got[: 3 * len(signs)] == 3 * signs


@each_kind
@each_way
@pytest.mark.parametrize("fault", ["cut", "short_body"])
async def test_a_body_can_end_too_early(fake: FakeProvider, fault: FaultName, kind: Kind, stream: bool) -> None:
    fake.will(fault, after_tokens=2)
    with pytest.raises(aiohttp.ClientPayloadError):
        await ask(fake, kind, PROMPT, stream=stream)
    await fake.idle()
    assert not fake.asked[0].disconnected


@each_kind
async def test_cut_lets_the_tokens_before_it_through(fake: FakeProvider, kind: Kind) -> None:
    fake.will("cut", after_tokens=2)
    got = b""
    with pytest.raises(aiohttp.ClientPayloadError):
        async for chunk in _chunks(fake, kind):
            got += chunk
    assert TOKENS[1] in got.decode()
    assert TOKENS[2].encode() + b'"' not in got
    assert fake.asked[0].tokens_sent == 2


async def test_reset_can_fall_within_a_stream(fake: FakeProvider) -> None:
    fake.will("reset", after_tokens=2)
    got = b""
    with pytest.raises(aiohttp.ClientError):
        async for chunk in _chunks(fake, "openai"):
            got += chunk
    assert TOKENS[1] in got.decode()


@each_kind
@each_way
async def test_eof_ends_without_a_finish(fake: FakeProvider, kind: Kind, stream: bool) -> None:
    fake.will("eof", after_tokens=2)
    heard = await ask(fake, kind, PROMPT, stream=stream)
    assert (heard.text, heard.finish) == (TWO, None)
    assert "[DONE]" not in heard.raw
    assert "message_stop" not in heard.raw


@pytest.mark.parametrize(
    ("kind", "type_"),
    [("openai", "server_error"), ("groq", "internal_server_error"), ("anthropic", "overloaded_error"), ("gemini", "UNAVAILABLE")],
)
async def test_an_error_can_come_within_a_stream(fake: FakeProvider, kind: Kind, type_: str) -> None:
    fake.will("error_in_stream", after_tokens=2)
    heard = await ask(fake, kind, PROMPT, stream=True)
    assert (heard.text, heard.finish, said(kind, heard.events[-1])[1]) == (TWO, None, type_)
    assert heard.names[-1:] == {"groq": ["error"], "anthropic": ["error"]}.get(kind, [])


@each_kind
async def test_a_body_can_be_malformed(fake: FakeProvider, kind: Kind) -> None:
    fake.will("malformed")
    with pytest.raises(json.JSONDecodeError):
        await ask(fake, kind, PROMPT)


@each_kind
async def test_an_event_can_be_malformed(fake: FakeProvider, kind: Kind) -> None:
    fake.will("malformed", after_tokens=2)
    heard = await ask(fake, kind, PROMPT, stream=True)
    assert [at for at, event in enumerate(heard.events) if "broken" in event] == [{"gemini": 2, "anthropic": 5}.get(kind, 3)]
    assert (heard.text, heard.finish) == (TWO + "".join(TOKENS[3:]), STOP[kind])


@each_kind
@each_way
async def test_an_answer_can_have_no_choice(fake: FakeProvider, kind: Kind, stream: bool) -> None:
    fake.will("empty_choices")
    heard = await ask(fake, kind, PROMPT, stream=stream)
    assert (heard.status, heard.text) == (200, "")
    for event in heard.events or [heard.body]:
        assert not event.get("choices")
        assert not event.get("content")
        assert not event.get("candidates")


@each_kind
async def test_a_stream_can_be_empty(fake: FakeProvider, kind: Kind) -> None:
    fake.will("empty_stream", times=2)
    heard = await ask(fake, kind, PROMPT, stream=True)
    ends = {"anthropic": 'event: message_stop\ndata: {"type":"message_stop"}\n\n', "gemini": ""}
    assert heard.raw == ends.get(kind, "data: [DONE]\n\n")
    assert (await ask(fake, kind, PROMPT)).raw == ""


@each_kind
@each_way
async def test_an_answer_can_lack_its_usage(fake: FakeProvider, kind: Kind, stream: bool) -> None:
    fake.will("no_usage")
    heard = await ask(fake, kind, PROMPT, stream=stream)
    assert (heard.text, heard.usage) == (WHOLE, None)
    assert "usage" not in heard.raw.lower().replace("usage_breakdown", "")


@each_kind
@each_way
async def test_an_answer_can_be_filtered(fake: FakeProvider, kind: Kind, stream: bool) -> None:
    fake.will("content_filter", after_tokens=2)
    heard = await ask(fake, kind, PROMPT, stream=stream)
    assert (heard.text, heard.finish) == (TWO, FILTERED[kind])


@each_kind
@each_way
async def test_an_answer_can_be_empty_and_finish(fake: FakeProvider, kind: Kind, stream: bool) -> None:
    fake.will("empty_answer")
    heard = await ask(fake, kind, PROMPT, stream=stream)
    assert (heard.text, heard.finish) == ("", STOP[kind])


@each_kind
async def test_a_finish_can_be_blank_until_it_comes(fake: FakeProvider, kind: Kind) -> None:
    fake.will("blank_finish")
    heard = await ask(fake, kind, PROMPT, stream=True)
    assert (heard.text, heard.finish) == (WHOLE, STOP[kind])
    assert '_reason":null' not in heard.raw
    assert ('_reason":""' in heard.raw) == (kind != "gemini")


@each_kind
@each_way
@pytest.mark.parametrize(("fault", "halves"), [("split_character", " \ud83e\udd9c"), ("half_character", " \ud83e")])
async def test_a_character_can_be_cut(fake: FakeProvider, kind: Kind, stream: bool, fault: FaultName, halves: str) -> None:
    fake.will(fault, after_tokens=2)
    heard = await ask(fake, kind, PROMPT, stream=stream)
    assert json.dumps(halves)[1:7] in json.dumps(heard.text)
    assert heard.text.encode("utf-16", "surrogatepass") == (TWO + halves + "".join(TOKENS[2:])).encode("utf-16", "surrogatepass")


@each_kind
async def test_a_stream_can_be_answered_whole(fake: FakeProvider, kind: Kind) -> None:
    fake.will("unstreamed")
    heard = await ask(fake, kind, PROMPT, stream=True)
    assert (heard.headers["content-type"], heard.text, heard.finish) == ("application/json", WHOLE, STOP[kind])


@each_kind
@each_way
async def test_a_page_can_come_with_status_200(fake: FakeProvider, kind: Kind, stream: bool) -> None:
    fake.will("html")
    heard = await ask(fake, kind, PROMPT, stream=stream)
    assert (heard.status, heard.headers["content-type"], heard.raw[:6]) == (200, "text/html", "<html>")


@each_kind
@each_way
async def test_an_error_can_come_with_status_200(fake: FakeProvider, kind: Kind, stream: bool) -> None:
    fake.will("error_200")
    heard = await ask(fake, kind, PROMPT, stream=stream)
    assert (heard.status, "error" in heard.body) == (200, True)


@each_kind
@each_way
async def test_another_model_can_answer(fake: FakeProvider, kind: Kind, stream: bool) -> None:
    fake.will("wrong_model")
    heard = await ask(fake, kind, PROMPT, stream=stream)
    assert (heard.text, heard.model) == (WHOLE, "another-model")


async def test_close_idle_answers_and_then_closes_the_connection(fake: FakeProvider) -> None:
    async with aiohttp.ClientSession() as session:
        await ask(fake, "openai", PROMPT, session=session)
        fake.will("close_idle", seconds=0)
        assert (await ask(fake, "openai", PROMPT, session=session)).text == WHOLE
        for _ in range(10):  # turns of the loop, not only time: the client must read that it was closed
            await asyncio.sleep(0.02)
        await ask(fake, "openai", PROMPT, session=session)
    first, second, third = (asked.peer for asked in fake.asked)
    assert first == second != third


def test_every_fault_has_a_test() -> None:
    source = Path(__file__).read_text()
    assert [name for name in NAMES if f'"{name}"' not in source] == []


async def _chunks(fake: FakeProvider, kind: Kind) -> AsyncGenerator[bytes]:
    path, body = request(kind, PROMPT, stream=True, said=None, limit=100, tool=None, model=MODEL)
    async with aiohttp.ClientSession() as session, session.post(fake.url + path, json=body) as reply:
        async for chunk in reply.content.iter_any():
            yield chunk

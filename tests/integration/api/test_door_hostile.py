"""Providers that lie, over real HTTP and a real ledger: whatever they make or report, spent + held never passes a limit."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.settings import TimeoutSettings
from app.tokens import count_text
from tests.fakes import hostile
from tests.fakes.hostile import ENDLESS, HostileProvider, Lie
from tests.integration.api.conftest import Api
from tests.integration.api.door import QUICK, Door, open_door
from tests.integration.budget.conftest import RECOUNT
from tests.waiting import patience

SHORT = TimeoutSettings(connect=5, first_token=1, idle=0.3, answer=1, total=20)
KINDS = ("openai", "anthropic", "gemini")
CLAIMS = st.sampled_from([0, 1, 7, 60, 500, 5_000, 10**6, 10**12, 2**62])

LIES = st.builds(
    Lie,
    says=st.sampled_from(["text", "tool", "thought", "both choices", "new choices", "empty calls"]),
    piece=st.sampled_from([" word", "x" * 3_000, "漢字" * 40, '{"a":', "9", "\n\n"]),
    pieces=st.sampled_from([0, 1, 5, 60, 2_000, ENDLESS]),
    usage=st.none() | st.tuples(CLAIMS, CLAIMS),
    every=st.booleans(),
    finish=st.booleans(),
    silent_after=st.none() | st.integers(0, 30),
    late=st.sampled_from([0.0, 0.05]),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(lie=LIES, kind=st.sampled_from(KINDS), stream=st.booleans(), most=st.sampled_from([1, 40, 300]), calls=st.integers(1, 3))
async def test_whatever_a_provider_says_no_limit_is_passed_and_every_hold_ends_once(
    api: Api, lie: Lie, kind: str, stream: bool, most: int, calls: int
) -> None:
    async with (
        HostileProvider(lie) as liar,
        open_door(api, hostile={"liar": liar}, kinds={"liar": kind}, timeouts=SHORT, limit_usd=0.001, retries=0) as door,
    ):
        replies = await asyncio.gather(*(door.chat(stream=stream, max_tokens=most, n=None) for _ in range(calls)))
        assert {reply.status for reply in replies} <= {200, 402, 429, 502, 503, 504}, [reply.text[:300] for reply in replies]
        await within_limits(door)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("says", ["text", "tool"])
async def test_an_endless_stream_is_ended_where_it_passes_what_was_held(api: Api, kind: str, says: Any) -> None:
    if (kind, says) == ("gemini", "tool"):
        pytest.skip("Gemini sends a call's arguments in one piece")
    liar = HostileProvider(Lie(says=says, piece=" word" if says == "text" else ' "word",', pieces=ENDLESS))
    async with liar, open_door(api, hostile={"liar": liar}, kinds={"liar": kind}, retries=0) as door:
        _, events = await door.events(max_tokens=100, stream_options={"include_usage": True})
        assert events[-1] == "[DONE]"
        assert finish_of(events) == ["length"]
        assert 60 <= len(said_in(events).split()) <= 400
        assert await door.holds() == [("liar", "settled", "disputed")]
        await within_limits(door)
        usage = [event["usage"] for event in events[:-1] if event.get("usage")]
        assert [each["completion_tokens"] for each in usage] == [100]
        async with patience():
            while not liar.left:
                await asyncio.sleep(0.01)


@pytest.mark.parametrize("pieces", [0, 3])
@pytest.mark.parametrize("stream", [True, False])
async def test_a_call_that_gemini_withholds_is_no_answer_and_is_paid_as_reported(api: Api, pieces: int, stream: bool) -> None:
    liar = HostileProvider(Lie(pieces=pieces, usage=(4, 42), withheld=True))
    async with liar, open_door(api, hostile={"liar": liar}, kinds={"liar": "gemini"}, retries=0) as door:
        reply = await door.chat(max_tokens=100, stream=stream)
        assert "MALFORMED_FUNCTION_CALL" in reply.text
        assert '"finish_reason":"stop"' not in reply.text
        assert await door.holds() == [("liar", "settled", "usage")]
        await within_limits(door)


async def test_all_that_is_shown_counts_thoughts_and_every_choice(api: Api) -> None:
    for says, most in (("thought", 100), ("both choices", 100)):
        liar = HostileProvider(Lie(says=says, pieces=ENDLESS))  # type: ignore[arg-type]
        async with liar, open_door(api, hostile={"liar": liar}, retries=0) as door:
            _, events = await door.events(max_tokens=most, n=2 if says == "both choices" else None)
            assert finish_of(events) == ["length"] * (2 if says == "both choices" else 1)
            assert await door.holds() == [("liar", "settled", "disputed")]


@pytest.mark.parametrize(("says", "most"), [("new choices", 3), ("empty calls", 150)])
async def test_choices_and_calls_that_nobody_asked_for_are_ended_too(api: Api, says: Any, most: int) -> None:
    liar = HostileProvider(Lie(says=says, piece="a", pieces=ENDLESS))
    async with liar, open_door(api, hostile={"liar": liar}, retries=0) as door:
        _, events = await door.events(max_tokens=100)
        assert (finish_of(events), len(events) <= most) == (["length"], True)
        assert await door.holds() == [("liar", "settled", "disputed")]


async def test_a_whole_answer_far_too_large_is_not_read_to_its_end(api: Api) -> None:
    liar = HostileProvider(Lie(piece="word " * 1_000, pieces=20_000))
    async with liar, open_door(api, hostile={"liar": liar}, retries=0, provider={"streams": False}) as door:
        reply = await door.chat(max_tokens=100)
        assert (reply.status, "its answer is larger than" in reply.error["message"]) == (502, True)
        assert await door.holds() == [("liar", "unreconciled", None)]
        await within_limits(door)


async def test_one_huge_piece_is_cut_to_what_fits(api: Api) -> None:
    liar = HostileProvider(Lie(piece="word " * 100_000, pieces=1))
    async with liar, open_door(api, hostile={"liar": liar}, retries=0) as door:
        _, events = await door.events(max_tokens=50)
        assert finish_of(events) == ["length"]
        assert 50 <= count_text(said_in(events)) <= 80


@pytest.mark.parametrize("kind", KINDS)
async def test_a_whole_answer_that_is_too_long_is_cut_and_charged_at_its_hold(api: Api, kind: str) -> None:
    liar = HostileProvider(Lie(pieces=5_000, usage=(5, 5_000)))
    async with liar, open_door(api, hostile={"liar": liar}, kinds={"liar": kind}, retries=0) as door:
        reply = await door.chat(max_tokens=60)
        choice = reply.json["choices"][0]
        assert choice["finish_reason"] == "length"
        assert 60 <= len(choice["message"]["content"].split()) <= 90
        assert reply.json["usage"]["completion_tokens"] == 60
        assert await door.holds() == [("liar", "settled", "disputed")]
        await within_limits(door)


@pytest.mark.parametrize(("given_tokens", "made_tokens"), [(3, 10**12), (10**12, 3), (3, 5_000), (90_000, 3)])
@pytest.mark.parametrize("stream", [True, False])
async def test_a_usage_that_cannot_be_true_is_disputed(api: Api, given_tokens: int, made_tokens: int, stream: bool) -> None:
    liar = HostileProvider(Lie(pieces=5, usage=(given_tokens, made_tokens)))
    async with liar, open_door(api, hostile={"liar": liar}, retries=0) as door:
        if stream:
            _, events = await door.events(max_tokens=100, stream_options={"include_usage": True})
            usage, words = events[-2]["usage"], said_in(events)
        else:
            reply = await door.chat(max_tokens=100)
            usage, words = reply.json["usage"], reply.json["choices"][0]["message"]["content"]
        assert words.split() == ["word"] * 5
        assert (usage["completion_tokens"], usage["total_tokens"] < 1_000) == (100, True)
        assert await door.holds() == [("liar", "settled", "disputed")]
        (held, charged, note), *_ = await movements(door)
        assert held == charged
        assert "reported" in note
        await within_limits(door)


async def test_an_embedding_whose_usage_cannot_be_true_is_disputed(api: Api) -> None:
    liar = HostileProvider(Lie(usage=(10**12, 0)))
    async with liar, open_door(api, hostile={"liar": liar}, provider={"embedding_model": "vectors"}, retries=0) as door:
        reply = await api.ask("POST", "/v1/embeddings", key=door.key, json={"model": "vectors", "input": ["one", "two words"]})
        assert reply.status == 200, reply.text
        assert reply.json["usage"]["total_tokens"] < 100
        assert await door.holds() == [("liar", "settled", "disputed")]


async def test_a_usage_a_little_above_the_hold_is_charged_at_the_hold(api: Api) -> None:
    liar = HostileProvider(Lie(pieces=5, usage=(500, 110)))
    async with liar, open_door(api, hostile={"liar": liar}, retries=0) as door:
        await door.chat(max_tokens=100)
        assert await door.holds() == [("liar", "settled", "overrun")]
        (held, charged, _), *_ = await movements(door)
        assert held == charged
        await within_limits(door)


async def test_the_third_answer_that_cannot_be_true_opens_the_breaker_and_is_counted(api: Api) -> None:
    liar = HostileProvider(Lie(usage=(1, 10**9)))
    async with liar, open_door(api, hostile={"liar": liar}, retries=0) as door:
        for number in range(3):
            assert door.breaker("liar").state == "closed"
            assert (await door.chat(f"question {number}")).status == 200
        assert door.breaker("liar").state == "open"
        assert (await door.chat("another")).status == 502
        page = (await api.ask("GET", "/metrics")).text
        counted = [line for line in page.splitlines() if line.startswith("cairn_provider_disputes") and 'provider="liar"' in line]
        assert any('kind="usage"' in line for line in counted)


async def test_a_caller_who_leaves_a_tool_call_pays_for_its_arguments_and_not_for_the_json_around_them(api: Api) -> None:
    liar = HostileProvider(Lie(says="tool", piece='"word",', pieces=40, silent_after=39))
    async with liar, open_door(api, hostile={"liar": liar}, retries=0, timeouts=QUICK) as door:
        await door.events(max_tokens=2_000)
        assert await door.holds() == [("liar", "settled", "partial")]
        produced = (await tokens_charged(door))[1]
        words = count_text('f"word",' * 40)
        assert words * 0.5 <= produced <= words * 1.2


async def test_a_whole_answer_without_usage_carries_our_count(api: Api) -> None:
    liar = HostileProvider(Lie(pieces=20))
    async with liar, open_door(api, hostile={"liar": liar}, retries=0) as door:
        reply = await door.chat(max_tokens=100)
        usage = reply.json["usage"]
        assert usage["completion_tokens"] == 20
        assert usage["total_tokens"] == usage["prompt_tokens"] + 20
        assert await door.holds() == [("liar", "settled", "counted")]


async def test_usage_in_every_chunk_is_told_once_and_only_where_it_was_asked_for(api: Api) -> None:
    liar = HostileProvider(Lie(pieces=8, usage=(9, 8), every=True))
    async with liar, open_door(api, hostile={"liar": liar}, retries=0) as door:
        _, asked = await door.events(max_tokens=100, stream_options={"include_usage": True})
        _, unasked = await door.events(max_tokens=100)
        assert [event["usage"]["completion_tokens"] for event in asked[:-1] if event.get("usage")] == [8]
        assert not [event for event in unasked[:-1] if "usage" in event]


def said_in(events: list[Any]) -> str:
    """Everything that the deltas of a stream say, arguments and thoughts too."""
    found = []
    for event in events:
        for choice in event["choices"] if isinstance(event, dict) else ():
            delta = choice["delta"]
            calls = (call["function"].get("arguments") or "" for call in delta.get("tool_calls") or ())
            found.append("".join((delta.get("content") or "", delta.get("reasoning_content") or "", *calls)))
    return "".join(found)


def finish_of(events: list[Any]) -> list[str]:
    """The reasons why a stream's choices ended."""
    choices = (choice for event in events if isinstance(event, dict) for choice in event["choices"])
    return [choice["finish_reason"] for choice in choices if choice["finish_reason"]]


async def movements(door: Door) -> list[tuple[int, int, str]]:
    """(held, charged, note) of a developer's charges."""
    query = text(
        "select m.held_nanousd, m.nanousd, m.note from budget_movements m join developers d on d.id = m.developer_id"
        " where d.name = :name and m.hold_id is not null order by m.id"
    )
    async with door.api.services.database.begin() as connection:
        return [tuple(row) for row in await connection.execute(query, {"name": door.developer})]  # type: ignore[misc]


async def tokens_charged(door: Door) -> tuple[int, int]:
    query = text(
        "select m.input_tokens, m.output_tokens from budget_movements m join developers d on d.id = m.developer_id where d.name = :name"
        " and m.hold_id is not null"
    )
    async with door.api.services.database.begin() as connection:
        row = (await connection.execute(query, {"name": door.developer})).one()
    return row[0], row[1]


async def within_limits(door: Door) -> None:
    """Every hold has ended once, at no more than was held; the limit wasn't passed; the balances are what the rows add up to."""
    await door.engine._meter.close()
    query = text(
        "select h.state, h.nanousd, (select count(*) from budget_movements m where m.hold_id = h.id),"
        " (select coalesce(sum(m.nanousd), 0) from budget_movements m where m.hold_id = h.id)"
        " from budget_holds h join developers d on d.id = h.developer_id where d.name = :name"
    )
    balance = text(
        "select b.spent_nanousd, b.held_nanousd, b.limit_nanousd from budget_balances b join developers d on d.id = b.subject_id"
        " where d.name = :name"
    )
    async with door.api.services.database.begin() as connection:
        holds = (await connection.execute(query, {"name": door.developer})).all()
        rows = (await connection.execute(balance, {"name": door.developer})).all()
        wrong = (await connection.execute(text(RECOUNT))).all()
    assert not wrong, wrong
    for state, held, ends, charged in holds:
        assert state in {"settled", "released", "unreconciled"}, json.dumps([list(map(str, row)) for row in holds])
        assert ends == (0 if state == "released" else 1)
        assert 0 <= charged <= held
    for spent, held, limit in rows:
        assert held == 0
        assert spent <= limit


async def test_who_leaves_while_an_answer_is_cut_leaves_no_hold_open(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    counting, go_on = threading.Event(), threading.Event()

    def slowly(raw: bytes, cut: Any) -> bytes:
        counting.set()
        go_on.wait(30)
        return raw

    monkeypatch.setattr("app.inference.answers.shortened", slowly)
    liar = HostileProvider(Lie(pieces=5_000))
    async with liar, open_door(api, hostile={"liar": liar}, retries=0) as door:
        asking = asyncio.create_task(door.chat(max_tokens=60))
        await asyncio.to_thread(counting.wait, 30)
        asking.cancel()
        await asyncio.wait([asking])
        go_on.set()
        async with patience():
            while any(state == "held" for _, state, _ in await door.holds()):
                await asyncio.sleep(0.01)
        await within_limits(door)


@pytest.mark.parametrize("number", ["1e400", "-1e999"])
async def test_a_number_that_json_cannot_tell_is_no_answer(api: Api, monkeypatch: pytest.MonkeyPatch, number: str) -> None:
    liar = HostileProvider(Lie(pieces=3))
    real = hostile._json
    monkeypatch.setattr(hostile, "_json", lambda content: _with_number(real(content), number))
    async with liar, open_door(api, hostile={"liar": liar}, retries=0, provider={"streams": False}) as door:
        reply = await door.chat(max_tokens=60)
        assert (reply.status, reply.error["code"]) == (502, "all_providers_failed")
        await within_limits(door)


def _with_number(reply: web.Response, number: str) -> web.Response:
    assert isinstance(reply.body, bytes)
    return web.Response(body=reply.body[:-1] + b',"x":' + number.encode() + b"}", content_type="application/json")

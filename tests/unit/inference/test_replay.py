"""Recorded streams, cut at every byte, come out event for event; and what a caller of the same dialect reads is what the provider said."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
import pytest

from app.budget.prices import TokenUsage
from app.inference.answer_assembly import AnswerAssembly
from app.inference.answer_events import AnswerEvent, UsageReported, events_of
from app.inference.answers import Chunk
from app.inference.conversation import Opaque, Text, Thinking, ToolInvocation
from app.inference.dialects.messages import MESSAGES
from app.inference.piece_reading import PieceReader
from app.inference.provider_errors import ProviderError
from app.inference.wires.dialect_wire import read_events
from app.inference.wires.typed_chunks import TypedChunks
from tests.unit.inference.dialects.assembled import assembled
from tests.unit.inference.replays import CITATION, FOUND, PING, STREAMS, raw

WHOLE = [name for name in STREAMS if name not in {"an error", "cut off"}]


async def pieces(*given: bytes) -> AsyncIterator[bytes]:
    for each in given:
        yield each


async def replay(*given: bytes) -> list[AnswerEvent | str]:
    """Return the events that pieces of a stream tell, and how it failed if it did."""
    found: list[AnswerEvent | str] = []
    try:
        async for events, _ in read_events(pieces(*given), MESSAGES.event_reader()):
            found += events
    except ProviderError as fault:
        found.append(f"{fault.kind}: {fault.message}")
    return found


def chunks(name: str) -> list[Chunk]:
    made, reader, found = TypedChunks("asked"), MESSAGES.event_reader(), list[Chunk]()
    for each in STREAMS[name]:
        found += made.feed(reader.feed(each), 100)
    return [*found, *made.feed(reader.end(), 0), *made.end()]


def typed(found: Sequence[Chunk]) -> list[AnswerEvent]:
    reader = PieceReader()
    return [event for chunk in found for event in reader.typed(chunk.events or ())] + list(reader.end())


@pytest.mark.parametrize("line", [b"\n", b"\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_cut_at_any_byte_comes_out_event_for_event(name: str, line: bytes) -> None:
    stream = raw(STREAMS[name], line=line)

    async def play() -> None:
        expected = await replay(stream)
        assert len(expected) > 2
        for cut in range(1, len(stream)):
            assert await replay(stream[:cut], stream[cut:]) == expected, cut
        assert await replay(*(stream[at : at + 1] for at in range(len(stream)))) == expected

    asyncio.run(play())


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_that_ends_anywhere_is_whole_or_cut(name: str) -> None:
    events = STREAMS[name]
    for count in range(len(events) + 1):
        found = asyncio.run(replay(raw(events[:count])))
        told = any(each["type"] == "message_delta" for each in events[:count])
        failed = isinstance(found[-1], str)
        assert failed is not told
        assert not failed or str(found[-1]).startswith(("cut: ", "server_error: "))


@pytest.mark.parametrize("name", WHOLE)
def test_a_caller_of_the_same_dialect_reads_what_the_provider_said(name: str) -> None:
    writer = MESSAGES.event_writer(input_tokens=25)
    told = b"".join(part for event in typed(chunks(name)) for part in writer.feed(event)) + b"".join(
        writer.end(TokenUsage(25, 15), extra={})
    )
    found = [msgspec.json.decode(line[6:]) for line in told.split(b"\n") if line.startswith(b"data: ")]
    expected = [each for each in STREAMS[name] if each != PING and each["type"] != "of_tomorrow"]
    assert [each["type"] for each in found if not blank(each)] == [each["type"] for each in expected if not blank(each)]
    assert content(found) == content(expected)
    assert found[-2]["delta"] == expected[-2]["delta"]


def blank(event: dict[str, Any]) -> bool:
    """Tell whether an event is a piece without anything in it, or of a call's input, which may come in other pieces."""
    return event["type"] == "content_block_delta" and event["delta"]["type"] == "input_json_delta"


def content(events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Put a stream's blocks together as a client does."""
    blocks: dict[int, dict[str, Any]] = {}
    for event in events:
        if event["type"] == "content_block_start":
            blocks[event["index"]] = {"json": "", **event["content_block"]}
        elif event["type"] == "content_block_delta":
            made, delta = blocks[event["index"]], event["delta"]
            if "citation" in delta:
                made["citations"] = [*(made.get("citations") or ()), delta["citation"]]
            for name, target in (("text", "text"), ("thinking", "thinking"), ("signature", "signature"), ("partial_json", "json")):
                made[target] = made.get(target, "") + delta.get(name, "") if name in delta else made.get(target, "")
    return [
        {name: value for name, value in each.items() if value and name != "json"} | {"json": msgspec.json.decode(each["json"] or "{}")}
        for each in blocks.values()
    ]


@pytest.mark.parametrize("name", WHOLE)
def test_the_chunks_tell_the_same_answer_typed_and_as_events_of_a_whole_one(name: str) -> None:
    found = chunks(name)
    whole = assembled_typed(found)
    assert [chunk.usage for chunk in found[:-1]] == [None] * (len(found) - 1)
    assert found[-1].usage is not None
    assert (
        assembled([each for each in events_of(whole) if not isinstance(each, UsageReported)]).choices[0].reason == whole.choices[0].reason
    )
    again = AnswerAssembly()
    again.add(events_of(whole))
    assert again.answer() == whole


def assembled_typed(found: Sequence[Chunk]) -> Any:
    made = AnswerAssembly()
    made.add(typed(found))
    return made.answer()


def test_blocks_of_its_own_citations_signatures_and_order_are_kept() -> None:
    parts = assembled_typed(chunks("web search")).choices[0].parts
    assert [type(part) for part in parts] == [Text, Opaque, Opaque, Text]
    assert (parts[1].data["input"], parts[2].data) == ({"query": "shannon"}, FOUND)
    assert parts[3] == Text("1916", citations=(Opaque("messages", CITATION["type"], CITATION),))
    thought, said = assembled_typed(chunks("thinking")).choices[0].parts
    assert (thought.text, thought.signature[:4], said) == ("27 * 453 = 12,231", "EqQB", Text("12,231"))
    assert assembled_typed(chunks("redacted thinking")).choices[0].parts[0] == Thinking("", sealed="EmwKAhgBEgy3va3pzix")
    assert [part.arguments for part in assembled_typed(chunks("parallel tools")).choices[0].parts] == ['{"a": 1}', "{}", "{}"]
    assert isinstance(assembled_typed(chunks("a tool")).choices[0].parts[1], ToolInvocation)


def test_a_part_that_chat_completions_doesnt_know_was_said_and_cant_be_spliced() -> None:
    found = [chunk for chunk in chunks("web search") if not chunk.raw]
    assert [(chunk.has_output, chunk.plain, chunk.more_bytes) for chunk in found] == [(True, False, 100)] * 2
    assert "shannon" in found[0].text


def test_the_end_of_a_call_is_told_at_once() -> None:
    """A caller may run its tool while the model goes on."""
    found = chunks("parallel tools")
    assert [chunk.raw for chunk in found].count(b"") == 3


def test_usage_is_the_largest_of_its_parts() -> None:
    assert chunks("usage in parts")[-1].usage == TokenUsage(3225, 15, cached_input=3000, cache_write=200)

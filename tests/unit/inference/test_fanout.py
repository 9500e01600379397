"""A stream read by many: everyone reads the same words, whoever is slow; and only so much is kept as it came."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.inference import fanout as module
from app.inference.answer_events import AnswerEvent, AnswerStarted, ChoiceEnded, PartEnded, PartStarted, TextDelta
from app.inference.cached_answer import text_chunk
from app.inference.conversation import Text
from app.inference.fanout import Fanout, ReaderPosition
from app.inference.piece_reading import PieceReader
from app.inference.stream import BrokenStream, StreamPiece
from tests.unit.inference.dialects.assembled import assembled
from tests.waiting import patience

HEAD = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}


def piece(text: str, *, plain: bool = True) -> StreamPiece:
    """Not plain: the text stands in a field of its own."""
    if plain:
        return StreamPiece(text_chunk(HEAD, text, first=False), text)
    return StreamPiece(msgspec.json.encode({**HEAD, "choices": [{"index": 0, "delta": {"reasoning": text}, "finish_reason": None}]}), None)


def words(pieces: list[StreamPiece]) -> str:
    deltas: list[dict[str, Any]] = [msgspec.json.decode(each.raw)["choices"][0]["delta"] for each in pieces]
    return "".join(each.get("reasoning") or each.get("content") or "" for each in deltas)


def new(*, paced: bool = True) -> Fanout:
    return Fanout(lambda: HEAD, unpaced=lambda: not paced)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("say"), st.text(max_size=40), st.booleans()),
        st.tuples(st.just("read"), st.integers(0, 3), st.integers(1, 5)),
        st.tuples(st.just("join"), st.just(0), st.just(0)),
    ),
    max_size=120,
)


@given(STEPS)
def test_every_reader_reads_the_same_words_or_hears_that_it_was_too_slow(steps: list[Any]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "RAW_WINDOW_BYTES", 300)
        patch.setattr(module, "STRUCTURED_WINDOW_BYTES", 900)
        patch.setattr(module, "MAX_COMPACTED_CHARS", 30)
        asyncio.run(_play(steps))


async def _play(steps: list[Any]) -> None:
    fanout, spoken = new(), ""
    assert fanout.leader is not None
    leader: list[StreamPiece] = []
    readers: list[tuple[ReaderPosition, list[StreamPiece]]] = []
    lost: set[int] = set()
    for kind, first, second in steps:
        if kind == "say":
            spoken += first
            await fanout.add(piece(first, plain=second))
            while fanout.leader.at < len(fanout._log):  # it keeps up
                leader.append(fanout._next(fanout.leader))
        elif kind == "join" and fanout.whole and len(readers) < 4:
            readers.append((ReaderPosition(), []))
        elif kind == "read" and first < len(readers):
            _read(fanout, readers, first, second, lost)
    fanout.end()
    assert words(leader) == spoken
    for number, (_, events) in enumerate(readers):
        _read(fanout, readers, number, 10_000, lost)
        assert spoken.startswith(words(events))
        assert number in lost or words(events) == spoken
    assert not lost or not fanout.whole


def _read(fanout: Fanout, readers: list[tuple[ReaderPosition, list[StreamPiece]]], number: int, most: int, lost: set[int]) -> None:
    place, events = readers[number]
    for _ in range(most):
        if number in lost or place.at == len(fanout._log):
            return
        try:
            events.append(fanout._next(place))
        except BrokenStream:
            lost.add(number)


@given(st.lists(st.text(max_size=20), max_size=200))
def test_where_there_is_only_text_nobody_is_ever_too_slow_and_little_is_kept_as_it_came(texts: list[str]) -> None:
    async def play() -> None:
        fanout = new(paced=False)
        for each in texts:
            await fanout.add(piece(each))
            assert fanout._bytes <= 300
        fanout.end()
        for _ in range(2):
            assert words([event async for event in fanout.read(ReaderPosition())]) == "".join(texts)
        assert fanout.whole

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "RAW_WINDOW_BYTES", 300)
        asyncio.run(play())


async def test_who_keeps_up_gets_the_providers_own_bytes() -> None:
    fanout = new()
    place = fanout.leader or ReaderPosition()
    came = []
    for number in range(2000):
        each = piece(f"word {number} ")
        await fanout.add(each)
        came.append(fanout._next(place) is each)
    assert all(came)


async def test_the_leader_is_waited_for_where_it_would_lose_something_and_no_longer_than_it_is_there(monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "STRUCTURED_WINDOW_BYTES", 500)
    fanout = new(paced=False)

    async def say() -> None:
        for _ in range(50):
            await fanout.add(piece("thinking", plain=False))

    saying = asyncio.create_task(say())
    reader = fanout.read(fanout.leader or ReaderPosition())
    for _ in range(10):
        assert words([await anext(reader)]) == "thinking"
    assert not saying.done()
    fanout.detach_leader()
    async with patience():
        await saying
    await reader.aclose()


async def test_an_error_comes_after_what_was_said() -> None:
    fanout, events = new(), []
    await fanout.add(piece("so far"))
    fanout.end(BrokenStream("It broke."))
    with pytest.raises(BrokenStream, match="It broke"):
        async for event in fanout.read(ReaderPosition()):
            events.append(event)
    assert words(events) == "so far"


async def test_the_provider_is_read_no_further_than_a_bounded_piece_ahead_of_the_fastest_reader(monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "MAX_AHEAD_BYTES", 3_000)
    fanout, each, said_so_far = new(), piece("a word "), 0
    ahead = 3_000 // len(each.raw) + 1

    async def say() -> None:
        nonlocal said_so_far
        for said_so_far in range(1, 1001):  # noqa: B007 - how far it came
            await fanout.add(each)

    saying = asyncio.create_task(say())
    await _settled()
    assert said_so_far == ahead  # nobody has begun to read
    slow, fast = fanout.read(fanout.leader or ReaderPosition()), fanout.read(ReaderPosition())
    await anext(slow)
    for _ in range(20):
        await anext(fast)
    await _settled()
    assert said_so_far == ahead + 20
    await fast.aclose()
    for _ in range(50):
        await anext(slow)
    await _settled()
    assert said_so_far == ahead + 51
    saying.cancel()
    await slow.aclose()


async def test_who_waits_for_the_whole_answer_has_it_read_as_fast_as_it_comes(monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "MAX_AHEAD_BYTES", 1_000)
    waiting = False
    fanout = Fanout(lambda: HEAD, unpaced=lambda: waiting)

    async def say() -> None:
        for _ in range(500):
            await fanout.add(piece("a word "))

    saying = asyncio.create_task(say())
    await _settled()
    assert not saying.done()
    waiting = True
    fanout.recheck_backpressure()
    async with patience():
        await saying


async def _settled() -> None:
    """Let every task run until it waits for another."""
    for _ in range(2_000):
        await asyncio.sleep(0)


async def test_typed_events_reach_every_reader_while_they_are_kept_and_the_text_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RAW_WINDOW_BYTES", 300)
    fanout = new(paced=False)
    await fanout.add(StreamPiece(b"", "", (AnswerStarted("1", "m"), PartStarted(0, "text"))))
    for number in range(10):
        said = f"word {number} "
        await fanout.add(piece(said)._replace(events=(TextDelta(0, said),)))
    await fanout.add(StreamPiece(b"", "", (PartEnded(0), ChoiceEnded("stop_sequence", stop_sequence="END"))))
    fanout.end()
    reader, found = PieceReader(), list[AnswerEvent]()
    async for each in fanout.read(ReaderPosition()):
        found += reader.plain(msgspec.json.decode(each.raw)) if each.events is None else reader.typed(each.events)
    whole = assembled([*found, *reader.end()])
    assert whole.choices[0].parts == (Text("".join(f"word {number} " for number in range(10))),)
    assert whole.choices[0].stop_sequence == "END"

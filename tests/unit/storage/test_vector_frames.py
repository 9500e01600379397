"""The wire's frames, without a socket: whole, cut anywhere, announced too large."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InvalidInput
from app.storage.vectors import frames
from app.storage.vectors.frames import EngineRequest, ProtocolViolation, SparseParts, VectorQuery, WirePeriod


async def read_all(data: bytes) -> list[bytes]:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    found = []
    while (each := await frames.read(reader)) is not None:
        found.append(each)
    return found


WORDS = SparseParts([1, 2**32 - 1], [0.5, 1.5])


@pytest.mark.parametrize(
    "ask",
    [
        VectorQuery(b"\0" * 8, "dense_384", None, {"team": ["a", "é"]}, 5, 0.5, True),
        VectorQuery(b"\0" * 8, "dense_384", WORDS, {}, 5, None, True, 64, WirePeriod("at", None, "2026-01-01T00:00:00+00:00")),
        VectorQuery(None, "bm25", WORDS, {"team": ["a"]}, 5, None, False, within=WirePeriod("at", "…", None), corpus={"team": ["a"]}),
    ],
)
def test_what_was_packed_is_read_again(ask: VectorQuery) -> None:
    frame = frames.pack(EngineRequest(7, "search", frames.raw(ask)))
    (data,) = asyncio.run(read_all(frame))
    request = msgspec.msgpack.decode(data, type=EngineRequest)
    assert (request.number, request.method) == (7, "search")
    assert msgspec.msgpack.decode(request.body, type=VectorQuery) == ask


@given(st.integers(0, 60))
def test_a_stream_cut_anywhere_ends_after_its_last_whole_frame(cut: int) -> None:
    frame = frames.pack(EngineRequest(1, "status", frames.raw(None)))
    data = frame * 3
    assert len(asyncio.run(read_all(data[:cut]))) == min(cut, len(data)) // len(frame)


def test_a_frame_announced_too_large_is_not_waited_for() -> None:
    with pytest.raises(ProtocolViolation, match="at most"):
        asyncio.run(read_all(b"\xff\xff\xff\xff"))


def test_a_message_too_large_is_refused_before_it_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "MAX_BYTES", 100)
    with pytest.raises(InvalidInput, match="fewer or shorter"):
        frames.pack(EngineRequest(1, "upsert", frames.raw("x" * 200)))

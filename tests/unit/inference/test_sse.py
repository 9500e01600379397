"""Server-sent events, however their bytes were cut on the way."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.inference.provider_errors import ProviderError
from app.inference.wires import sse
from app.inference.wires.sse import Events

LINE = st.binary(max_size=12).filter(lambda line: b"\n" not in line and b"\r" not in line)
EVENT = st.lists(LINE, min_size=1, max_size=3)
NOISE = st.sampled_from([b": keep-alive", b"event: ping", b"id: 7", b"retry: 100", b"data", b"datax: 1", b"\xff"])


def read(pieces: list[bytes]) -> list[bytes]:
    events = Events()
    return [data for piece in pieces for data in events.feed(piece)] + list(events.end())


def cut(content: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(content) + 1) for place in places), len(content)]
    return [content[start:end] for start, end in pairwise(edges)]


@given(
    events=st.lists(EVENT, max_size=6),
    noise=st.lists(NOISE, max_size=4),
    newline=st.sampled_from([b"\n", b"\r\n"]),
    space=st.booleans(),
    ended=st.booleans(),
    places=st.lists(st.integers(0, 10_000), max_size=12),
)
def test_bytes_cut_anywhere_give_the_same_events(
    events: list[list[bytes]], noise: list[bytes], newline: bytes, space: bool, ended: bool, places: list[int]
) -> None:
    content = b""
    for at, lines in enumerate(events):
        content += b"".join(each + newline for each in noise[at : at + 1])
        content += b"".join(b"data:" + (b" " if space or line.startswith(b" ") else b"") + line + newline for line in lines) + newline
    if not ended:
        content = content.removesuffix(newline)
    assert read(cut(content, places)) == [b"\n".join(lines) for lines in events]


@given(content=st.binary(max_size=200), places=st.lists(st.integers(0, 200), max_size=8))
def test_any_bytes_at_all_are_read_the_same_in_pieces(content: bytes, places: list[int]) -> None:
    assert read(cut(content, places)) == read([content])


def test_byte_by_byte() -> None:
    content = "event: x\r\ndata: größe 🦜\r\n\r\n: ping\r\n\r\ndata:[DONE]\r\n\r\n".encode()
    assert read([content[at : at + 1] for at in range(len(content))]) == ["größe 🦜".encode(), b"[DONE]"]


def test_an_event_without_its_empty_line_counts_at_the_end() -> None:
    assert read([b"data: one\n\ndata: two"]) == [b"one", b"two"]
    assert read([b"data: one\n\ndata: two\n"]) == [b"one", b"two"]
    assert read([b"data: one\n\nevent: two"]) == [b"one"]


def test_comments_and_empty_events_are_passed_over() -> None:
    assert read([b": hello\n\n\n\nevent: ping\n\nid: 1\ndata:\n\n"]) == [b""]


@pytest.mark.parametrize("piece", [b"data: " + b"x" * 60, b"data: x\n" * 10])
def test_an_event_has_an_end(piece: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 100)
    events = Events()
    with pytest.raises(ProviderError) as caught:
        for _ in range(3):
            list(events.feed(piece))
    assert caught.value.kind == "malformed"


def test_many_events_may_be_longer_than_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 100)
    assert len(read([b"data: " + b"x" * 60 + b"\n\n"] * 10)) == 10

"""A form's file as a stream: the same bytes however the network cuts them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.multipart import FilePart, boundary
from app.errors import InvalidInput, Unreadable

BOUNDARY = "----cairn"


def part(name: str, content: bytes, filename: str | None = None) -> bytes:
    named = f'; filename="{filename}"' if filename is not None else ""
    head = f'Content-Disposition: form-data; name="{name}"{named}\r\nContent-Type: application/octet-stream\r\n\r\n'
    return f"--{BOUNDARY}\r\n{head}".encode() + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


async def pieces(body: bytes, cuts: Sequence[int]) -> AsyncIterator[bytes]:
    places = [0, *sorted(cut % (len(body) + 1) for cut in cuts), len(body)]
    for start, end in pairwise(places):
        yield body[start:end]


async def read(body: bytes, cuts: Sequence[int] = ()) -> tuple[str, bytes]:
    found = FilePart(pieces(body, cuts), BOUNDARY)
    name = await found.name()
    return name, b"".join([chunk async for chunk in found.chunks()])


@given(content=st.binary(max_size=300), cuts=st.lists(st.integers(0, 2000), max_size=30))
async def test_the_cuts_of_the_network_never_matter(content: bytes, cuts: list[int]) -> None:
    body = form(part("note", b"x" * 50), part("file", content, "a.jsonl"), part("after", b"y"))
    assert await read(body, cuts) == ("a.jsonl", content)


@given(body=st.binary(max_size=400), cuts=st.lists(st.integers(0, 400), max_size=5))
async def test_garbage_is_refused_never_a_crash(body: bytes, cuts: list[int]) -> None:
    with pytest.raises((InvalidInput, Unreadable)):
        await read(b"--" + body, cuts)


async def test_a_file_that_holds_something_like_a_boundary_is_whole() -> None:
    content = b"--\r\n----\r\n--" + BOUNDARY[:-1].encode() + b"\r\n\r\n"
    assert await read(form(part("file", content, "a")), range(0, 300, 7)) == ("a", content)


async def test_no_file_is_named() -> None:
    with pytest.raises(InvalidInput) as refused:
        await read(form(part("upload", b"x", "a")))
    assert refused.value.param == "file"


async def test_two_files_are_refused_rather_than_one_forgotten() -> None:
    with pytest.raises(InvalidInput, match="more than one"):
        await read(form(part("file", b"x", "a"), part("file", b"y", "b")))


@pytest.mark.parametrize("kept", [0.5, 0.9, 0.99])
async def test_half_a_form_is_no_file(kept: float) -> None:
    body = form(part("file", b"x" * 1000, "a"))
    with pytest.raises(Unreadable):
        await read(body[: int(len(body) * kept)])


async def test_a_file_without_a_name_has_none() -> None:
    assert await read(form(part("file", b"x"))) == ("", b"x")


async def test_a_name_may_be_percent_encoded_or_broken() -> None:
    assert (await read(form(part("file", b"x", "a%20b.jsonl"))))[0] == "a b.jsonl"
    head = b"Content-Disposition: form-data; name=\"file\"; filename*=UTF-8''%ff%fe\r\n\r\n"
    body = f"--{BOUNDARY}\r\n".encode() + head + b"x\r\n" + f"--{BOUNDARY}--\r\n".encode()
    assert isinstance((await read(body))[0], str)


@pytest.mark.parametrize(
    ("content_type", "found"),
    [
        ("multipart/form-data; boundary=abc", "abc"),
        ('multipart/form-data; charset=utf-8; boundary="a b"', "a b"),
        ("application/octet-stream", None),
        ("", None),
        ("multipart/mixed; boundary=abc", None),
    ],
)
def test_only_a_form_has_a_boundary(content_type: str, found: str | None) -> None:
    assert boundary(content_type) == found


@pytest.mark.parametrize("content_type", ["multipart/form-data", "multipart/form-data; boundary="])
def test_a_form_without_its_boundary_is_unreadable(content_type: str) -> None:
    with pytest.raises(Unreadable):
        boundary(content_type)


def test_an_absurd_boundary_is_unreadable() -> None:
    with pytest.raises(Unreadable):
        FilePart(pieces(b"", ()), "x" * 5000)

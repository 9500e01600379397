"""A hook's request and answer on the wire."""

from __future__ import annotations

import io

import pytest

from app.cli.ide.exchange import MAX_ANSWER_BYTES, read_answer, request_bytes


def test_a_request_is_plain_http() -> None:
    sent = request_bytes("/v1/hooks/codex", {"host": "h:1", "x-a": "b c"}, b"{}")
    assert sent == b"POST /v1/hooks/codex HTTP/1.0\r\nhost: h:1\r\nx-a: b c\r\ncontent-length: 2\r\n\r\n{}"


@pytest.mark.parametrize("headers", [{"x-a": "b\r\nx-b: c"}, {"host": "ü"}])
def test_a_header_that_cannot_be_sent_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="can't be sent"):
        request_bytes("/", headers, b"")


@pytest.mark.parametrize(
    ("answer", "read"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}extra", (200, b"{}")),
        (b"HTTP/1.0 401 No\r\n\r\nuntil the end", (401, b"until the end")),
        (b'HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n3;x=y\r\n{"a\r\n5\r\n": 1}\r\n0\r\n\r\n', (200, b'{"a": 1}')),
        (b"HTTP/1.1 204\r\n\r\n", (204, b"")),
        (b"HTTP/1.1 200 OK\ncontent-length: x\n\nbody", (200, b"body")),
    ],
)
def test_an_answer_is_read_as_far_as_it_goes(answer: bytes, read: tuple[int, bytes]) -> None:
    assert read_answer(io.BytesIO(answer)) == read


def test_a_long_answer_is_read_to_its_bound() -> None:
    assert len(read_answer(io.BytesIO(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (MAX_ANSWER_BYTES + 9)))[1]) == MAX_ANSWER_BYTES
    chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + b"20000\r\n" + b"x" * 0x20000 + b"\r\n"
    assert len(read_answer(io.BytesIO(chunked + b"20000\r\n" + b"x" * 0x20000 + b"\r\n20000\r\n"))[1]) == MAX_ANSWER_BYTES


@pytest.mark.parametrize(
    "answer", [b"", b"SSH-2.0-x\r\n", b"HTTP/1.1 abc\r\n", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"]
)
def test_what_is_no_http_is_refused(answer: bytes) -> None:
    with pytest.raises(ValueError):
        read_answer(io.BytesIO(answer))

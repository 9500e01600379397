"""The messages that the server and its bulk process exchange over pipes: each a length prefix and msgpack."""

from __future__ import annotations

import struct

import msgspec

LENGTH = struct.Struct(">I")


class SliceReply(msgspec.Struct, array_like=True, frozen=True):
    """A reply: `vectors` (little-endian float32, text after text) or `error`. Both empty: the process is ready."""

    vectors: bytes = b""
    error: str = ""


def framed(message: object) -> bytes:
    """Encode a message with its length prefix."""
    body = msgspec.msgpack.encode(message)
    return LENGTH.pack(len(body)) + body

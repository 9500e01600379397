"""What the server and its bulk process say to each other over a pipe: each message a length and as much msgpack."""

from __future__ import annotations

import struct

import msgspec

LENGTH = struct.Struct(">I")


class SliceReply(msgspec.Struct, array_like=True, frozen=True):
    """`vectors`: little-endian float32, text after text. `error`: instead of them. Both empty: the process is ready."""

    vectors: bytes = b""
    error: str = ""


def framed(message: object) -> bytes:
    """A message as it is sent."""
    body = msgspec.msgpack.encode(message)
    return LENGTH.pack(len(body)) + body

"""The wire between Cairn and the engine's process: length-prefixed msgpack frames over a Unix socket."""

from __future__ import annotations

import asyncio
import struct
from typing import Any

import msgspec

MOST_BYTES = 64 * 2**20
"""A frame larger than this is a mistake, not a message."""
_LENGTH = struct.Struct(">I")
_encode = msgspec.msgpack.Encoder().encode


class SparseParts(msgspec.Struct, array_like=True, frozen=True):
    indices: list[int]
    values: list[float]


class WirePoint(msgspec.Struct, array_like=True, frozen=True):
    """`vectors`: name → little-endian float32."""

    id: str
    vectors: dict[str, bytes]
    sparse: SparseParts
    payload: dict[str, str | float]


class Ask(msgspec.Struct, array_like=True, frozen=True):
    """A search. `sparse` None: by cosine only; otherwise dense and sparse candidates, fused."""

    vector: bytes
    using: str
    sparse: SparseParts | None
    where: dict[str, list[str]]
    limit: int
    min_score: float | None
    with_vectors: bool


class WireHit(msgspec.Struct, array_like=True, frozen=True):
    id: str
    score: float
    vector: bytes | None


class Request(msgspec.Struct, array_like=True, frozen=True):
    """`number` pairs the reply with it; replies may come in any order."""

    number: int
    method: str
    body: msgspec.Raw


class Reply(msgspec.Struct, array_like=True, frozen=True):
    """`error` empty: `body` is the method's result."""

    number: int
    error: str
    body: msgspec.Raw


class ShardOptions(msgspec.Struct, frozen=True):
    """What the folder's configuration is made from; handed to the process as JSON."""

    dims: dict[str, int]
    keywords: list[str]
    floats: list[str]
    datetimes: list[str]
    m: int
    ef_construct: int
    ef: int
    oversampling: float


class Broken(Exception):  # noqa: N818 - a state of the connection
    """The other side doesn't speak this protocol, or sent too much."""


def raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(_encode(value))


def pack(message: Request | Reply) -> bytes:
    data = _encode(message)
    return _LENGTH.pack(len(data)) + data


async def read(reader: asyncio.StreamReader, kind: Any) -> Any:
    """The next message; None at the end of the stream. Broken when it can't be one."""
    try:
        (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
        if length > MOST_BYTES:
            raise Broken(f"a frame of {length} bytes")
        return msgspec.msgpack.decode(await reader.readexactly(length), type=kind)
    except asyncio.IncompleteReadError:
        return None
    except msgspec.DecodeError as error:
        raise Broken(str(error)) from error

"""The wire between Cairn and the engine's process: length-prefixed msgpack frames over a Unix socket."""

from __future__ import annotations

import asyncio
import struct

import msgspec

from app.errors import InvalidInput

MOST_BYTES = 64 * 2**20
"""A frame larger than this is a mistake, not a message."""
UNREADABLE = 0
"""The number of a reply to what could not be read, number and all. Requests count from 1."""
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


class WirePeriod(msgspec.Struct, array_like=True, frozen=True):
    """since ≤ field < until, as RFC 3339 in UTC; None: open at that end."""

    field: str
    since: str | None
    until: str | None


class Ask(msgspec.Struct, array_like=True, frozen=True):
    """A search. `sparse` None: by cosine only. `vector` None: by words only. Both: the candidates of each, fused.

    `using`: the vector's name, of no meaning without one. `ef` None: as the engine was tuned. `corpus`: whose document frequencies count;
    None: those of all points.
    """

    vector: bytes | None
    using: str
    sparse: SparseParts | None
    where: dict[str, list[str]]
    limit: int
    min_score: float | None
    with_vectors: bool
    ef: int | None = None
    within: WirePeriod | None = None
    corpus: dict[str, list[str]] | None = None


class WireHit(msgspec.Struct, array_like=True, frozen=True):
    id: str
    score: float
    vector: bytes | None


class WireStatus(msgspec.Struct, array_like=True, frozen=True):
    """`unfilled`: made empty in place of a lost index, and not rebuilt yet: it takes writes and answers no search."""

    points: int
    unindexed: int
    segments: int
    generation: int
    pid: int
    ef: int
    unfilled: bool = False


class Request(msgspec.Struct, array_like=True, frozen=True):
    """`number` pairs the reply with it; replies may come in any order."""

    number: int
    method: str
    body: msgspec.Raw


class Reply(msgspec.Struct, array_like=True, frozen=True):
    """`error` empty: `body` is the method's result. `again`: nothing was done; ask again, in a moment."""

    number: int
    error: str
    body: msgspec.Raw
    again: bool = False


class ShardOptions(msgspec.Struct, frozen=True):
    """What a generation is made from; handed to the process as JSON."""

    dims: dict[str, int]
    keywords: list[str]
    floats: list[str]
    datetimes: list[str]
    m: int
    ef_construct: int
    ef: int  # 0: as measured
    oversampling: float


class Broken(Exception):
    """The other side doesn't speak this protocol, or sent too much: nothing after it can be read."""


def raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(_encode(value))


def pack(message: Request | Reply) -> bytes:
    """The frame of a message. InvalidInput when it would be larger than a frame may be."""
    data = _encode(message)
    if len(data) > MOST_BYTES:
        raise InvalidInput(f"A message of {len(data)} bytes is too large for the vector engine. Send fewer or shorter texts at once.")
    return _LENGTH.pack(len(data)) + data


async def read(reader: asyncio.StreamReader) -> bytes | None:
    """The next frame's content; None at the end of the stream. Broken when it is announced too large."""
    try:
        (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
        if length > MOST_BYTES:
            raise Broken(f"a frame of {length} bytes; at most {MOST_BYTES} are taken")
        return await reader.readexactly(length)
    except asyncio.IncompleteReadError:
        return None

"""The protocol between Cairn and the engine's process: length-prefixed msgpack frames over a Unix socket."""

from __future__ import annotations

import asyncio
import struct

import msgspec

from app.errors import InvalidInput

MAX_BYTES = 64 * 2**20
"""Largest frame accepted."""
UNREADABLE = 0
"""The number of a reply to an unreadable request. Requests are numbered from 1."""
_LENGTH = struct.Struct(">I")
_encode = msgspec.msgpack.Encoder().encode


class SparseParts(msgspec.Struct, array_like=True, frozen=True):
    indices: list[int]
    values: list[float]


class WirePoint(msgspec.Struct, array_like=True, frozen=True):
    """A point on the wire. `vectors`: name → little-endian float32."""

    id: str
    vectors: dict[str, bytes]
    sparse: SparseParts
    payload: dict[str, str | float | list[str]]


class WirePeriod(msgspec.Struct, array_like=True, frozen=True):
    """A half-open period, since ≤ field < until, as RFC 3339 in UTC; None: unbounded."""

    field: str
    since: str | None
    until: str | None


class VectorQuery(msgspec.Struct, array_like=True, frozen=True):
    """A search: by `vector` (cosine), by `sparse` (BM25), or by both, fused.

    `using`: the vector's name, ignored without a vector. `ef` None: as tuned. `corpus`: filter of the points whose document frequencies
    count; None: all points. `without`: fields and values of which a point may have none.
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
    without: dict[str, list[str]] = {}


class WireHit(msgspec.Struct, array_like=True, frozen=True):
    id: str
    score: float
    vector: bytes | None


class WireStatus(msgspec.Struct, array_like=True, frozen=True):
    """An engine's status. `unfilled`: created empty in place of a lost index and not rebuilt: accepts writes, but no searches."""

    points: int
    unindexed: int
    segments: int
    generation: int
    pid: int
    ef: int
    unfilled: bool = False


class EngineRequest(msgspec.Struct, array_like=True, frozen=True):
    """A call. `number` pairs the reply with it; replies may come in any order."""

    number: int
    method: str
    body: msgspec.Raw


class EngineReply(msgspec.Struct, array_like=True, frozen=True):
    """The answer to a request. `error` empty: `body` is the result. `again`: nothing was done; repeat the request shortly."""

    number: int
    error: str
    body: msgspec.Raw
    again: bool = False


class ShardOptions(msgspec.Struct, frozen=True):
    """Parameters of a generation, handed to the process as JSON."""

    dims: dict[str, int]
    keywords: list[str]
    floats: list[str]
    datetimes: list[str]
    m: int
    ef_construct: int
    ef: int  # 0: as measured
    oversampling: float


class ProtocolViolation(Exception):
    """The other side doesn't speak this protocol, or its frame is too large: the stream can't be read any further."""


def raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(_encode(value))


def pack(message: EngineRequest | EngineReply) -> bytes:
    """Encode a message as a frame. Raises InvalidInput if it is too large."""
    data = _encode(message)
    if len(data) > MAX_BYTES:
        raise InvalidInput(f"A message of {len(data)} bytes is too large for the vector engine. Send fewer or shorter texts at once.")
    return _LENGTH.pack(len(data)) + data


async def read(reader: asyncio.StreamReader) -> bytes | None:
    """Read a frame's content; None at the end of the stream. Raises BrokenStream if it is too large."""
    try:
        (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
        if length > MAX_BYTES:
            raise ProtocolViolation(f"a frame of {length} bytes; at most {MAX_BYTES} are taken")
        return await reader.readexactly(length)
    except asyncio.IncompleteReadError:
        return None

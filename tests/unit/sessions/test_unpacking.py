"""Compressed transcripts: gzip and zstd, in any pieces, whole or broken off, bounded in what they unpack to."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator

import pytest
import zstandard

from app.errors import InvalidInput, TooLarge
from app.sessions.unpacking import PIECE_BYTES, unpacked

TEXT = b'{"role": "user", "text": "why?"}\n' * 5000
PACKED = {"gzip": gzip.compress(TEXT), "zstd": zstandard.ZstdCompressor(level=9).compress(TEXT)}


async def unpack(data: bytes, *, step: int = 10**9, limit: int = 10**9) -> bytes:
    async def stream() -> AsyncIterator[bytes]:
        for start in range(0, len(data), step):
            yield data[start : start + step]

    return b"".join([piece async for piece in unpacked(stream(), limit=limit)])


@pytest.mark.parametrize("name", PACKED)
@pytest.mark.parametrize("step", [1, 3, 100, 10**9])
async def test_a_compressed_stream_is_unpacked_however_it_is_cut(name: str, step: int) -> None:
    assert await unpack(PACKED[name], step=step) == TEXT


@pytest.mark.parametrize("data", [b"", b"{", TEXT, b"# aider chat started"])
async def test_what_is_not_compressed_comes_as_it_is(data: bytes) -> None:
    assert await unpack(data, step=7) == data


@pytest.mark.parametrize("name", PACKED)
async def test_streams_one_after_the_other_are_one_file(name: str) -> None:
    assert await unpack(PACKED[name] * 2, step=50) == TEXT * 2


@pytest.mark.parametrize("name", PACKED)
async def test_what_breaks_off_or_is_damaged_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="is incomplete"):
        await unpack(PACKED[name][:-9])
    with pytest.raises(InvalidInput, match="is not valid"):
        await unpack(PACKED[name][:12] + b"\xff" * 50)


@pytest.mark.parametrize(
    "packed", [gzip.compress(bytes(50_000_000)), zstandard.ZstdCompressor().compress(bytes(50_000_000))], ids=["gzip", "zstd"]
)
async def test_a_bomb_is_refused_at_the_limit(packed: bytes) -> None:
    assert len(packed) < 100_000
    with pytest.raises(TooLarge, match="unpacks to more than 1,000,000 bytes"):
        await unpack(packed, limit=1_000_000)


async def test_a_limit_that_is_just_kept_is_kept() -> None:
    assert await unpack(PACKED["zstd"], limit=len(TEXT)) == TEXT
    with pytest.raises(TooLarge):
        await unpack(PACKED["zstd"], limit=len(TEXT) - 1)


async def test_no_piece_is_much_larger_than_the_pieces_are_to_be() -> None:
    async def stream() -> AsyncIterator[bytes]:
        yield gzip.compress(bytes(10_000_000))

    sizes = [len(piece) async for piece in unpacked(stream(), limit=10**9)]
    assert sum(sizes) == 10_000_000
    assert max(sizes) <= 2 * PIECE_BYTES

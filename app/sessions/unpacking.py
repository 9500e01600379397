"""Unpacks a compressed stream (gzip, zstd; told by its first bytes) as it arrives, bounded in size and memory."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from typing import Protocol

import zstandard

from app.errors import InvalidInput, TooLarge

GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
HEAD_BYTES = 4
SLICE_BYTES = 256
"""zstd is given this much at a time: it has no limit on what one call returns, and 256 bytes unpack to 8 MB at most."""
PIECE_BYTES = 256 * 1024
MAX_WINDOW_BYTES = 2**26
"""Memory that a zstd stream may ask for: as much as its highest ordinary level does."""


class _Unpacker(Protocol):
    """Unpacks one stream, slice by slice. `ended`: it is whole; another may follow it."""

    ended: bool

    def feed(self, data: bytes) -> Iterator[bytes]: ...


async def unpacked(stream: AsyncIterator[bytes], *, limit: int) -> AsyncGenerator[bytes, None]:
    """Yield a stream's bytes, unpacked where it is compressed. Raises TooLarge beyond `limit` bytes, InvalidInput if it is damaged."""
    head = b""
    while len(head) < HEAD_BYTES and (piece := await anext(stream, None)) is not None:
        head += piece
    name, made = _recognised(head)
    if made is None:
        yield head
        async for piece in stream:
            yield piece
        return
    size, pieces = 0, _unpacked(made, name, head, stream)
    async with aclosing(pieces):
        async for piece in pieces:
            size += len(piece)
            if size > limit:
                raise TooLarge(
                    f"The compressed transcript unpacks to more than {limit:,} bytes. Split it, or raise server.max_upload_bytes."
                )
            yield piece


async def _unpacked(unpacker: _Unpacker, name: str, head: bytes, stream: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    data: bytes | None = head
    while data is not None:
        for start in range(0, len(data), PIECE_BYTES):
            output = unpacker.feed(data[start : start + PIECE_BYTES])
            while made := await asyncio.to_thread(_next, output, name):
                yield made
        data = await anext(stream, None)
    if not unpacker.ended:
        raise InvalidInput(f"The compressed transcript ({name}) is incomplete: send the whole file.", param="file")


def _recognised(head: bytes) -> tuple[str, _Unpacker | None]:
    if head.startswith(GZIP):
        return "gzip", _Gzip()
    return ("zstd", _Zstd()) if head.startswith(ZSTD) else ("", None)


def _next(output: Iterator[bytes], name: str) -> bytes:
    """Return the next pieces, joined to PIECE_BYTES or somewhat more; empty at the end."""
    made, size = [], 0
    try:
        for piece in output:
            made.append(piece)
            size += len(piece)
            if size >= PIECE_BYTES:
                break
    except (zlib.error, zstandard.ZstdError) as error:
        raise InvalidInput(
            f"The transcript is not valid {name} data ({error}): compress it again, or send it as it is.", param="file"
        ) from None
    return b"".join(made)


class _Gzip:
    def __init__(self) -> None:
        self._stream = zlib.decompressobj(wbits=31)
        self.ended = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self.ended:
                if not (data := data.lstrip(b"\0")):  # padding between members, and behind the last
                    return
                self._stream, self.ended = zlib.decompressobj(wbits=31), False
            if piece := self._stream.decompress(data, PIECE_BYTES):
                yield piece
            self.ended = self._stream.eof
            data = self._stream.unused_data if self.ended else self._stream.unconsumed_tail


class _Zstd:
    def __init__(self) -> None:
        self._decompressor = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW_BYTES)
        self._frame = self._decompressor.decompressobj()
        self.ended = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), SLICE_BYTES):
            rest = data[start : start + SLICE_BYTES]
            while rest:
                if self.ended:
                    self._frame, self.ended = self._decompressor.decompressobj(), False
                if piece := self._frame.decompress(rest):
                    yield piece
                self.ended = self._frame.eof
                rest = self._frame.unused_data if self.ended else b""

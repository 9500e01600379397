"""Transcripts that wait for the worker: compressed chunks in PostgreSQL, the only unredacted bytes at rest, and not for long."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, TypeVar
from uuid import UUID, uuid4

import zstandard
from sqlalchemy import delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import InvalidInput, NotFound, TooLarge
from app.sessions.event import Format
from app.sessions.formats import HEAD_BYTES, detect
from app.sessions.tables import Upload as UploadRow
from app.sessions.tables import UploadChunk
from app.storage.database import Database

T = TypeVar("T")

CHUNK_BYTES = 256 * 1024
NAME_CHARS = 255
RECEIVING_KEPT = timedelta(hours=1)
"""An upload that never became complete (its server died) goes after this."""
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Upload:
    id: UUID
    team_id: UUID
    developer_id: UUID | None
    project: str | None
    transcript: str
    format: Format
    bytes: int


class Uploads:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def receive(
        self,
        stream: AsyncIterator[bytes],
        *,
        team_id: UUID,
        developer_id: UUID | None,
        project: str | None,
        transcript: str,
        format: Format | Literal["auto"],  # noqa: A002 - the contract's word
        limit: int,
        complete: Callable[[AsyncConnection, UUID], Awaitable[T]],
    ) -> T:
        """Store a stream chunk by chunk, each in its own short transaction: a slow client holds no connection.

        `complete` runs in the last one. InvalidInput or UnknownFormat when it is empty or no transcript; TooLarge as soon
        as `limit` bytes are passed. Whatever goes wrong, nothing of it stays.
        """
        upload_id = uuid4()
        size, seq = 0, 0
        try:
            async for chunk in _rechunked(stream):
                size += len(chunk)
                if size > limit:
                    raise TooLarge(f"The transcript is larger than {limit:,} bytes. Split it, or raise server.max_upload_bytes.")
                if seq == 0:
                    found: Format = detect(chunk[:HEAD_BYTES]) if format == "auto" else format
                    await self._begin(upload_id, team_id, developer_id, project, base_name(transcript), found)
                await self._store(upload_id, seq, chunk)
                seq += 1
            if size == 0:
                raise InvalidInput("The transcript is empty: send the file's content as the body, or as the multipart field `file`.", param="file")
            async with self._database.begin() as connection:
                await connection.execute(update(UploadRow).where(UploadRow.id == upload_id).values(state="complete", bytes=size))
                return await complete(connection, upload_id)
        except BaseException:
            if seq:
                await asyncio.shield(self._discard(upload_id))
            raise

    async def get(self, upload_id: UUID) -> Upload:
        query = select(
            UploadRow.id, UploadRow.team_id, UploadRow.developer_id, UploadRow.project, UploadRow.transcript, UploadRow.format, UploadRow.bytes
        ).where(UploadRow.id == upload_id)
        async with self._database.begin() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            raise NotFound("The upload is no longer there (it is kept for a day): send the transcript again.")
        return Upload(*row)

    async def chunks(self, upload_id: UUID) -> AsyncIterator[bytes]:
        """The file's bytes in order, one chunk in memory at a time."""
        seq = 0
        while True:
            query = select(UploadChunk.data).where(UploadChunk.upload_id == upload_id, UploadChunk.seq == seq)
            async with self._database.begin() as connection:
                data = await connection.scalar(query)
            if data is None:
                return
            yield await asyncio.to_thread(_unpack, data)
            seq += 1

    async def delete(self, connection: AsyncConnection, upload_id: UUID) -> None:
        """In the caller's transaction: the one that records the job as done."""
        await connection.execute(delete(UploadRow).where(UploadRow.id == upload_id))

    async def sweep(self, ttl_hours: float) -> int:
        """Delete what was never completed, and what a dead job left behind past its time."""
        old = or_(
            (UploadRow.state == "receiving") & (UploadRow.created_at < func.now() - RECEIVING_KEPT),
            UploadRow.created_at < func.now() - timedelta(hours=ttl_hours),
        )
        async with self._database.begin() as connection:
            return (await connection.execute(delete(UploadRow).where(old))).rowcount

    async def _begin(
        self, upload_id: UUID, team_id: UUID, developer_id: UUID | None, project: str | None, transcript: str, found: Format
    ) -> None:
        row = {
            "id": upload_id,
            "team_id": team_id,
            "developer_id": developer_id,
            "project": project,
            "transcript": transcript,
            "format": found,
        }
        async with self._database.begin() as connection:
            await connection.execute(insert(UploadRow).values(row))

    async def _store(self, upload_id: UUID, seq: int, chunk: bytes) -> None:
        data = await asyncio.to_thread(_pack, chunk)
        async with self._database.begin() as connection:
            await connection.execute(insert(UploadChunk).values(upload_id=upload_id, seq=seq, data=data))

    async def _discard(self, upload_id: UUID) -> None:
        async with self._database.begin() as connection:
            await self.delete(connection, upload_id)


def base_name(name: str) -> str:
    """Only a file's own name: no folder, no control character. Nothing is ever opened by it; it is shown in citations."""
    last = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    return _UNPRINTABLE.sub("", last).strip(". ")[:NAME_CHARS] or "transcript"


async def _rechunked(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Pieces of any size as pieces of CHUNK_BYTES; the last is shorter."""
    held = bytearray()
    async for piece in stream:
        held += piece
        while len(held) >= CHUNK_BYTES:
            yield bytes(held[:CHUNK_BYTES])
            del held[:CHUNK_BYTES]
    if held:
        yield bytes(held)


def _pack(chunk: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(chunk)


def _unpack(data: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompress(data)

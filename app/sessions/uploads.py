"""Transcripts waiting for the worker, as compressed chunks in PostgreSQL: the only unredacted bytes at rest, kept for a limited time."""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection
from contextlib import aclosing, suppress
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

import zstandard
from sqlalchemy import CursorResult, and_, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.accounts.names import check_project_name
from app.accounts.requester import Requester
from app.errors import InvalidInput, NotFound, TooLarge, Unavailable, Unreadable
from app.queue.forgetting import purged_values
from app.queue.job_list import unfinished_values
from app.redaction import redact
from app.sessions.event import Format, GivenFormat, GivenTranscript
from app.sessions.formats import HEAD_BYTES, check_text, detect
from app.sessions.formats.values import plausible_time
from app.sessions.tables import UploadChunkRow, UploadRow
from app.sessions.unpacking import unpacked
from app.storage.database import Database

T = TypeVar("T")

CHUNK_BYTES = 256 * 1024
NAME_CHARS = 255
UNNAMED = "transcript"
SILENT_SECONDS = 60
"""An upload is aborted after this long without data from the client."""
RECEIVING_KEPT = timedelta(hours=1)
"""An upload still incomplete this long after its last chunk (its server died) is deleted."""
JOB_FIELD = "upload_id"
"""Field of a job's payload that names the job's upload, so that the sweep keeps it."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A complete upload. `created_at`: when its last chunk arrived; `modified_at`: the file's modification time, if the client sent it.

    `directory`: the folder that its sessions worked in, where they don't say so themselves and the client knows it.
    """

    id: UUID
    team_id: UUID
    developer_id: UUID | None
    project: str | None
    transcript: str
    format: Format
    bytes: int
    modified_at: datetime | None
    directory: str | None
    created_at: datetime


class Uploads:
    """The store of transcripts waiting for the worker."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._discarding: set[asyncio.Task[None]] = set()

    async def receive(
        self,
        requester: Requester,
        stream: AsyncIterator[bytes],
        given: GivenTranscript,
        *,
        limit: int,
        complete: Callable[[AsyncConnection, UUID], Awaitable[T]],
    ) -> T:
        """Store a stream chunk by chunk, each in its own short transaction, so that a slow client holds no connection.

        A compressed stream is unpacked on the way: `limit` counts what it unpacks to.
        `complete` runs in the last transaction. Raises InvalidInput or UnknownFormat if the stream is empty or no transcript, TooLarge once
        `limit` bytes are exceeded, Unreadable if the client stalls. On any error the upload is deleted.
        """
        if given.project is not None:
            check_project_name(given.project)
        row: dict[str, Any] = {
            "id": uuid4(),
            "team_id": requester.team_id,
            "developer_id": requester.developer_id,
            "project": given.project,
            "modified_at": plausible_time(given.modified_at),
            "directory": given.directory and redact(given.directory).text,
            "transcript": redact(base_name(given.name)).text,  # the job's result tells it
        }
        try:
            await self._take(stream, row, given.format, limit)
            async with self._database.begin() as connection:
                await _still_receiving(connection, row["id"], {"state": "complete"})
                return await complete(connection, row["id"])
        except BaseException:
            await self._discard(row["id"])
            raise

    async def get(self, upload_id: UUID) -> Upload:
        """Return a complete upload. Raises NotFound if it has expired."""
        columns = [getattr(UploadRow, each.name) for each in fields(Upload)]
        query = select(*columns).where(UploadRow.id == upload_id, UploadRow.state == "complete")
        async with self._database.begin() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            raise NotFound("The upload is no longer there: it was deleted after sessions.upload_ttl_hours. Send the transcript again.")
        return Upload(*row)

    async def chunks(self, upload_id: UUID) -> AsyncIterator[bytes]:
        """Yield the file's bytes in order, one chunk at a time. Raises NotFound if the upload is deleted meanwhile."""
        left, seq = (await self.get(upload_id)).bytes, 0
        while left > 0:
            query = select(UploadChunkRow.data).where(UploadChunkRow.upload_id == upload_id, UploadChunkRow.seq == seq)
            async with self._database.begin() as connection:
                data = await connection.scalar(query)
            if data is None:
                raise NotFound("The upload was deleted while it was read: send the transcript again.")
            chunk = await asyncio.to_thread(_unpack, data)
            yield chunk
            left, seq = left - len(chunk), seq + 1

    async def delete(self, connection: AsyncConnection, upload_id: UUID) -> None:
        """Delete an upload in the caller's transaction, the one that records its job as done."""
        await connection.execute(delete(UploadRow).where(UploadRow.id == upload_id))

    async def sweep(self, ttl_hours: float) -> int:
        """Delete abandoned and expired uploads that no job needs, and those of dead jobs whose session was purged. Returns their number."""
        abandoned = and_(UploadRow.state == "receiving", UploadRow.created_at < func.now() - RECEIVING_KEPT)
        past = UploadRow.created_at < func.now() - timedelta(hours=ttl_hours)
        async with self._database.begin() as connection:
            waiting = [UUID(name) for name in await unfinished_values(connection, JOB_FIELD)]
            purged = [UUID(name) for name in await purged_values(connection, JOB_FIELD)]
            old = or_(and_(or_(abandoned, past), UploadRow.id.not_in(waiting)), UploadRow.id.in_(purged))
            return (await connection.execute(delete(UploadRow).where(old))).rowcount

    async def _take(self, stream: AsyncIterator[bytes], row: dict[str, Any], given: GivenFormat, limit: int) -> None:
        """Receive the whole stream, chunk by chunk."""
        size = seq = 0
        async with aclosing(unpacked(_with_timeout(stream), limit=limit)) as plain, aclosing(_chunked(plain)) as chunks:
            async for chunk in chunks:
                size += len(chunk)
                if size > limit:
                    raise TooLarge(f"The transcript is larger than {limit:,} bytes. Split it, or raise server.max_upload_bytes.")
                if seq == 0:
                    found = await asyncio.to_thread(_format, chunk[:HEAD_BYTES], given)
                    async with self._database.begin() as connection:
                        await connection.execute(insert(UploadRow).values(row | {"format": found}))
                await self._store(row["id"], seq, chunk, size)
                seq += 1
        if size == 0:
            raise InvalidInput("The transcript is empty: send the file's content.", param="file")

    async def _store(self, upload_id: UUID, seq: int, chunk: bytes, size: int) -> None:
        data = await asyncio.to_thread(_pack, chunk)
        async with self._database.begin() as connection:
            await _still_receiving(connection, upload_id, {"bytes": size, "created_at": func.now()})
            await connection.execute(insert(UploadChunkRow).values(upload_id=upload_id, seq=seq, data=data))

    async def _discard(self, upload_id: UUID) -> None:
        """Delete an incomplete upload, even if the request is cancelled meanwhile. If the database is away, the sweep does it later."""

        async def work() -> None:
            with suppress(Unavailable):
                async with self._database.begin() as connection:
                    # An interrupted commit may have succeeded; then the upload is complete and its job must run.
                    incomplete = and_(UploadRow.id == upload_id, UploadRow.state == "receiving")
                    await connection.execute(delete(UploadRow).where(incomplete))

        task = asyncio.create_task(work(), name=f"discard upload {upload_id}")
        self._discarding.add(task)
        task.add_done_callback(self._discarding.discard)
        await asyncio.shield(task)


async def uploads_named(connection: AsyncConnection, team_id: UUID, name: str) -> dict[UUID, UUID | None]:
    """Return the uploads waiting under this file name, each with its developer."""
    query = select(UploadRow.id, UploadRow.developer_id).where(UploadRow.team_id == team_id, UploadRow.transcript == name)
    return {row.id: row.developer_id for row in await connection.execute(query)}


async def forget_names(connection: AsyncConnection, upload_ids: Collection[UUID]) -> None:
    """Replace the file's name of uploads that are still to be read."""
    await connection.execute(update(UploadRow).where(UploadRow.id.in_(list(upload_ids))).values(transcript=UNNAMED))


async def discard_uploads(connection: AsyncConnection, upload_ids: Collection[UUID]) -> None:
    await connection.execute(delete(UploadRow).where(UploadRow.id.in_(list(upload_ids))))


def _format(head: bytes, given: GivenFormat) -> Format:
    if given == "auto":
        return detect(head)
    check_text(head)
    return given


def base_name(name: str) -> str:
    """Return a file's own name, without folders and invisible characters. It is only displayed, never opened."""
    last = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    # Controls, formats (such as the marks that turn the writing direction), surrogates, line separators.
    seen = "".join(char for char in last if not unicodedata.category(char).startswith("C") and char not in "\u2028\u2029")
    return seen.strip()[:NAME_CHARS] if seen.strip(". ") else UNNAMED


async def _still_receiving(connection: AsyncConnection, upload_id: UUID, values: dict[str, Any]) -> None:
    ours = and_(UploadRow.id == upload_id, UploadRow.state == "receiving")
    changed: CursorResult[Any] = await connection.execute(update(UploadRow).where(ours).values(values))
    if changed.rowcount == 0:
        raise NotFound(
            f"The upload was discarded, because no data arrived for {RECEIVING_KEPT.total_seconds() / 60:.0f} minutes: send it again."
        )


async def _chunked(stream: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Regroup pieces of any size into chunks of CHUNK_BYTES; the last is shorter."""
    held = bytearray()
    async for piece in stream:
        held += piece
        while len(held) >= CHUNK_BYTES:
            yield bytes(held[:CHUNK_BYTES])
            del held[:CHUNK_BYTES]
    if held:
        yield bytes(held)


async def _with_timeout(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the stream's pieces. Raises Unreadable if the client stalls."""
    while (piece := await _next(stream)) is not None:
        yield piece


async def _next(stream: AsyncIterator[bytes]) -> bytes | None:
    try:
        async with asyncio.timeout(SILENT_SECONDS):
            return await anext(stream, None)
    except TimeoutError:
        raise Unreadable(f"No data of the transcript arrived for {SILENT_SECONDS} seconds: send it again.") from None


def _pack(chunk: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(chunk)


def _unpack(data: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompress(data)

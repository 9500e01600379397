"""Uploads: taken whole or not at all, never in memory at once, never kept longer than needed."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
from collections.abc import AsyncIterator, Callable
from uuid import UUID, uuid4

import pytest
import zstandard
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.accounts.requester import Requester
from app.errors import InvalidInput, NotFound, TooLarge, UnknownFormat
from app.sessions.event import GivenTranscript
from app.sessions.uploads import CHUNK_BYTES, base_name
from tests.integration.sessions.conftest import Desk

LINE = json.dumps({"id": "1", "role": "user", "text": "hello"}).encode() + b"\n"


async def sent(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def receive(
    desk: Desk, stream: AsyncIterator[bytes], *, limit: int = 10**7, transcript: str = "t.jsonl", format: str = "auto"
) -> UUID:
    async def complete(connection: AsyncConnection, upload_id: UUID) -> UUID:
        return upload_id

    given = GivenTranscript(transcript, format=format)  # type: ignore[arg-type]
    admin = Requester(desk.team_id, "team", role="admin")
    return await desk.uploads.receive(admin, stream, given, limit=limit, complete=complete)


async def count(desk: Desk) -> int:
    async with desk.database.begin() as connection:
        chunks: int = await connection.scalar(text("select count(*) from upload_chunks")) or 0
        return chunks + (await connection.scalar(text("select count(*) from uploads")) or 0)


async def test_the_bytes_come_back_however_they_were_cut(desk: Desk) -> None:
    whole = LINE * 30_000 + os.urandom(1000)
    pieces = [whole[place : place + 77_777] for place in range(0, len(whole), 77_777)]
    upload = await receive(desk, sent(*pieces))
    chunks = [chunk async for chunk in desk.uploads.chunks(upload)]
    assert b"".join(chunks) == whole
    assert max(map(len, chunks)) == CHUNK_BYTES


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.ZstdCompressor().compress])
async def test_a_compressed_upload_is_kept_as_what_it_unpacks_to(desk: Desk, pack: Callable[[bytes], bytes]) -> None:
    packed = pack(LINE * 30_000)
    upload = await receive(desk, sent(packed[:2], packed[2:500], packed[500:]), transcript="t.jsonl.zst")
    assert b"".join([chunk async for chunk in desk.uploads.chunks(upload)]) == LINE * 30_000


@pytest.mark.parametrize(
    "packed",
    [gzip.compress(LINE * 100_000), gzip.compress(LINE)[:-8], gzip.compress(b"\x00\x01\x02" * 500)],
    ids=["too much", "cut", "no text"],  # else by their bytes, which hold the time
)
async def test_of_a_compressed_upload_that_is_refused_nothing_stays(desk: Desk, packed: bytes) -> None:
    with pytest.raises((TooLarge, InvalidInput)):
        await receive(desk, sent(packed), limit=CHUNK_BYTES + 1)
    assert await count(desk) == 0


async def test_over_the_limit_nothing_stays(desk: Desk) -> None:
    with pytest.raises(TooLarge, match="max_upload_bytes"):
        await receive(desk, sent(*[LINE * 10_000] * 5), limit=CHUNK_BYTES + 1)
    assert await count(desk) == 0


@pytest.mark.parametrize(("body", "error"), [(b"", InvalidInput), (b"\x00\x01\x02" * 500, UnknownFormat), (b"Dear diary\n", UnknownFormat)])
async def test_what_is_no_transcript_is_refused_and_nothing_stays(desk: Desk, body: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        await receive(desk, sent(body))
    assert await count(desk) == 0


async def test_a_format_that_is_named_does_not_make_a_binary_file_a_transcript(desk: Desk) -> None:
    with pytest.raises(UnknownFormat, match="binary"):
        await receive(desk, sent(os.urandom(50_000)), format="aider")
    assert await count(desk) == 0


async def test_a_client_that_breaks_off_leaves_nothing(desk: Desk) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield LINE * 20_000
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await receive(desk, broken())
    assert await count(desk) == 0


async def test_a_cancelled_request_leaves_nothing(desk: Desk) -> None:
    begun = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield LINE * 20_000
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(receive(desk, endless()))
    await begun.wait()
    assert await count(desk) > 0
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await count(desk) == 0


async def test_what_a_job_waits_for_is_not_swept_and_the_rest_is_in_time(desk: Desk) -> None:
    needed, forgotten = await receive(desk, sent(LINE)), await receive(desk, sent(LINE))
    async with desk.database.begin() as connection:
        await connection.execute(text("update uploads set created_at = now() - interval '25 hours'"))
        await connection.execute(
            text("insert into jobs (id, kind, payload, max_attempts) values (gen_random_uuid(), 'ingest', cast(:payload as jsonb), 5)"),
            {"payload": json.dumps({"upload_id": str(needed)})},
        )
    assert await desk.uploads.sweep(24) == 1
    assert (await desk.uploads.get(needed)).bytes == len(LINE)
    with pytest.raises(NotFound, match="Send the transcript again"):
        await desk.uploads.get(forgotten)


async def test_an_unknown_upload_says_what_to_do(desk: Desk) -> None:
    with pytest.raises(NotFound, match="Send the transcript again"):
        await desk.uploads.get(uuid4())


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\ada\\s.md", "s.md"),
        ("/", "transcript"),
        ("..", "transcript"),
        ("", "transcript"),
        ("a\x00b\u202egnp.md", "abgnp.md"),
        ("x" * 1000, "x" * 255),
    ],
)
def test_of_a_path_only_its_last_name_is_kept(given: str, kept: str) -> None:
    assert base_name(given) == kept


async def test_a_secret_in_a_file_name_is_not_stored(desk: Desk) -> None:
    secret = "ghp_" + "aB3dE5gH7jK9mN1pQ3sT5vX7zA9cE1gI3kM5"
    upload = await receive(desk, sent(LINE), transcript=f"log-{secret}.jsonl")
    assert secret not in (await desk.uploads.get(upload)).transcript

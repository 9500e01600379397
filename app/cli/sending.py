"""Uploads files concurrently and follows their jobs to the end. Of a file's progress, the first half is the upload, the second the job."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from app.cli import agent_databases, opencode_storage
from app.cli.client import Json, ServerClient
from app.cli.discover import FoundFile
from app.cli.exits import ServerRefused
from app.cli.progress import steps
from app.cli.wording import of_ingest

AT_ONCE = 4
CHUNK_BYTES = 2**18
POLL_FIRST, POLL_MAX = 0.05, 1.0
NOT_A_TRANSCRIPT = frozenset({"unknown_format", "invalid_input"})
MADE = ((opencode_storage.is_session, opencode_storage.exported), (agent_databases.is_store, agent_databases.sessions_of))
"""Files of which something else is sent: what tells them, and what makes it."""


@dataclass(frozen=True, slots=True)
class Sent:
    """The outcome for a file: the job's result, or an error and its code."""

    found: FoundFile
    job: str | None = None
    result: Json | None = None
    error: str | None = None
    code: str | None = None

    @property
    def not_a_transcript(self) -> bool:
        return self.code in NOT_A_TRANSCRIPT


async def send(client: ServerClient, found: Sequence[FoundFile], *, format: str, quiet: bool = False) -> list[Sent]:  # noqa: A002
    """Send all files; return outcomes in the same order. A refused file stops no other; an unreachable server stops all."""
    places = asyncio.Semaphore(AT_ONCE)
    with steps("Transcripts", len(found), quiet=quiet) as progress:

        async def one(each: FoundFile) -> Sent:
            async with places:
                with progress.part(each.path.name) as share:
                    done = await _send_one(client, each, format, share)
                progress.advance()
                return done

        try:
            async with asyncio.TaskGroup() as tasks:
                running = [tasks.create_task(one(each)) for each in found]
        except ExceptionGroup as group:
            raise group.exceptions[0] from group  # report one: the server is unreachable for all
    return [task.result() for task in running]


async def _send_one(client: ServerClient, found: FoundFile, format: str, share: Callable[[float], None]) -> Sent:  # noqa: A002
    job: str | None = None
    try:
        file, first = await asyncio.to_thread(_open, found.path)
        modified_at = datetime.fromtimestamp(found.path.stat().st_mtime, UTC).isoformat()
    except OSError as error:
        return Sent(found, error=f"can't be read: {error.strerror}", code="unreadable_file")
    try:
        with file:
            job = await client.upload(
                _chunks(first, file, share),
                name=found.path.name,
                project=found.project,
                format=format,
                modified_at=modified_at,
                directory=found.directory,
            )
        done = await _wait_for_job(client, job, share)
    except ServerRefused as error:
        return Sent(found, job, error=of_ingest(error.message), code=error.code)
    if done["state"] == "failed":
        return Sent(found, job, error=of_ingest(done["error"]["message"]), code=done["error"]["code"])
    return Sent(found, job, result=done["result"])


async def _wait_for_job(client: ServerClient, job: str, share: Callable[[float], None]) -> Json:
    pause = POLL_FIRST
    while True:
        found = await client.get(f"/v1/jobs/{job}")
        if found["state"] in {"done", "failed"}:
            return found
        progress = found["progress"]
        share(0.5 + 0.5 * progress["done"] / max(progress["total"], 1))
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, POLL_MAX)


def _open(path: Path) -> tuple[IO[bytes], bytes]:
    """Open the file and read its first chunk, so that an unreadable file is reported before anything is sent."""
    making = next((make for is_its, make in MADE if is_its(path)), None)
    file = making(path) if making is not None else path.open("rb")
    try:
        return file, file.read(CHUNK_BYTES)
    except OSError:
        file.close()
        raise


async def _chunks(first: bytes, file: IO[bytes], share: Callable[[float], None]) -> AsyncIterator[bytes]:
    size, sent, chunk = max(os.fstat(file.fileno()).st_size, 1), 0, first
    while chunk:
        yield chunk
        sent += len(chunk)
        share(min(0.5, 0.5 * sent / size))
        chunk = await asyncio.to_thread(file.read, CHUNK_BYTES)

"""The ingest pipeline: transcript → parse → redact → journal → projections.

Every step is idempotent: a job killed at any point and run again leaves the same journal and the same projections.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from app.accounts.accounts import Accounts
from app.accounts.requester import CLOSED, Requester
from app.errors import NotFound, NotPermitted, UnknownFormat
from app.queue.failure import cause_of
from app.queue.forgetting import note_subject
from app.queue.jobs import Done, Job, NewJob, Progress, Queue
from app.sessions.catch_up import CatchUp, CatchUpResult
from app.sessions.event import Event, GivenTranscript, SessionHeader
from app.sessions.file_dates import date_in
from app.sessions.formats import ParseTally, parse
from app.sessions.journal import Journal
from app.sessions.placing import check_open_to, project_of
from app.sessions.purge import WITHHELD, forget_in_jobs
from app.sessions.redacted import size
from app.sessions.renaming import former_headers, rename_former
from app.sessions.runs import merged_header, runs_of
from app.sessions.uploads import Upload, Uploads
from app.settings import SessionsSettings
from app.storage.database import Database
from app.storage.generator_thread import through_thread
from app.telemetry import metrics

INGEST = "ingest"
EVENTS_PER_BATCH, CHARS_PER_BATCH = 500, 2_000_000
SESSIONS_AT_ONCE = 3
READ_SHARE, PROJECT_SHARE = 0.5, 0.45
"""Shares of a job's progress (in bytes of the upload) for reading and for projecting; the rest is indexing."""
PURGED, ANOTHERS = "session was purged after this transcript was sent", "session is another developer's"
CLOSED_TO_SENDER = "session's project isn't open to its sender"


class _NotAdmitted(Exception):
    """The reason why a session of a transcript is skipped. Rolls back what `Journal.open` wrote."""


@dataclass(slots=True)
class TranscriptReading:
    """Running totals of reading one transcript. `refused`: (reason, session) pairs already counted."""

    tally: ParseTally = field(default_factory=ParseTally)
    sessions: dict[UUID, None] = field(default_factory=dict)
    new: int = 0
    known: int = 0
    redactions: Counter[str] = field(default_factory=Counter)
    refused: set[tuple[str, str]] = field(default_factory=set)

    def refuse(self, why: str, session: str) -> None:
        if (why, session) not in self.refused:
            self.tally.skip(why)
        self.refused.add((why, session))


class Intake:
    """Accepts transcripts and runs the jobs that ingest them."""

    def __init__(
        self,
        *,
        limits: SessionsSettings,
        database: Database,
        accounts: Accounts,
        queue: Queue,
        uploads: Uploads,
        journal: Journal,
        catch_up: CatchUp,
    ) -> None:
        self._limits = limits
        self._database = database
        self._accounts = accounts
        self._queue = queue
        self._uploads = uploads
        self._journal = journal
        self._catch_up = catch_up

    async def submit(self, requester: Requester, stream: AsyncIterator[bytes], given: GivenTranscript, *, limit: int) -> UUID:
        """Store a transcript and enqueue its job; both are committed on return. Returns the job's id. NotPermitted: `project` is closed."""
        requester.check("write")
        if given.project is not None and requester.closed:
            project_id = await self._accounts.project_named(requester.team_id, given.project)
            if project_id in requester.closed:
                raise NotPermitted(CLOSED)

        async def enqueue(connection: AsyncConnection, upload_id: UUID) -> UUID:
            job = NewJob(
                kind=INGEST,
                payload={"upload_id": str(upload_id)},
                team_id=requester.team_id,
                developer_id=requester.developer_id,
                lane=None if given.project is None else f"{requester.team_id}:{given.project}",
            )
            return await self._queue.enqueue(connection, job)

        return await self._uploads.receive(requester, stream, given, limit=limit, complete=enqueue)

    async def ingest(self, job: Job, progress: Progress) -> Done:
        """Run the job behind `submit`: journal the upload and project the sessions it touched. When done, they are searchable."""
        upload = await self._uploads.get(UUID(job.payload["upload_id"]))
        reading = await self._read(job, upload, progress)
        metrics.unknown_records(upload.format, reading.tally.unknown)
        if not reading.sessions and not reading.refused:
            raise UnknownFormat(_unreadable_message(upload, reading))
        if not reading.sessions and all(why == ANOTHERS for why, _ in reading.refused):
            raise NotPermitted(_other_developers_message(upload, len(reading.refused)))
        if not reading.sessions and all(why in {ANOTHERS, CLOSED_TO_SENDER} for why, _ in reading.refused):
            raise NotPermitted(CLOSED)
        done = await self._project_all(upload, list(reading.sessions), progress)
        await self._catch_up.drain(done)
        await progress(upload.bytes, upload.bytes)

        async def closing(connection: AsyncConnection) -> None:
            for gone in await self._journal.missing(connection, reading.sessions.keys()):  # purged since: forget the file's name too
                await forget_in_jobs(connection, upload.team_id, gone)
            await self._uploads.delete(connection, upload.id)
            await self._catch_up.cancel_waiting(connection, upload.team_id, reading.sessions.keys())
            await self._catch_up.enqueue_postponed(connection, job, done)

        return Done(_report(upload, reading, self._catch_up.report(done)), closing=closing)

    async def _project_all(self, upload: Upload, sessions: Sequence[UUID], progress: Progress) -> CatchUpResult:
        """Project the sessions, a few concurrently: with many short ones, most time is spent waiting for the database."""
        done, finished = CatchUpResult(), 0
        waiting = iter(sessions)

        async def project_waiting() -> None:
            nonlocal finished
            for session_id in waiting:
                await self._catch_up.bring_up_to_date(upload.team_id, session_id, done, background=False)
                finished += 1
                share = READ_SHARE + PROJECT_SHARE * finished / len(sessions)
                await progress(int(upload.bytes * share), upload.bytes)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(SESSIONS_AT_ONCE, len(sessions))):
                    group.create_task(project_waiting())
        except ExceptionGroup as failed:
            raise cause_of(failed) from failed
        return done

    async def _read(self, job: Job, upload: Upload, progress: Progress) -> TranscriptReading:
        """Parse the upload and append the new events to the journal, batch by batch."""
        reading = TranscriptReading()
        read = Counter[str]()

        async def chunks() -> AsyncIterator[bytes]:
            async for chunk in self._uploads.chunks(upload.id):
                yield chunk
                read["bytes"] += len(chunk)

        current: UUID | None = None
        header: SessionHeader | None = None
        parsed = through_thread(
            chunks(),
            lambda source: parse(source, format=upload.format, limits=self._limits, tally=reading.tally),
            batch=EVENTS_PER_BATCH,
            size=lambda each: size([each]) if isinstance(each, Event) else 0,
            max_size=CHARS_PER_BATCH,
        )
        async for batch in parsed:
            for found, events in runs_of(batch):
                header = found if header is None else merged_header(header, found)
                if not events:
                    continue
                if header is not None:
                    opened, header = header, None
                    current = await self._admit(job, upload, opened, reading)
                if current is not None and not await self._append(current, events, reading):
                    reading.refuse(PURGED, str(current))
                    current = None
            await progress(int(read["bytes"] * READ_SHARE), upload.bytes)
        if header is not None and current is not None:  # a title that was given at the end
            await self._admit(job, upload, header, reading)
        return reading

    async def _append(self, session_id: UUID, events: Sequence[Event], reading: TranscriptReading) -> bool:
        """Append events to a session. Return False if it was purged meanwhile; the file's other sessions are still read."""
        try:
            appended = await self._journal.append(session_id, events)
        except NotFound:
            return False
        reading.new += appended.new
        reading.known += appended.known
        reading.redactions.update(appended.redactions)
        return True

    async def _admit(self, job: Job, upload: Upload, header: SessionHeader, reading: TranscriptReading) -> UUID | None:
        """Return the session for the next events; None, counted once per session, if they must not be added."""
        try:
            session_id = await self._open(job, upload, header, reading)
        except _NotAdmitted as why:
            reading.refuse(str(why), header.external_id)
            return None
        reading.sessions[session_id] = None
        return session_id

    async def _open(self, job: Job, upload: Upload, header: SessionHeader, reading: TranscriptReading) -> UUID:
        """Open the session and note it at the job. Raises _NotAdmitted: it was purged since the upload, is another's or closed."""
        async with self._database.begin() as connection:  # rolled back where it isn't admitted
            if header.directory is None and header.repository is None:
                header = replace(header, directory=upload.directory)
            if header.formerly:
                await rename_former(connection, upload.team_id, upload.developer_id, header)
            project_id = await project_of(connection, self._accounts, upload.team_id, header, upload.project)
            session_id = await self._journal.open(
                connection,
                team_id=upload.team_id,
                project_id=project_id,
                developer_id=upload.developer_id,
                header=header,
                transcript=upload.transcript,
                file_dated_at=date_in(upload.transcript) or upload.modified_at,
            )
            for named in (header, *former_headers(header)):
                if await self._journal.purged_since(connection, upload.team_id, named, upload.created_at):
                    raise _NotAdmitted(PURGED)
            if not await self._journal.may_add(connection, session_id, upload.developer_id):
                raise _NotAdmitted(ANOTHERS)
            try:
                await check_open_to(connection, self._accounts, await self._journal.project_of(connection, session_id), upload.developer_id)
            except NotPermitted:
                raise _NotAdmitted(CLOSED_TO_SENDER) from None
            if session_id not in reading.sessions:
                await note_subject(connection, job, session_id)
            return session_id


def _unreadable_message(upload: Upload, reading: TranscriptReading) -> str:
    """Explain why no session could be read from a transcript."""
    why = f" The first problem, at {(first := reading.tally.problems[0])[0]}: {first[1]}" if reading.tally.problems else ""
    return f"No session could be read from {upload.transcript} as {upload.format} ({reading.tally.lines} lines).{why}"


def _other_developers_message(upload: Upload, sessions: int) -> str:
    """Explain that nothing of a transcript was stored, because others had sent its sessions."""
    what = "The session" if sessions == 1 else f"Each of the {sessions} sessions"
    return (
        f"{what} in {upload.transcript} belongs to another developer: only the first sender of a session can add to it. Nothing of "
        "the file was stored. Let that developer send it, or use the admin key."
    )


def _report(upload: Upload, reading: TranscriptReading, projected: dict[str, object]) -> dict[str, object]:
    """Build the job's result. If the file holds a purged session, omit its name and its problems."""
    purged = any(why == PURGED for why, _ in reading.refused)
    told = WITHHELD | {"skipped": {PURGED: reading.tally.skipped[PURGED]}} if purged else {}
    return {
        "transcript": upload.transcript,
        "format": upload.format,
        "sessions": [str(session) for session in reading.sessions],
        "lines": reading.tally.lines,
        "events": {"new": reading.new, "known": reading.known},
        "skipped": dict(reading.tally.skipped),
        "unknown": dict(reading.tally.unknown),
        "problems": [{"locator": locator, "reason": reason} for locator, reason in reading.tally.problems],
        "redactions": dict(reading.redactions),
        **projected,
    } | told

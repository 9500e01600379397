"""A session goes in: transcript → parse → redact → journal → its projections. The pipeline, top to bottom.

Every step can be repeated: a job that was killed anywhere and runs again ends with the same journal and the same that is derived from it.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from app.accounts.accounts import Accounts
from app.accounts.identity import identify
from app.accounts.requester import Requester
from app.errors import NotFound, UnknownFormat
from app.queue.failure import cause_of
from app.queue.forgetting import note_subject
from app.queue.jobs import Job, Queue
from app.queue.worker import Done, Progress
from app.sessions.catch_up import CatchUp, CaughtUp
from app.sessions.event import Event, SessionHeader
from app.sessions.formats import Tally, parse
from app.sessions.formats.values import believed
from app.sessions.journal import FACTS, Journal
from app.sessions.live import UNNAMED_PROJECT
from app.sessions.purge import UNTOLD, forget_in_jobs
from app.sessions.redacted import size
from app.sessions.stream import through_thread
from app.sessions.uploads import GivenTranscript, Upload, Uploads
from app.settings import Sessions as Limits
from app.storage.database import Database

INGEST = "ingest"
EVENTS_PER_BATCH, CHARS_PER_BATCH = 500, 2_000_000
SESSIONS_AT_ONCE = 3
READ_SHARE, PROJECT_SHARE = 0.5, 0.45
"""How a job's progress (in bytes of the upload) is shared out: reading, projecting; the rest is indexing."""
PURGED, ANOTHERS = "session was purged after this transcript was sent", "session is another developer's"


_DAY, _CLOCK = r"(20\d\d)[-_.]?(0[1-9]|1[0-2])[-_.]?(0[1-9]|[12]\d|3[01])", r"([01]\d|2[0-3])[-:_.h]?([0-5]\d)(?:[-:_.m]?([0-5]\d))?"
_DATED = re.compile(rf"(?<!\d){_DAY}(?:[T_ -]+{_CLOCK})?(?!\d)")


class _NotAdmitted(Exception):
    """Why a session of a transcript is left alone. Rolls back what `open` made or filled in."""


@dataclass(slots=True)
class Reading:
    """What reading one transcript found so far."""

    tally: Tally = field(default_factory=Tally)
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
    def __init__(
        self,
        *,
        limits: Limits,
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
        """Take a transcript in. When this returns, the bytes and the job that reads them are committed. Returns the job's id."""
        requester.check("write")

        async def enqueue(connection: AsyncConnection, upload_id: UUID) -> UUID:
            return await self._queue.enqueue(
                connection,
                kind=INGEST,
                payload={"upload_id": str(upload_id)},
                team_id=requester.team_id,
                developer_id=requester.developer_id,
                lane=None if given.project is None else f"{requester.team_id}:{given.project}",
            )

        return await self._uploads.receive(requester, stream, given, limit=limit, complete=enqueue)

    async def ingest(self, job: Job, progress: Progress) -> Done:
        """The job behind `submit`: read the upload into the journal, project every session that it touched. Done means searchable."""
        upload = await self._uploads.get(UUID(job.payload["upload_id"]))
        reading = await self._read(job, upload, progress)
        if not reading.sessions and not reading.refused:
            raise UnknownFormat(_nothing(upload, reading))
        done = await self._project_all(upload, list(reading.sessions), progress)
        await self._catch_up.drain(done)
        await progress(upload.bytes, upload.bytes)

        async def closing(connection: AsyncConnection) -> None:
            for gone in await self._journal.missing(connection, reading.sessions.keys()):  # purged since: its file has no name any more
                await forget_in_jobs(connection, upload.team_id, gone)
            await self._uploads.delete(connection, upload.id)
            await self._catch_up.take_back(connection, upload.team_id, reading.sessions.keys())
            await self._catch_up.go_on_later(connection, job, done)

        return Done(_report(upload, reading, self._catch_up.report(done)), closing=closing)

    async def _project_all(self, upload: Upload, sessions: Sequence[UUID], progress: Progress) -> CaughtUp:
        """Project the sessions, some at once: a file of hundreds of short ones waits for the database more than it computes."""
        done, finished = CaughtUp(), 0
        waiting = iter(sessions)

        async def project_waiting() -> None:
            nonlocal finished
            for session_id in waiting:
                await self._catch_up.session(upload.team_id, session_id, done, patient=False)
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

    async def _read(self, job: Job, upload: Upload, progress: Progress) -> Reading:
        """Parse the upload and append what is new to the journal, batch by batch."""
        reading = Reading()
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
            most=CHARS_PER_BATCH,
        )
        async for batch in parsed:
            for found, events in _runs(batch):
                header = found if header is None else _merged(header, found)
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

    async def _append(self, session_id: UUID, events: Sequence[Event], reading: Reading) -> bool:
        """False: the session was purged meanwhile. The file's others are read on."""
        try:
            appended = await self._journal.append(session_id, events)
        except NotFound:
            return False
        reading.new += appended.new
        reading.known += appended.known
        reading.redactions.update(appended.redactions)
        return True

    async def _admit(self, job: Job, upload: Upload, header: SessionHeader, reading: Reading) -> UUID | None:
        """The session that the next events belong to; None where they must not be added, which is counted once a session."""
        try:
            session_id = await self._open(job, upload, header, reading)
        except _NotAdmitted as why:
            reading.refuse(str(why), header.external_id)
            return None
        reading.sessions[session_id] = None
        return session_id

    async def _project(self, connection: AsyncConnection, upload: Upload, header: SessionHeader) -> UUID:
        """The one that was named with the upload; else by the session's repository or folder."""
        identity = None if upload.project else identify(header.repository, header.directory)
        if identity is not None:
            return await self._accounts.project_for(connection, upload.team_id, identity)
        return await self._accounts.project_id(connection, upload.team_id, upload.project or UNNAMED_PROJECT)

    async def _open(self, job: Job, upload: Upload, header: SessionHeader, reading: Reading) -> UUID:
        """The session's id, noted at the job. _NotAdmitted when it was purged while the upload waited, or is another developer's."""
        async with self._database.begin() as connection:  # rolled back where it isn't admitted
            project_id = await self._project(connection, upload, header)
            session_id = await self._journal.open(
                connection,
                team_id=upload.team_id,
                project_id=project_id,
                developer_id=upload.developer_id,
                header=header,
                transcript=upload.transcript,
                file_dated_at=date_in(upload.transcript) or upload.modified_at,
            )
            if await self._journal.purged_since(connection, upload.team_id, header, upload.created_at):
                raise _NotAdmitted(PURGED)
            if not await self._journal.may_add(connection, session_id, upload.developer_id):
                raise _NotAdmitted(ANOTHERS)
            if session_id not in reading.sessions:
                await note_subject(connection, job, session_id)
            return session_id


def date_in(name: str) -> datetime | None:
    """The date, and the time where it is there, that a file's name tells. None: it tells none that can be believed."""
    for found in _DATED.finditer(name):
        year, month, day, hour, minute, second = (int(part) if part else 0 for part in found.groups())
        try:
            return believed(datetime(year, month, day, hour, minute, second, tzinfo=UTC))
        except ValueError:
            continue
    return None


def _merged(header: SessionHeader, later: SessionHeader | None) -> SessionHeader:
    """A header that came before any event of its session, and a later one: facts of the first, filled up from the second."""
    if later is None or (later.provider, later.external_id) != (header.provider, header.external_id):
        return later or header
    filled = {name: getattr(header, name) or getattr(later, name) for name in ("title", "started_at", *FACTS)}
    if later.title_given:
        filled["title"] = later.title
    return replace(later, **filled, title_given=header.title_given or later.title_given)


def _runs(batch: Sequence[SessionHeader | Event]) -> list[tuple[SessionHeader | None, list[Event]]]:
    """Split a batch at its headers: (the header that opens the run, or None where the run goes on, its events)."""
    runs: list[tuple[SessionHeader | None, list[Event]]] = [(None, [])]
    for each in batch:
        if isinstance(each, SessionHeader):
            runs.append((each, []))
        else:
            runs[-1][1].append(each)
    return runs


def _nothing(upload: Upload, reading: Reading) -> str:
    """Why a transcript of which no session could be read was refused."""
    why = f" The first problem, at {(first := reading.tally.problems[0])[0]}: {first[1]}" if reading.tally.problems else ""
    return f"No session could be read from {upload.transcript} as {upload.format} ({reading.tally.lines} lines).{why}"


def _report(upload: Upload, reading: Reading, projected: dict[str, object]) -> dict[str, object]:
    """What was read, skipped and found: the job's result. Of a file that holds what was purged, neither its name nor its faults."""
    purged = any(why == PURGED for why, _ in reading.refused)
    told = UNTOLD | {"skipped": {PURGED: reading.tally.skipped[PURGED]}} if purged else {}
    return {
        "transcript": upload.transcript,
        "format": upload.format,
        "sessions": [str(session) for session in reading.sessions],
        "lines": reading.tally.lines,
        "events": {"new": reading.new, "known": reading.known},
        "skipped": dict(reading.tally.skipped),
        "problems": [{"locator": locator, "reason": reason} for locator, reason in reading.tally.problems],
        "redactions": dict(reading.redactions),
        **projected,
    } | told

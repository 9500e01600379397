"""Follows transcripts while they grow: journals each piece as it comes, and in the same transaction how far the file is read.

A format's reader is kept in memory between the pieces. Where it is gone (another process, a restart, too many files), or the client is
elsewhere in the file, the client is told from where to send: what is known already changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.accounts.accounts import Accounts
from app.accounts.requester import Requester
from app.errors import NotPermitted, TooLarge
from app.sessions.append import EventBatch
from app.sessions.captures import Captures
from app.sessions.event import Format, GivenPiece, SessionHeader
from app.sessions.file_dates import date_in
from app.sessions.formats import HEAD_BYTES, check_text, detect
from app.sessions.formats.growing import GrowingTranscript
from app.sessions.journal import LIVE_AFTER, Journal, stored_agent
from app.sessions.placing import check_open_to, project_of
from app.sessions.reading_files import MAX_WHOLE, Following, ReadingFiles
from app.sessions.redacted import Storable
from app.sessions.renaming import former_headers, rename_former
from app.sessions.runs import merged_header, runs_of
from app.sessions.tables import FollowedRow
from app.sessions.uploads import base_name
from app.settings import SessionsSettings
from app.storage.database import Database, rows_of
from app.telemetry import metrics

BULK_PIECE, BULK_AFTER = 128 * 1024, timedelta(seconds=5)
"""A piece this long is history, whose projection waits behind what happens now."""
FOLLOWED_DAYS = 400


@dataclass(frozen=True, slots=True)
class PieceTaken:
    """`offset`: from where to send next; where that isn't the piece's end, the piece was not taken. `new`: events journalled.

    `resumed`: whether the file is read on where it ended, or only whole; None: not known before its beginning comes.
    """

    offset: int
    new: int = 0
    resumed: bool | None = None


@dataclass(frozen=True, slots=True)
class FollowedTranscript:
    """A file and its journalled length. `tail`: see `growing.tail_of`. `ended`: nothing of it waits in a reader."""

    source: str
    offset: int
    tail: str
    ended: bool


class TranscriptFollower:
    """Journals growing transcripts, piece by piece."""

    def __init__(self, *, limits: SessionsSettings, database: Database, accounts: Accounts, journal: Journal, captures: Captures) -> None:
        self._limits = limits
        self._database = database
        self._accounts = accounts
        self._journal = journal
        self._captures = captures
        self._files = ReadingFiles()

    async def take(self, requester: Requester, piece: GivenPiece) -> PieceTaken:
        """Journal a piece, with how far the file is read. Idempotent.

        UnknownFormat, InvalidInput, TooLarge, Unavailable: nothing was taken.
        """
        requester.check("write")
        owner = _owner(requester)
        if piece.offset == 0:
            begun = Following(GrowingTranscript(_format(piece), self._limits))
            self._files.add(owner, piece.source, begun, whole=piece.end)
        following = self._files.get(owner, piece.source)
        if following is None:
            return PieceTaken(0)
        async with following.lock:
            if following.transcript.offset != piece.offset:
                return PieceTaken(following.transcript.offset, 0, following.transcript.resumed)
            try:
                new = await self._journal_piece(requester, following, piece)
            except BaseException:  # the reader is ahead of the journal
                self._files.forget(owner, piece.source, following)
                raise
            if piece.end:
                self._files.forget(owner, piece.source, following)
        if following.session_id is not None and following.agent is not None:
            await self._captures.record(requester.team_id, requester.developer_id, following.agent, "watch")
        return PieceTaken(following.transcript.offset, new, following.transcript.resumed)

    async def followed(self, requester: Requester, *, after: str = "", limit: int) -> Sequence[FollowedTranscript]:
        """List how far the requester's own files are journalled, by source."""
        requester.check("write")
        query = (
            select(FollowedRow.source, FollowedRow.offset, FollowedRow.tail, FollowedRow.ended)
            .where(FollowedRow.owner_id == _owner(requester), FollowedRow.source > after)
            .order_by(FollowedRow.source)
            .limit(limit)
        )
        return [FollowedTranscript(*row) for row in await self._database.read(rows_of(query))]

    async def sweep(self) -> int:
        """Delete the offsets of files that have not grown for FOLLOWED_DAYS; return their number."""
        async with self._database.begin() as connection:
            old = FollowedRow.updated_at < func.now() - timedelta(days=FOLLOWED_DAYS)
            return (await connection.execute(delete(FollowedRow).where(old))).rowcount

    async def _journal_piece(self, requester: Requester, following: Following, piece: GivenPiece) -> int:
        if not following.transcript.resumed and piece.offset + len(piece.data) > MAX_WHOLE:
            raise TooLarge(
                f"A file of this format is followed up to {MAX_WHOLE:,} bytes: send it with `cairn ingest` (POST /v1/sessions).",
                param="offset",
            )
        found = await asyncio.to_thread(following.transcript.feed, piece.data, end=piece.end)
        if not following.transcript.resumed and not piece.end:
            return 0
        runs = [(header, await self._journal.storable(events)) for header, events in runs_of(found)]
        async with self._database.begin() as connection:
            since = await self._reached(connection, requester, following, piece)
            return await self._write(connection, requester, following, piece, runs, since)

    async def _write(
        self,
        connection: AsyncConnection,
        requester: Requester,
        following: Following,
        piece: GivenPiece,
        runs: Sequence[tuple[SessionHeader | None, Sequence[Storable]]],
        since: datetime,
    ) -> int:
        if requester.closed and following.session_id is not None:  # closed meanwhile, perhaps
            known = await self._journal.project_of(connection, following.session_id)
            following.session_id = None if known in requester.closed else following.session_id
        new, after = 0, LIVE_AFTER if len(piece.data) < BULK_PIECE else BULK_AFTER
        for header, rows in runs:
            if header is not None:
                following.header = header if following.header is None else merged_header(following.header, header)
            if not rows:
                continue
            if following.header is not None:
                opened, following.header = following.header, None
                following.session_id = await self._open(connection, requester, following, piece, opened, since)
            if following.session_id is None:
                continue
            (done,) = await self._journal.write(
                connection, [EventBatch(following.session_id, rows, from_file=True)], wait=True, after=after
            )
            if done is None:  # purged meanwhile
                following.session_id = None
                continue
            new += done.new
            metrics.live_events(accepted=done.new, duplicates=done.known)
            metrics.redacted(done.redactions)
        if following.header is not None and following.session_id is not None:  # a title that was given at the end
            opened, following.header = following.header, None
            following.session_id = await self._open(connection, requester, following, piece, opened, since)
        return new

    async def _open(
        self,
        connection: AsyncConnection,
        requester: Requester,
        following: Following,
        piece: GivenPiece,
        header: SessionHeader,
        since: datetime,
    ) -> UUID | None:
        """Open the session; None where its events must not be added: it is another's, closed to them, or was purged since `since`."""
        header = replace(header, directory=header.directory or piece.directory, repository=header.repository or piece.repository)
        async with connection.begin_nested() as tried:
            if header.formerly:
                await rename_former(connection, requester.team_id, requester.developer_id, header)
            session_id = await self._journal.open(
                connection,
                team_id=requester.team_id,
                project_id=await project_of(connection, self._accounts, requester.team_id, _placed(header, piece), piece.project),
                developer_id=requester.developer_id,
                header=header,
                transcript=base_name(piece.name),
                file_dated_at=date_in(piece.name) or piece.modified_at,
            )
            names = (header, *former_headers(header))
            purged = [await self._journal.purged_since(connection, requester.team_id, each, since) for each in names]
            if any(purged) or not await self._journal.may_add(connection, session_id, requester.developer_id):
                await tried.rollback()
                return None
            try:
                await check_open_to(
                    connection, self._accounts, await self._journal.project_of(connection, session_id), requester.developer_id
                )
            except NotPermitted:
                await tried.rollback()
                return None
        following.agent = stored_agent(header)
        return session_id

    async def _reached(self, connection: AsyncConnection, requester: Requester, following: Following, piece: GivenPiece) -> datetime:
        """Write how far the file is read; return when it was first seen."""
        values = {"offset": following.transcript.offset, "tail": following.transcript.tail, "ended": piece.end}
        row = upsert(FollowedRow).values(owner_id=_owner(requester), source=piece.source, team_id=requester.team_id, **values)
        again = row.on_conflict_do_update(index_elements=["owner_id", "source"], set_={**values, "updated_at": func.clock_timestamp()})
        return (await connection.execute(again.returning(FollowedRow.created_at))).scalar_one()


def _placed(header: SessionHeader, piece: GivenPiece) -> SessionHeader:
    """Return the header by which the session is placed: its client knows the repository of a worktree, the transcript only the folder."""
    return replace(header, directory=piece.directory or header.directory)


def _owner(requester: Requester) -> UUID:
    return requester.developer_id or requester.team_id


def _format(piece: GivenPiece) -> Format:
    if piece.format == "auto":
        return detect(piece.data[:HEAD_BYTES])
    check_text(piece.data[:HEAD_BYTES])
    return piece.format

"""Hands items out to be checked against the code, and stores what was found. The check (`app.freshness`) may run on another machine.

Marks are of the words that were checked (their revision): those of words that changed meanwhile aren't stored.
"""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.accounts.accounts import Accounts
from app.accounts.identity import of_repository
from app.accounts.requester import Requester
from app.clock import now
from app.freshness.marking import MAX_MARKS, told_by
from app.knowledge.changes import invalidate_projects
from app.knowledge.edits import revision_of
from app.knowledge.item import CheckableItem, CodeMark, GivenMark
from app.knowledge.locks import lock_project
from app.knowledge.marks import (
    EXPIRY,
    expired_project,
    forget_expired,
    forget_oldest_marks,
    forget_repository,
    mark_of,
    set_code_verdicts,
)
from app.knowledge.tables import CodeMarkRow, EvidenceRow, ItemRow
from app.redaction.labels import free_text
from app.sessions.journal import Journal
from app.sessions.session import CitedSession
from app.storage.database import Database
from app.storage.pages import EntryPage, PageWanted, page_of, paged
from app.storage.tables import AnyRow

_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]*@")
COMMIT_MARGIN = timedelta(hours=1)
"""Commits until so long after a session's end hold the code that it speaks of, so they are no change since."""


@dataclass(frozen=True, slots=True)
class StoredMarks:
    """`stored`: marks that say something new. `outdated`: of items that are gone, corrected or taught again since: check those again."""

    stored: int
    outdated: int


@dataclass(frozen=True, slots=True)
class CheckedProject:
    """A project of a team, and the person who checks it; `developer_id` None: an admin, or the worker."""

    team_id: UUID
    project_id: UUID
    developer_id: UUID | None = None


class CodeChecking:
    """Reads the items that can be checked, and stores their marks."""

    def __init__(self, database: Database, accounts: Accounts, journal: Journal) -> None:
        self._database = database
        self._accounts = accounts
        self._journal = journal

    async def project(self, requester: Requester, name: str) -> CheckedProject:
        """Return the named project for its items to be checked. NotFound if there is none that is open to the requester."""
        requester.check("write")
        project_id = await self._accounts.open_project(requester.team_id, name, closed=requester.closed)
        return CheckedProject(requester.team_id, project_id, requester.developer_id)

    async def page(self, project: CheckedProject, repository: str, wanted: PageWanted) -> EntryPage[CheckableItem]:
        """Return a page of the project's items that people's verdicts don't hide, with their marks of this repository."""
        query = select(*_COLUMNS).where(ItemRow.project_id == project.project_id, ItemRow.team_id == project.team_id, ~ItemRow.hidden)

        async def read(connection: AsyncConnection) -> tuple[Sequence[AnyRow], Mapping[UUID, CodeMark], Mapping[UUID, list[AnyRow]]]:
            rows = (await connection.execute(paged(query, ItemRow, wanted))).all()
            ids = [row.id for row in rows]
            return rows, await _marks(connection, ids, name), await _evidence(connection, ids)

        name = await asyncio.to_thread(repository_name, repository)
        rows, marks, evidence = await self._database.read(read)
        sessions = await self._sessions(project, evidence)
        return page_of([_checkable(row, marks.get(row.id), evidence.get(row.id, ()), sessions) for row in rows], wanted)

    async def store(self, project: CheckedProject, repository: str, marks: Sequence[GivenMark]) -> StoredMarks:
        """Store marks, at most MAX_MARKS, in place of those of the same items and repository.

        Of a mark that says what was known, only when and of which commit it is: no cached result is of less use for it.
        """
        name = await asyncio.to_thread(repository_name, repository)
        given = {each.id: each for each in await asyncio.to_thread(_redacted, marks)}
        # Not within the transaction, which holds a lock: it is over another connection.
        sessions = await self._sessions(project, await self._database.read(lambda connection: _evidence(connection, list(given))))
        async with self._database.begin() as connection:
            await lock_project(connection, project.project_id)
            evidence = await _evidence(connection, list(given))
            found = select(*_COLUMNS).where(ItemRow.id.in_(given), ItemRow.project_id == project.project_id)
            rows = await connection.execute(found)
            current = sorted(row.id for row in rows if _is_current(given[row.id], row, _last_said(row, evidence.get(row.id, ()), sessions)))
            known = await _marks(connection, current, name)
            new = [item for item in current if item not in known or told_by(known[item]) != told_by(given[item].mark)]
            if current:
                await _replace(connection, [_row(given[item], name, project.developer_id) for item in current])
            if new:
                await forget_oldest_marks(connection, new)
                await self._derive(connection, project.project_id, project.team_id, new)
        return StoredMarks(len(new), len(given) - len(current))

    async def remove(self, project: CheckedProject, repository: str) -> int:
        """Remove the marks of a repository from a project's items. Returns their number."""
        name = await asyncio.to_thread(repository_name, repository)
        async with self._database.begin() as connection:
            await lock_project(connection, project.project_id)
            items = await forget_repository(connection, project.project_id, name)
            if items:
                await self._derive(connection, project.project_id, project.team_id, items)
        return len(items)

    async def expire(self) -> int:
        """Remove a batch of the marks that no check has confirmed for EXPIRY, of one project. Returns their number."""
        before = now() - EXPIRY
        async with self._database.begin() as connection:
            if (scope := await expired_project(connection, before)) is None:
                return 0
            project_id, team_id = scope
            await lock_project(connection, project_id)
            items = await forget_expired(connection, project_id, before)
            if items:
                await self._derive(connection, project_id, team_id, set(items))
        return len(items)

    async def _sessions(self, project: CheckedProject, evidence: Mapping[UUID, Sequence[AnyRow]]) -> Mapping[UUID, CitedSession]:
        return await self._journal.cited(project.team_id, {each.session_id for some in evidence.values() for each in some})

    @staticmethod
    async def _derive(connection: AsyncConnection, project_id: UUID, team_id: UUID, items: Collection[UUID]) -> None:
        ordered = sorted(items)
        for start in range(0, len(ordered), MAX_MARKS):
            await set_code_verdicts(connection, ordered[start : start + MAX_MARKS])
        await invalidate_projects(connection, [(project_id, team_id)])


def repository_name(repository: str) -> str:
    """Return the one name of a repository for all its clones: its remote's identity, else what was given. No secret is left in it."""
    identity = of_repository(repository)
    name = _CREDENTIALS.sub("", repository.strip())[:500] if identity is None else identity.key.removeprefix("repository:")
    return free_text(name)


async def _marks(connection: AsyncConnection, ids: Sequence[UUID], repository: str) -> dict[UUID, CodeMark]:
    query = select(CodeMarkRow.__table__).where(CodeMarkRow.knowledge_id.in_(ids), CodeMarkRow.repository == repository)
    return {row.knowledge_id: mark_of(row) for row in await connection.execute(query)}


async def _evidence(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, list[AnyRow]]:
    """Return when each session taught each item last."""
    taught = (EvidenceRow.knowledge_id, EvidenceRow.session_id)
    query = select(*taught, func.max(EvidenceRow.at).label("at")).where(EvidenceRow.knowledge_id.in_(ids)).group_by(*taught)
    found: dict[UUID, list[AnyRow]] = defaultdict(list)
    for row in await connection.execute(query):
        found[row.knowledge_id].append(row)
    return found


def _checkable(row: AnyRow, mark: CodeMark | None, evidence: Collection[AnyRow], sessions: Mapping[UUID, CitedSession]) -> CheckableItem:
    said_at = min(_last_said(row, evidence, sessions), now())
    return CheckableItem(row.id, row.created_at, revision_of(row), row.title, row.text, row.paths, said_at, mark)


def _is_current(given: GivenMark, row: AnyRow, last_said: datetime) -> bool:
    """Tell whether a mark is of what an item says now.

    What was said less than the margin ago was handed out as said at that moment: that far, a time before its last one isn't outdated.
    """
    said_at = last_said if given.said_at is None else given.said_at
    return revision_of(row) == given.revision and said_at >= min(last_said, now() - COMMIT_MARGIN)


def _last_said(item: AnyRow, evidence: Collection[AnyRow], sessions: Mapping[UUID, CitedSession]) -> datetime:
    """Return the time from which changes count: a person's last word, or the margin after the last session's end, whichever is later."""
    written = [at for at in (item.corrected_at, item.created_at if item.origin == "recorded" else None) if at is not None]
    ends = [sessions[each.session_id].ended_at if each.session_id in sessions else None for each in evidence]
    taught = [at + COMMIT_MARGIN for at in (*ends, *(each.at for each in evidence)) if at is not None]
    latest: datetime = max([*written, *taught], default=item.created_at + COMMIT_MARGIN)
    return latest


def _redacted(marks: Sequence[GivenMark]) -> list[GivenMark]:
    """Redact what marks say in words. Names of files and symbols seldom hold a secret, but nothing is stored that wasn't looked through."""
    known: dict[str, str] = {}

    def clean(text: str | None) -> str | None:
        return None if text is None else known[text] if text in known else known.setdefault(text, free_text(text))

    def mark(given: CodeMark) -> CodeMark:
        return replace(given, path=clean(given.path), symbol=clean(given.symbol), former_path=clean(given.former_path))

    return [replace(each, mark=mark(each.mark)) for each in marks]


def _row(given: GivenMark, repository: str, developer_id: UUID | None) -> dict[str, object]:
    values = {each.name: getattr(given.mark, each.name) for each in fields(CodeMark)}
    return {**values, "knowledge_id": given.id, "repository": repository, "checked_at": now(), "developer_id": developer_id}


async def _replace(connection: AsyncConnection, rows: Sequence[dict[str, object]]) -> None:
    row = upsert(CodeMarkRow).values(list(rows))
    replaced = {name: row.excluded[name] for name in rows[0] if name not in {"knowledge_id", "repository"}}
    await connection.execute(row.on_conflict_do_update(index_elements=["knowledge_id", "repository"], set_=replaced))


_COLUMNS: tuple[Any, ...] = (
    *(ItemRow.id, ItemRow.created_at, ItemRow.type, ItemRow.title, ItemRow.text, ItemRow.paths),
    *(ItemRow.origin, ItemRow.corrected_at),
)

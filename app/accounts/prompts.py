"""Decides since when a project shows the prompts of its sessions, and records who switched that, and who read whose.

A reading is recorded before anything is shown, in a transaction that asks once more whether it is allowed. Holds nothing of what was said.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import aliased

from app.accounts.membership import read_closed_to
from app.accounts.projects import check_current, hold_projects
from app.accounts.requester import PERMISSIONS, PromptAction, Requester
from app.accounts.tables import DeveloperRow, ProjectRow, PromptAuditRow
from app.accounts.views import PromptAuditEntry, PromptAuditFilter, PromptReading, PromptSwitch
from app.errors import NotPermitted
from app.storage.database import Database, rows_of
from app.storage.pages import EntryPage, PageWanted, page_of_log, paged_log

SWITCHES: tuple[PromptAction, ...] = ("shown", "hidden", "merged")
"""Entries of projects, which concern everybody whom the project is open to."""
NOT_ANY_MORE = "What was said in this session is not shown to you any more: reload the page to see why."


async def switch_prompts(connection: AsyncConnection, team_id: UUID, project_id: UUID, wanted: PromptSwitch) -> None:
    """Let a project show prompts from now on, or no longer, in the caller's transaction. What is so already stays, and is no entry.

    NotFound for another team's project.
    """
    await hold_projects(connection, team_id)
    await check_current(connection, team_id, project_id)
    project = (await connection.execute(select(ProjectRow.name, ProjectRow.prompts_shown_since).where(ProjectRow.id == project_id))).one()
    if (project.prompts_shown_since is not None) == wanted.shown:
        return
    await _begin_period(connection, project_id, shown=wanted.shown)
    await _record_switch(connection, team_id, project_id, "shown" if wanted.shown else "hidden", wanted.by)


async def restart_period(connection: AsyncConnection, team_id: UUID, project_id: UUID, *, by: UUID | None) -> None:
    """Begin anew the period in which a project shows prompts, if it does: another was merged into it, whose developers weren't told."""
    since = await connection.scalar(select(ProjectRow.prompts_shown_since).where(ProjectRow.id == project_id))
    if since is not None:
        await _begin_period(connection, project_id, shown=True)
        await _record_switch(connection, team_id, project_id, "merged", by)


class PromptAudit:
    """Writes and reads the audit of prompts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record_reading(self, requester: Requester, reading: PromptReading) -> None:
        """Record that somebody reads another's session. NotPermitted, and nothing recorded, if they may not (any more).

        Once it returns, the entry is committed.
        """
        async with self._database.begin() as connection:
            await _check_reading(connection, requester, reading)
            entry = {
                "session_id": reading.session_id,
                "author_id": reading.author,
                "first_seq": reading.first,
                "last_seq": reading.last,
            }
            await _record(connection, requester.team_id, "read", requester.developer_id, project_id=reading.project_id, entry=entry)

    async def record_export(self, requester: Requester, developers: Collection[UUID], team_id: UUID) -> None:
        """Record that somebody exports all that these other developers sent. Once it returns, the entries are committed."""
        async with self._database.begin() as connection:
            for each in developers:
                await _record(connection, team_id, "exported", requester.developer_id, project_id=None, entry={"author_id": each})

    async def list_page(self, requester: Requester, wanted: PageWanted, among: PromptAuditFilter) -> EntryPage[PromptAuditEntry]:
        """List a page of the entries, of no project that is closed to the requester.

        Without `read_audit` those that concern them: they did it, it was their session, or it is a switch of a project.
        """
        requester.check("read")
        by, author = aliased(DeveloperRow), aliased(DeveloperRow)
        row = PromptAuditRow
        columns = (row.id, row.at, row.action, by.name.label("by_name"), row.project_id, row.project_name, row.session_id)
        query: Select[*tuple[Any, ...]] = (
            select(*columns, author.name.label("author_name"), row.first_seq, row.last_seq)
            .outerjoin(by, by.id == row.by_id)
            .outerjoin(author, author.id == row.author_id)
            .where(row.team_id == requester.team_id, *_visible(requester), *_conditions(among))
        )
        rows = await self._database.read(rows_of(paged_log(query, row.id, row.at, wanted)))
        return page_of_log([PromptAuditEntry(*each) for each in rows], wanted)


async def _check_reading(connection: AsyncConnection, requester: Requester, reading: PromptReading) -> None:
    """Raise NotPermitted unless the project shows its prompts since the same moment, and the reader's role and membership still stand.

    A project that was merged into another meanwhile shows none, whatever it did: its sessions are that one's.
    """
    ours = (ProjectRow.team_id == requester.team_id, ProjectRow.id == reading.project_id, ProjectRow.merged_into.is_(None))
    shown = select(ProjectRow.prompts_shown_since).where(*ours)
    if await connection.scalar(shown.with_for_update(read=True)) != reading.since:
        raise NotPermitted(NOT_ANY_MORE)
    if requester.developer_id is None:
        return
    row = DeveloperRow
    found = (await connection.execute(select(row.role, row.team_id, row.disabled_at).where(row.id == requester.developer_id))).one_or_none()
    if found is None or found.disabled_at is not None or "read_prompts" not in PERMISSIONS[found.role]:
        raise NotPermitted(NOT_ANY_MORE)
    if found.team_id != requester.team_id and found.role != "admin":
        raise NotPermitted(NOT_ANY_MORE)
    if reading.project_id in await read_closed_to(connection, requester.developer_id):
        raise NotPermitted(NOT_ANY_MORE)


def _visible(requester: Requester) -> list[ColumnElement[bool]]:
    row = PromptAuditRow
    conditions: list[ColumnElement[bool]] = []
    if requester.closed:
        conditions.append(or_(row.project_id.is_(None), row.project_id.not_in(requester.closed)))
    if not requester.may("read_audit"):
        me = requester.developer_id
        conditions.append(or_(row.by_id == me, row.author_id == me, row.action.in_(SWITCHES)))
    return conditions


def _conditions(wanted: PromptAuditFilter) -> list[ColumnElement[bool]]:
    row = PromptAuditRow
    conditions: list[ColumnElement[bool]] = []
    if wanted.project_id is not None:
        merged = select(ProjectRow.id).where(ProjectRow.merged_into == wanted.project_id)
        conditions.append(or_(row.project_id == wanted.project_id, row.project_id.in_(merged)))
    if wanted.developer_id is not None:
        conditions.append(or_(row.by_id == wanted.developer_id, row.author_id == wanted.developer_id))
    if wanted.action is not None:
        conditions.append(row.action == wanted.action)
    return conditions


async def _begin_period(connection: AsyncConnection, project_id: UUID, *, shown: bool) -> None:
    since = func.now() if shown else None
    await connection.execute(update(ProjectRow).where(ProjectRow.id == project_id).values(prompts_shown_since=since))


async def _record_switch(connection: AsyncConnection, team_id: UUID, project_id: UUID, action: PromptAction, by: UUID | None) -> None:
    await _record(connection, team_id, action, by, project_id=project_id, entry={})


async def _record(
    connection: AsyncConnection,
    team_id: UUID,
    action: PromptAction,
    by: UUID | None,
    *,
    project_id: UUID | None,
    entry: Mapping[str, object],
) -> None:
    """Write an entry, with the project's name as it is now."""
    name = select(ProjectRow.name).where(ProjectRow.id == project_id).scalar_subquery()
    values = {"team_id": team_id, "action": action, "by_id": by, "project_id": project_id, "project_name": name, **entry}
    await connection.execute(insert(PromptAuditRow).values(values))

"""Lists a team's sessions by what they were about, and exports lists of sessions and items: one call for a route, a page and its table."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from app.accounts.requester import Requester
from app.knowledge.item import ItemFilter
from app.knowledge.reader import ShownItem
from app.services.services import Services
from app.sessions.reader import ShownSession
from app.sessions.session import SessionFilter
from app.storage.pages import EntryPage, every_entry

EXPORT_PAGE: Final = 200


@dataclass(frozen=True, slots=True)
class SessionScope:
    """The sessions that a list is of, by names: a project's, those that a developer sent first, or the requester; None: all."""

    project: str | None = None
    developer: str | None = None
    own: bool = False


async def list_team_sessions(
    services: Services,
    requester: Requester,
    wanted: SessionFilter,
    scope: SessionScope,
    *,
    before: UUID | None = None,
    limit: int,
) -> EntryPage[ShownSession]:
    """List one page of sessions. The words wanted may stand in their titles, or in what was said in them or learnt from them.

    See `SessionReader.list`.
    """
    return await _page_of(services, requester, await _searched(services, requester, wanted), scope, before=before, limit=limit)


async def export_team_sessions(
    services: Services, requester: Requester, wanted: SessionFilter, scope: SessionScope
) -> AsyncGenerator[ShownSession]:
    """Read all sessions of a list, page by page, as far as the requester may see them by then. Errors are raised before the first."""
    lasting = await services.accounts.lasting(requester)
    searched = await _searched(services, requester, wanted)

    async def read(before: str | None) -> EntryPage[ShownSession]:
        last = None if before is None else UUID(before)
        return await _page_of(services, await lasting.now(), searched, scope, before=last, limit=EXPORT_PAGE)

    return every_entry(await read(None), read)


async def export_items(services: Services, requester: Requester, wanted: ItemFilter, *, project: str | None) -> AsyncGenerator[ShownItem]:
    """Read all items of a list, page by page, as `export_team_sessions`."""
    lasting = await services.accounts.lasting(requester)

    async def read(cursor: str | None) -> EntryPage[ShownItem]:
        now = await lasting.now()
        return await services.knowledge.reader.list(now, wanted, project=project, limit=EXPORT_PAGE, cursor=cursor)

    return every_entry(await read(None), read)


async def _searched(services: Services, requester: Requester, wanted: SessionFilter) -> SessionFilter:
    """Add the sessions in which the words wanted were said or learnt."""
    if not wanted.title_words.strip():
        return wanted
    return replace(wanted, about=await services.knowledge.reader.sessions_about(requester, wanted.title_words))


async def _page_of(
    services: Services, requester: Requester, wanted: SessionFilter, scope: SessionScope, *, before: UUID | None, limit: int
) -> EntryPage[ShownSession]:
    reader = services.sessions.reader
    return await reader.list(requester, wanted, project=scope.project, developer=scope.developer, own=scope.own, before=before, limit=limit)

"""Lists a team's sessions by what they were about, and exports lists of sessions and items: one call for a route, a page and its table."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from app.accounts.requester import Requester
from app.knowledge.item import ItemFilter
from app.knowledge.reader import ShownItem, ShownPage
from app.services.services import Services
from app.sessions.reader import SessionPage, ShownSession
from app.sessions.session import SessionFilter

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
) -> SessionPage:
    """List one page of sessions. The words wanted may stand in their titles, or in what was said in them or learnt from them.

    See `SessionReader.list`.
    """
    if wanted.title_words.strip():
        wanted = replace(wanted, about=await services.knowledge.reader.sessions_about(requester, wanted.title_words))
    reader = services.sessions.reader
    return await reader.list(requester, wanted, project=scope.project, developer=scope.developer, own=scope.own, before=before, limit=limit)


async def export_team_sessions(
    services: Services, requester: Requester, wanted: SessionFilter, scope: SessionScope
) -> AsyncGenerator[ShownSession]:
    """Read all sessions of a list, page by page, as far as the requester may see them by then. Errors are raised before the first."""
    lasting = await services.accounts.lasting(requester)

    async def read(before: UUID | None) -> SessionPage:
        return await list_team_sessions(services, await lasting.now(), wanted, scope, before=before, limit=EXPORT_PAGE)

    async def all_of(page: SessionPage) -> AsyncGenerator[ShownSession]:
        while True:
            for each in page.sessions:
                yield each
            if page.next is None:
                return
            page = await read(page.next)

    return all_of(await read(None))


async def export_items(services: Services, requester: Requester, wanted: ItemFilter, *, project: str | None) -> AsyncGenerator[ShownItem]:
    """Read all items of a list, page by page, as `export_team_sessions`."""
    lasting = await services.accounts.lasting(requester)

    async def read(cursor: str | None) -> ShownPage:
        now = await lasting.now()
        return await services.knowledge.reader.list(now, wanted, project=project, limit=EXPORT_PAGE, cursor=cursor)

    async def all_of(page: ShownPage) -> AsyncGenerator[ShownItem]:
        while True:
            for each in page.items:
                yield each
            if page.next is None:
                return
            page = await read(page.next)

    return all_of(await read(None))

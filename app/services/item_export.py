"""Exports a team's knowledge: every item that a list shows, with its newest citations. One call for the route; writes nothing."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any, Final, TypeAlias

from app import clock
from app.accounts.requester import Requester
from app.services.services import Services

ITEM_FORMAT: Final = 1
"""Raised when a record of an export of knowledge changes its meaning."""
Record: TypeAlias = Mapping[str, Any]


async def export_knowledge(services: Services, requester: Requester, *, project: str | None) -> AsyncGenerator[Record]:
    """Yield what the export holds, then the items by id, and at last the end with their number, without which it is cut off.

    `project`: only that one's items; NotFound if there is none that is open to the requester. Errors are raised before the first.
    """
    requester.check("read")
    reader = await services.accounts.lasting(requester)
    project_id = None if project is None else await services.accounts.open_project(requester.team_id, project, closed=requester.closed)
    expected = await services.knowledge.export.count(reader, project_id)

    async def records() -> AsyncGenerator[Record]:
        yield {
            "kind": "export",
            "format": ITEM_FORMAT,
            "team": requester.team,
            "project": project,
            "exported_at": clock.now(),
            "items": expected,
        }
        items = 0
        async for record in services.knowledge.export.records(reader, project_id):
            items += 1
            yield record
        yield {"kind": "end", "items": items}

    return records()

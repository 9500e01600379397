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

    `project`: only that one's items; one that isn't there, or is closed to the requester, has none. Errors are raised before the first.
    """
    requester.check("read")
    reader = await services.accounts.lasting(requester)
    project_id = None if project is None else await services.accounts.project_named(requester.team_id, project, closed=requester.closed)
    none = project is not None and project_id is None
    expected = 0 if none else await services.knowledge.export.count(reader, project_id)

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
        if not none:
            async for record in services.knowledge.export.records(reader, project_id):
                items += 1
                yield record
        yield {"kind": "end", "items": items}

    return records()

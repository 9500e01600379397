"""Exports a team's items as records, page by page, in the order of their ids. Reads only; a page is all that is held at once."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final, TypeAlias
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, tuple_

from app.accounts.accounts import Accounts, LastingRequester
from app.knowledge.edits import revision_of
from app.knowledge.item import Quote
from app.knowledge.tables import ITEM_COLUMNS, NEWEST_EVIDENCE, EvidenceRow, FeedbackRow, ItemRow, RevisionRow
from app.knowledge.weighing import freshness
from app.storage.database import Database, rows_of
from app.storage.tables import AnyRow

PAGE: Final = 100
RELATED_PAGE: Final = 500
MAX_SOURCES: Final = 10
"""Citations of an item, the newest: an item that hundreds of sessions taught stays a short record."""
Record: TypeAlias = Mapping[str, Any]

_EVIDENCE: Final = (
    "session_id", "event_id", "transcript", "locator", "excerpt", "type", "intent", "title", "text", "confidence", "at", "created_at",
)  # fmt: skip
_RELATED: Final[Mapping[str, tuple[type[EvidenceRow] | type[RevisionRow] | type[FeedbackRow], Sequence[str]]]] = {
    "evidence": (EvidenceRow, _EVIDENCE),
    "revision": (RevisionRow, ("action", "developer_id", "by_admin", "type", "title", "text", "paths", "at")),
    "verdict": (FeedbackRow, ("developer_id", "by_admin", "verdict", "note", "at")),
}
"""The kinds of records that belong to an item: their table, and its columns that are exported."""


class ItemExport:
    """Reads items for an export, as far as whoever asked for it may see them by then."""

    def __init__(self, database: Database, accounts: Accounts) -> None:
        self._database = database
        self._accounts = accounts

    async def count(self, reader: LastingRequester, project_id: UUID | None) -> int:
        """Count the items that `records` yields."""
        now = await reader.now()
        query = select(func.count()).where(*_shown(now.team_id, now.closed, project_id))
        return int((await self._database.read(rows_of(query)))[0][0])

    async def records(self, reader: LastingRequester, project_id: UUID | None) -> AsyncGenerator[Record]:
        """Yield the items that lists show, of a project or of all, each with its newest citations."""
        async for page in self._pages(reader, project_id, hidden=False):
            quotes = await self._newest_quotes([row.id for row in page])
            for record in await self._items(page):
                yield {**record, "evidence": [asdict(quote) for quote in quotes.get(record["id"], ())]}

    async def whole_records(self, reader: LastingRequester) -> AsyncGenerator[Record]:
        """Yield every item, also those that are hidden; after each page of them their evidence, revisions and verdicts."""
        async for page in self._pages(reader, None, hidden=True):
            for record in await self._items(page):
                yield record
            for kind in _RELATED:
                async for record in self._related(kind, [row.id for row in page]):
                    yield record

    async def _pages(self, reader: LastingRequester, project_id: UUID | None, *, hidden: bool) -> AsyncIterator[Sequence[AnyRow]]:
        last: UUID | None = None
        while True:
            now = await reader.now()
            query = select(*ITEM_COLUMNS).where(*_shown(now.team_id, now.closed, project_id, hidden=hidden))
            query = query.order_by(ItemRow.id).limit(PAGE)
            page = await self._database.read(rows_of(query if last is None else query.where(ItemRow.id > last)))
            if not page:
                return
            yield page
            last = page[-1].id

    async def _items(self, page: Sequence[AnyRow]) -> list[Record]:
        projects = await self._accounts.project_names(page[0].team_id, {row.project_id for row in page})
        authors = await self._accounts.names({row.developer_id for row in page if row.developer_id is not None})
        return [_item(row, projects.get(row.project_id), authors.get(row.developer_id)) for row in page]

    async def _newest_quotes(self, items: Sequence[UUID]) -> Mapping[UUID, Sequence[Quote]]:
        columns = (EvidenceRow.session_id, EvidenceRow.transcript, EvidenceRow.locator, EvidenceRow.excerpt, EvidenceRow.at)
        place = func.row_number().over(partition_by=EvidenceRow.knowledge_id, order_by=NEWEST_EVIDENCE).label("place")
        ranked = select(EvidenceRow.knowledge_id, *columns, place).where(EvidenceRow.knowledge_id.in_(items)).subquery()
        query = select(ranked).where(ranked.c.place <= MAX_SOURCES).order_by(ranked.c.knowledge_id, ranked.c.place)
        found: dict[UUID, list[Quote]] = {}
        for item, *quote, _ in await self._database.read(rows_of(query)):
            found.setdefault(item, []).append(Quote(*quote))
        return found

    async def _related(self, kind: str, items: Sequence[UUID]) -> AsyncIterator[Record]:
        table, names = _RELATED[kind]
        place = tuple_(table.knowledge_id, table.id)
        columns = [getattr(table, name) for name in names]
        query = select(table.knowledge_id, table.id, *columns).where(table.knowledge_id.in_(items)).order_by(place).limit(RELATED_PAGE)
        after = query
        while rows := await self._database.read(rows_of(after)):
            people = {row.developer_id for row in rows if row.developer_id is not None} if "developer_id" in names else set()
            known = await self._accounts.names(people) if people else {}
            for row in rows:
                fields = {name: getattr(row, name) for name in names if name != "developer_id"}
                by = {"developer": known.get(row.developer_id)} if "developer_id" in names else {}
                yield {"kind": kind, "item_id": row.knowledge_id, **fields, **by}
            after = query.where(place > tuple_(rows[-1].knowledge_id, rows[-1].id))


def _shown(team_id: UUID, closed: Collection[UUID], project_id: UUID | None, *, hidden: bool = False) -> Sequence[ColumnElement[bool]]:
    found = [ItemRow.team_id == team_id, ItemRow.project_id.not_in(closed)]
    return [
        *found,
        *([] if project_id is None else [ItemRow.project_id == project_id]),
        *([] if hidden else [~ItemRow.hidden]),
    ]


def _item(row: AnyRow, project: str | None, author: str | None) -> dict[str, Any]:
    """Write an item as a record; its fields are those of `GET /v1/knowledge/{id}`."""
    plain = ("id", "type", "intent", "title", "text", "origin", "evidence_count", "created_at", "last_seen_at", "corrected_at", "hidden")
    return {
        "kind": "item",
        **{name: getattr(row, name) for name in plain},
        "project": project,
        "author": author,
        "paths": list(row.paths),
        "confidence": round(row.confidence, 3),
        "freshness": freshness(row),
        "revision": revision_of(row),
        "feedback": {name: getattr(row, name) for name in ("helpful", "wrong", "stale")},
    }

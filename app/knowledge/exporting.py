"""Exports a team's items as records, page by page, in the order of their ids. Reads only; a page is all that is held at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final, TypeAlias
from uuid import UUID

from sqlalchemy import ColumnElement, Uuid, func, literal, select, tuple_
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from app.accounts.accounts import Accounts, LastingRequester
from app.knowledge.contradiction_rows import contradictions_of
from app.knowledge.edits import revision_of
from app.knowledge.item import ContradictingItem, Quote, Standing
from app.knowledge.marks import mark_of
from app.knowledge.relation_tables import ContradictionRow, SubjectRow, SupersessionRow
from app.knowledge.standing import is_portable, standing_of
from app.knowledge.store import is_distilled
from app.knowledge.supersession_rows import Links, links_of
from app.knowledge.tables import ITEM_COLUMNS, NEWEST_EVIDENCE, CodeMarkRow, EvidenceRow, FeedbackRow, ItemRow, RevisionRow
from app.knowledge.verdicts import retired_among
from app.knowledge.weighing import freshness
from app.storage.database import Database, rows_of
from app.storage.tables import AnyRow

PAGE: Final = 100
RELATED_PAGE: Final = 500
MAX_SOURCES: Final = 10
"""Citations of an item, the newest: an item that hundreds of sessions taught stays a short record."""
Record: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RelatedRecords:
    """A kind of records that belong to an item: the columns that say to which item, and which of its records each is, and those exported.

    `people`: the columns of who did what, by the name under which their name is exported.
    """

    item: Any
    place: Any
    names: Sequence[str]
    people: Mapping[str, Any] = field(default_factory=dict)


_EVIDENCE: Final = (
    "session_id", "event_id", "transcript", "locator", "branch", "excerpt", "type", "intent", "title", "text", "confidence", "at",
    "created_at",
)  # fmt: skip
_RELATED: Final[Mapping[str, RelatedRecords]] = {
    "evidence": RelatedRecords(EvidenceRow.knowledge_id, EvidenceRow.id, _EVIDENCE),
    "revision": RelatedRecords(
        RevisionRow.knowledge_id,
        RevisionRow.id,
        ("action", "by_admin", "type", "title", "text", "paths", "at"),
        {"developer": RevisionRow.developer_id},
    ),
    "verdict": RelatedRecords(
        FeedbackRow.knowledge_id, FeedbackRow.id, ("by_admin", "verdict", "note", "at"), {"developer": FeedbackRow.developer_id}
    ),
    "replacement": RelatedRecords(
        SupersessionRow.older_id,
        SupersessionRow.newer_id,
        ("newer_id", "cause", "words", "said_at", "created_at", "made_by_admin", "undone_at", "by_admin"),
        {"made_by": SupersessionRow.made_by, "developer": SupersessionRow.undone_by},
    ),
    "contradiction": RelatedRecords(
        ContradictionRow.one_id,
        ContradictionRow.other_id,
        ("other_id", "words", "other_words", "created_at", "decision", "decided_at", "by_admin"),
        {"developer": ContradictionRow.decided_by},
    ),
}
"""The kinds of records that belong to an item. A replacement's is the item that was replaced; those that were undone are exported too, and
so are contradictions that were decided, or of which one item is hidden or replaced.
"""


@dataclass(frozen=True, slots=True)
class ItemDetails:
    """The fields of a page's items that stand in other tables, by the items' ids, as `GET /v1/knowledge/{id}` tells them."""

    subjects: Mapping[UUID, list[Record]] = field(default_factory=lambda: defaultdict(list))
    code: Mapping[UUID, list[Record]] = field(default_factory=lambda: defaultdict(list))
    learnt_at: dict[UUID, datetime] = field(default_factory=dict)
    standing: dict[UUID, tuple[Standing, ...]] = field(default_factory=dict)
    links: Links = field(default_factory=Links)
    contradicts: Mapping[UUID, Sequence[ContradictingItem]] = field(default_factory=dict)
    retired: Collection[UUID] = ()
    distilled: set[UUID] = field(default_factory=set)


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
            for record in await self._items(page, reader):
                yield {**record, "evidence": [asdict(quote) for quote in quotes.get(record["id"], ())]}

    async def whole_records(self, reader: LastingRequester) -> AsyncGenerator[Record]:
        """Yield every item, also those that are hidden; after each page of them the records that belong to them."""
        async for page in self._pages(reader, None, hidden=True):
            for record in await self._items(page, reader):
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

    async def _items(self, page: Sequence[AnyRow], reader: LastingRequester) -> list[Record]:
        closed = (await reader.now()).closed
        projects = await self._accounts.project_names(page[0].team_id, {row.project_id for row in page})
        authors = await self._accounts.names({row.developer_id for row in page if row.developer_id is not None})
        details = await self._database.read(lambda connection: _details(connection, [row.id for row in page], closed))
        return [_item(row, details, projects.get(row.project_id), authors.get(row.developer_id)) for row in page]

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
        wanted = _RELATED[kind]
        place, people = tuple_(wanted.item, wanted.place), [column.label(f"person_{name}") for name, column in wanted.people.items()]
        columns = [getattr(wanted.item.class_, name) for name in wanted.names]
        query = select(wanted.item.label("item_id"), wanted.place.label("place"), *columns, *people)
        query = query.where(wanted.item.in_(items)).order_by(place).limit(RELATED_PAGE)
        after = query
        while rows := await self._database.read(rows_of(after)):
            named = {person for row in rows for each in people if (person := getattr(row, each.name)) is not None}
            known = await self._accounts.names(named) if named else {}
            for row in rows:
                by = {name: known.get(getattr(row, each.name)) for name, each in zip(wanted.people, people, strict=True)}
                yield {"kind": kind, "item_id": row.item_id, **{name: getattr(row, name) for name in wanted.names}, **by}
            after = query.where(place > tuple_(rows[-1].item_id, rows[-1].place))


def _shown(team_id: UUID, closed: Collection[UUID], project_id: UUID | None, *, hidden: bool = False) -> Sequence[ColumnElement[bool]]:
    found = [ItemRow.team_id == team_id, ItemRow.project_id.not_in(closed)]
    return [
        *found,
        *([] if project_id is None else [ItemRow.project_id == project_id]),
        *([] if hidden else [~ItemRow.hidden]),
    ]


async def _details(connection: AsyncConnection, items: Sequence[UUID], closed: Collection[UUID]) -> ItemDetails:
    """Read the details of items. `closed`: projects that are closed to who reads, so that what they hold counts for nothing."""
    found = ItemDetails(
        links=await links_of(connection, items),
        contradicts=await contradictions_of(connection, items),
        retired=await retired_among(connection, items),
    )
    subjects = select(SubjectRow.__table__).where(SubjectRow.knowledge_id.in_(items)).order_by(SubjectRow.kind, SubjectRow.name)
    for row in await connection.execute(subjects):
        found.subjects[row.knowledge_id].append({"kind": row.kind, "name": row.name})
    marks = select(CodeMarkRow.__table__).where(CodeMarkRow.knowledge_id.in_(items)).order_by(CodeMarkRow.repository)
    for row in await connection.execute(marks):
        found.code[row.knowledge_id].append(asdict(mark_of(row)))
    taught = (func.min(EvidenceRow.created_at), func.bool_and(EvidenceRow.distilled))
    learnt = select(EvidenceRow.knowledge_id, *taught).where(EvidenceRow.knowledge_id.in_(items))
    for item, moment, distilled in await connection.execute(learnt.group_by(EvidenceRow.knowledge_id)):
        found.learnt_at[item] = moment
        if distilled:
            found.distilled.add(item)
    standing = select(ItemRow.id, ItemRow.people, is_portable(literal(list(closed), ARRAY(Uuid)))).where(ItemRow.id.in_(items))
    for item, people, portable in await connection.execute(standing):
        found.standing[item] = standing_of(portable=portable, people=people)
    return found


def _item(row: AnyRow, details: ItemDetails, project: str | None, author: str | None) -> dict[str, Any]:
    """Write an item as a record; its fields are those of `GET /v1/knowledge/{id}`."""
    plain = ("id", "type", "intent", "title", "text", "origin", "evidence_count", "created_at", "last_seen_at", "corrected_at", "hidden")
    return {
        "kind": "item",
        **{name: getattr(row, name) for name in plain},
        "project": project,
        "author": author,
        "learnt_at": row.created_at if row.origin == "recorded" else details.learnt_at.get(row.id, row.created_at),
        "paths": list(row.paths),
        "subjects": details.subjects[row.id],
        "replaced_by": [each._asdict() for each in details.links.replaced_by[row.id]],
        "replaces": [each._asdict() for each in details.links.replaces[row.id]],
        "contradicts": [each._asdict() for each in details.contradicts.get(row.id, ())],
        "standing": list(details.standing.get(row.id, ())),
        "distilled": is_distilled(row, by_model_alone=row.id in details.distilled),
        "retired": row.hidden and row.id in details.retired,
        "code": details.code[row.id],
        "confidence": round(row.confidence, 3),
        "freshness": freshness(row),
        "revision": revision_of(row),
        "feedback": {name: getattr(row, name) for name in ("helpful", "wrong", "stale")},
    }

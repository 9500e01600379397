"""Maps items and passages to points of the vector index: reads their rows and builds vectors, terms and payload."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from uuid import UUID

from sqlalchemy import Select, Uuid, any_, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from app.knowledge.intent_rows import item_intents, passage_intents
from app.knowledge.item import PASSAGE
from app.knowledge.neighbours import item_text, unpack, unpack_half
from app.knowledge.passage_tables import PassagePlaceRow, PassageRow
from app.knowledge.passages import terms as passage_terms
from app.knowledge.passages.passage import indexed
from app.knowledge.tables import ItemRow
from app.storage.database import Database
from app.storage.tables import AnyRow
from app.storage.vectors import lexical
from app.storage.vectors.recipe import DENSE
from app.storage.vectors.store import IndexSchema, PayloadValue, VectorPoint

SCHEMA = IndexSchema(keywords=("team", "project", "type", "intent"), floats=("confidence",), datetimes=("created_at",))


async def read(connection: AsyncConnection, ids: Collection[UUID]) -> list[VectorPoint]:
    """Return the points of these ids (of items or passages) that exist."""
    wanted = literal(list(ids), ARRAY(Uuid))
    items = await connection.execute(_ITEMS.where(ItemRow.id == any_(wanted)))
    passages = await connection.execute(_PASSAGES.where(PassageRow.id == any_(wanted)))
    return [*map(_item, items), *map(_passage, passages)]


async def count(connection: AsyncConnection, *, but: Select[UUID] | None = None) -> int:
    """Count the points that the index should hold, except those selected by `but`."""
    found = 0
    for table in (ItemRow, PassageRow):
        query = select(func.count()).select_from(table)
        if table is ItemRow:
            query = query.where(~ItemRow.hidden)
        found += await connection.scalar(query if but is None else query.where(table.id.not_in(but))) or 0
    return found


async def read_pages(database: Database, *, page: int) -> AsyncIterator[list[VectorPoint]]:
    """Yield all points page by page, each page read in a transaction of its own."""
    for table, query, point in ((ItemRow, _ITEMS, _item), (PassageRow, _PASSAGES, _passage)):
        last: UUID | None = None
        while True:
            ordered = query.order_by(table.id).limit(page)
            async with database.begin() as connection:
                rows = (await connection.execute(ordered if last is None else ordered.where(table.id > last))).all()
            if not rows:
                break
            last = rows[-1].id
            yield [point(row) for row in rows]


def _item(row: AnyRow) -> VectorPoint:
    payload: dict[str, PayloadValue] = {
        "team": str(row.team_id),
        "project": str(row.project_id),
        "type": row.type,
        "confidence": row.confidence,
        "created_at": row.created_at.isoformat(),
    }
    if row.intents is not None:
        payload["intent"] = sorted(row.intents)
    terms = lexical.document(item_text(row.title, row.text))
    return VectorPoint(id=row.id, vectors={DENSE: unpack(row.embedding)}, terms=terms, payload=payload)


def _passage(row: AnyRow) -> VectorPoint:
    payload: dict[str, PayloadValue] = {"team": str(row.team_id), "project": str(row.project_id), "type": PASSAGE}
    if row.at is not None:
        payload["created_at"] = row.at.isoformat()
    if row.intents is not None:
        payload["intent"] = sorted(row.intents)
    terms = passage_terms.document(indexed(row.heading, row.text))
    return VectorPoint(id=row.id, vectors={DENSE: unpack_half(row.embedding)}, terms=terms, payload=payload)


_ITEMS = select(
    ItemRow.id,
    ItemRow.team_id,
    ItemRow.project_id,
    ItemRow.type,
    ItemRow.confidence,
    ItemRow.created_at,
    ItemRow.title,
    ItemRow.text,
    ItemRow.embedding,
    item_intents().label("intents"),
).where(~ItemRow.hidden)
_NEWEST = select(func.max(PassagePlaceRow.at)).where(PassagePlaceRow.passage_id == PassageRow.id).scalar_subquery()
_PASSAGES = select(
    PassageRow.id,
    PassageRow.team_id,
    PassageRow.project_id,
    PassageRow.heading,
    PassageRow.text,
    PassageRow.embedding,
    _NEWEST.label("at"),
    passage_intents().label("intents"),
)

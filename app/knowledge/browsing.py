"""Lists a team's items, newest first, page by page, by project, type, date, subject and session; and its contradictions. Reads only."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Unpadded
from collections.abc import Collection, Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Integer, Select, exists, func, literal, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from app.clock import in_utc
from app.errors import InvalidInput
from app.knowledge.contradiction_rows import read_open_contradictions
from app.knowledge.item import Contradiction, ItemFilter, LearntItem, LearntItems
from app.knowledge.passage_tables import PassagePlaceRow, PassageRow
from app.knowledge.passages import terms
from app.knowledge.subject_rows import about
from app.knowledge.tables import ITEM_COLUMNS, EvidenceRow, ItemRow
from app.storage.database import Database, rows_of
from app.storage.pages import EntryPage, PageWanted
from app.storage.tables import AnyRow

MAX_ABOUT, MAX_PASSAGES = 2_000, 5_000


class ItemBrowsing:
    """Reads pages of a team's items."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self, team_id: UUID, wanted: ItemFilter, *, closed: Collection[UUID] = (), limit: int, cursor: str | None = None
    ) -> EntryPage[AnyRow]:
        """Return a page of at most `limit` items, none of the projects `closed`. InvalidInput for a cursor that no page gave."""
        query = _items(team_id, wanted).limit(limit + 1)
        if closed:
            query = query.where(ItemRow.project_id.not_in(closed))
        if cursor is not None:
            place, last = tuple_(ItemRow.created_at, ItemRow.id), tuple_(*_decode_cursor(cursor))
            query = query.where(place > last if wanted.oldest_first else place < last)
        rows = await self._database.read(rows_of(query))
        shown = rows[:limit]
        return EntryPage(shown, _encode_cursor(shown[-1]) if len(rows) > limit else None)

    async def contradictions(
        self, team_id: UUID, project_id: UUID | None, wanted: PageWanted, *, closed: Collection[UUID] = ()
    ) -> EntryPage[Contradiction]:
        """Return a page of the pairs between which nobody has decided, of a project or of all but those `closed`."""
        within = [*([] if project_id is None else [ItemRow.project_id == project_id]), *_open(ItemRow.project_id, closed)]
        return await self._database.read(lambda connection: read_open_contradictions(connection, team_id, *within, wanted=wanted))

    async def sessions_about(self, team_id: UUID, words: str, *, closed: Collection[UUID] = ()) -> Collection[UUID]:
        """Return sessions that taught an item about these words, or in which a passage with all of them was said; the latest first.

        Of items at most MAX_ABOUT, of passages as many: with more, the words say too little. None without words.
        """
        if not words.split():
            return ()
        taught = (
            select(EvidenceRow.session_id)
            .join(ItemRow, ItemRow.id == EvidenceRow.knowledge_id)
            .where(ItemRow.team_id == team_id, ~ItemRow.hidden, about(team_id, words), *_open(ItemRow.project_id, closed))
            .group_by(EvidenceRow.session_id)
            .order_by(func.max(ItemRow.last_seen_at).desc())
            .limit(MAX_ABOUT)
        )
        found = [row.session_id for row in await self._database.read(rows_of(taught))]
        if wanted := terms.hashed(words):
            holds = PassageRow.terms.op("@>")(literal(wanted, ARRAY(Integer)))
            matching = select(PassageRow.id).where(PassageRow.team_id == team_id, holds, *_open(PassageRow.project_id, closed))
            some = matching.limit(MAX_PASSAGES).subquery()
            said = (
                select(PassagePlaceRow.session_id)
                .join(some, some.c.id == PassagePlaceRow.passage_id)
                .group_by(PassagePlaceRow.session_id)
                .order_by(func.max(PassagePlaceRow.at).desc().nulls_last())
                .limit(MAX_ABOUT)
            )
            found += [row.session_id for row in await self._database.read(rows_of(said))]
        return dict.fromkeys(found)

    async def count_by_project(self, team_id: UUID, project_ids: Collection[UUID]) -> dict[UUID, int]:
        """Count the items that the list of these projects of the team shows; those without any are left out."""
        shown = (ItemRow.team_id == team_id, ItemRow.project_id.in_(project_ids), ~ItemRow.hidden)
        query = select(ItemRow.project_id, func.count().label("items")).where(*shown).group_by(ItemRow.project_id)
        return {row.project_id: row.items for row in await self._database.read(rows_of(query))}

    async def learnt_from(
        self, team_id: UUID, session_ids: Collection[UUID], *, closed: Collection[UUID] = (), limit: int
    ) -> Mapping[UUID, LearntItems]:
        """Return for each of these sessions how much was learnt from it, with its newest items."""
        if not session_ids:
            return {}
        found: dict[UUID, LearntItems] = {}
        for row in await self._database.read(rows_of(_learnt_from(team_id, session_ids, closed, limit))):
            before = found.get(row.session_id, LearntItems(row.learnt, ()))
            found[row.session_id] = LearntItems(row.learnt, (*before.newest, LearntItem(row.id, row.type, row.title)))
        return found


def _learnt_from(team_id: UUID, session_ids: Collection[UUID], closed: Collection[UUID], limit: int) -> Select[*tuple[object, ...]]:
    """Select the newest items of each session, with the number of all of them. An item counts once, however often the session taught it."""
    taught = select(EvidenceRow.session_id, EvidenceRow.knowledge_id).where(EvidenceRow.session_id.in_(session_ids)).distinct().subquery()
    newest_first = (ItemRow.created_at.desc(), ItemRow.id.desc())
    ranked = (
        select(
            taught.c.session_id,
            *(ItemRow.id, ItemRow.type, ItemRow.title),
            func.count().over(partition_by=taught.c.session_id).label("learnt"),
            func.row_number().over(partition_by=taught.c.session_id, order_by=newest_first).label("place"),
        )
        .join(ItemRow, ItemRow.id == taught.c.knowledge_id)
        .where(ItemRow.team_id == team_id, ~ItemRow.hidden, *([ItemRow.project_id.not_in(closed)] if closed else []))
        .subquery()
    )
    return select(ranked).where(ranked.c.place <= limit).order_by(ranked.c.session_id, ranked.c.place)


def _items(team_id: UUID, wanted: ItemFilter) -> Select[*tuple[object, ...]]:
    """Select the items. Filters by project or by team, never both, for which PostgreSQL would read all of the project."""
    place = ItemRow.team_id == team_id if wanted.project_id is None else ItemRow.project_id == wanted.project_id
    query = select(*ITEM_COLUMNS).where(place, ItemRow.hidden if wanted.hidden else ~ItemRow.hidden)
    if wanted.type is not None:
        query = query.where(ItemRow.type == wanted.type)
    if wanted.since is not None:
        query = query.where(ItemRow.created_at >= in_utc(wanted.since, "since"))
    if wanted.until is not None:
        query = query.where(ItemRow.created_at < in_utc(wanted.until, "until"))
    if wanted.subject:
        query = query.where(about(team_id, wanted.subject))
    match wanted.state:
        case "stale":
            query = query.where(ItemRow.stale > ItemRow.helpful)
        case "changed" | "gone":
            query = query.where(ItemRow.code_verdict == wanted.state)
        case "recorded":
            query = query.where(ItemRow.origin == "recorded")
        case "corrected":
            query = query.where(ItemRow.corrected_at.is_not(None))
        case None:
            pass
    if wanted.session_id is not None:
        query = query.where(exists().where(EvidenceRow.knowledge_id == ItemRow.id, EvidenceRow.session_id == wanted.session_id))
    if wanted.oldest_first:
        return query.order_by(ItemRow.created_at, ItemRow.id)
    return query.order_by(ItemRow.created_at.desc(), ItemRow.id.desc())


def _open(project_id: ColumnElement[UUID] | InstrumentedAttribute[UUID], closed: Collection[UUID]) -> list[ColumnElement[bool]]:
    return [project_id.not_in(closed)] if closed else []


def _encode_cursor(row: AnyRow) -> str:
    return urlsafe_b64encode(f"{row.created_at.isoformat()}|{row.id}".encode()).decode().rstrip("=")


def _decode_cursor(cursor: str) -> tuple[datetime, UUID]:
    try:
        if not re.fullmatch(r"[\w-]{1,200}", cursor, re.ASCII):
            raise ValueError(cursor)
        at, _, item = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().partition("|")
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is None:
            raise ValueError(cursor)
        return in_utc(moment, "cursor"), UUID(item)
    except (ValueError, InvalidInput, Unpadded):
        raise InvalidInput(
            "cursor is not from a page of this list: pass `next_cursor` of the previous page, or leave it out to start from the beginning.",
            param="cursor",
        ) from None

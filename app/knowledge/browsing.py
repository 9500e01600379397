"""Lists a team's items, newest first, page by page, by project, type, date, subject and session. Reads only."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Unpadded
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, exists, func, select, tuple_

from app.clock import in_utc
from app.errors import InvalidInput
from app.knowledge.item import ItemFilter
from app.knowledge.tables import EvidenceRow, ItemRow
from app.storage.database import Database, rows_of
from app.storage.matching import holds_words
from app.storage.tables import AnyRow


@dataclass(frozen=True, slots=True)
class Page:
    """A page of items. `next`: the next page's cursor; None: this is the last page."""

    items: Sequence[AnyRow]
    next: str | None


class ItemBrowsing:
    """Reads pages of a team's items."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, team_id: UUID, wanted: ItemFilter, *, limit: int, cursor: str | None = None) -> Page:
        """Return a page of at most `limit` items. InvalidInput for a cursor that isn't from a previous page."""
        query = _items(team_id, wanted).limit(limit + 1)
        if cursor is not None:
            query = query.where(tuple_(ItemRow.created_at, ItemRow.id) < tuple_(*_decode_cursor(cursor)))
        rows = await self._database.read(rows_of(query))
        shown = rows[:limit]
        return Page(shown, _encode_cursor(shown[-1]) if len(rows) > limit else None)


def _items(team_id: UUID, wanted: ItemFilter) -> Select[*tuple[object, ...]]:
    """Select the items. Filters by project or by team, never both, for which PostgreSQL would read all of the project."""
    place = ItemRow.team_id == team_id if wanted.project_id is None else ItemRow.project_id == wanted.project_id
    query = select(*_SHOWN).where(place, ItemRow.hidden if wanted.hidden else ~ItemRow.hidden)
    if wanted.type is not None:
        query = query.where(ItemRow.type == wanted.type)
    if wanted.since is not None:
        query = query.where(ItemRow.created_at >= in_utc(wanted.since, "since"))
    if wanted.until is not None:
        query = query.where(ItemRow.created_at < in_utc(wanted.until, "until"))
    if wanted.subject:
        words = func.concat_ws(" ", ItemRow.title, ItemRow.text, func.array_to_string(ItemRow.paths, " "))
        query = query.where(holds_words(words, wanted.subject))
    if wanted.session_id is not None:
        query = query.where(exists().where(EvidenceRow.knowledge_id == ItemRow.id, EvidenceRow.session_id == wanted.session_id))
    return query.order_by(ItemRow.created_at.desc(), ItemRow.id.desc())


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
        message = "cursor is unknown: pass `next` of the previous page, or leave it out for the first page."
        raise InvalidInput(message, param="cursor") from None


_SHOWN = tuple(
    column
    for column in ItemRow.__table__.c
    if column.name not in {"embedding", "embedding_model", "long_embedding", "long_embedding_model", "search", "recorded_key"}
)

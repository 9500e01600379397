"""Reads which passages hold the words of an item that another one replaces, or that replaces another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import TIMESTAMP, ColumnElement, Select, Text, Uuid, bindparam, exists, func, or_, select, true
from sqlalchemy.dialects.postgresql import ARRAY

from app.knowledge.reads import Reads
from app.knowledge.relation_tables import SupersessionRow
from app.knowledge.results import Query, Replacement
from app.knowledge.supersession_rows import replacement
from app.knowledge.tables import EvidenceRow, ItemRow
from app.storage.tables import AnyRow

MOSTLY = 0.5
"""Share of a passage that an item's words make up, from which on the passage stands and falls with the item."""


@dataclass(frozen=True, slots=True)
class HeldItem:
    """An item whose words a passage holds. `replaced_by`: what came in its place; `mostly`: the passage says little else."""

    item: UUID
    replaced_by: Replacement | None
    mostly: bool


class PassageReplacements:
    """Runs the fixed statements that read what passages hold, by the place that they and the items' evidence cite."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads

    async def held_by(self, passages: Sequence[AnyRow], query: Query) -> dict[UUID, HeldItem]:
        """Return for each passage the item of a replacement whose words it holds: the replaced one, if it holds both."""
        if not passages:
            return {}
        places = {"sessions": [row.session_id for row in passages], "locators": [row.locator for row in passages]}
        values = places if query.until is None else places | {"until": query.until}
        by_place: dict[tuple[UUID, str], list[AnyRow]] = {}
        for row in await self._reads.rows(_HELD[query.until is not None], values):
            by_place.setdefault((row.session_id, row.locator), []).append(row)
        found = {row.id: _held(row.text, by_place.get((row.session_id, row.locator), ())) for row in passages}
        return {passage: held for passage, held in found.items() if held is not None}


def _held(text: str, evidence: Sequence[AnyRow]) -> HeldItem | None:
    said = _one_line(text)
    held = [row for row in evidence if (words := _one_line(row.excerpt)) and (words in said or said in words)]
    row = next((each for each in held if each.replaced_by is not None), held[0] if held else None)
    if row is None:
        return None
    by = None if row.replaced_by is None else Replacement(row.replaced_by, row.replaced_by_title, row.replaced_at)
    return HeldItem(row.id, by, mostly=len(_one_line(row.excerpt)) >= MOSTLY * len(said))


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _held_items(before: ColumnElement[Any] | None) -> Select[*tuple[Any, ...]]:
    """Select the extracted items at the bound places that are part of a replacement. `before`: only of one said before this time.

    What a person merged says the same still, and what a person corrected says something else than its passages.
    """
    sessions, locators = bindparam("sessions", type_=ARRAY(Uuid)), bindparam("locators", type_=ARRAY(Text))
    places = func.unnest(sessions, locators).table_valued("session_id", "locator", name="places").render_derived()
    latest = replacement(before).where(SupersessionRow.cause != "merged").lateral("latest")
    replaces = exists(
        select(SupersessionRow.older_id)
        .where(SupersessionRow.newer_id == ItemRow.id, SupersessionRow.undone_at.is_(None), SupersessionRow.cause != "merged")
        .where(*([] if before is None else [SupersessionRow.said_at < before]))
        .correlate(ItemRow)
    )
    return (
        select(ItemRow.id, EvidenceRow.session_id, EvidenceRow.locator, EvidenceRow.excerpt, *latest.c)
        .select_from(places)
        .join(EvidenceRow, (EvidenceRow.session_id == places.c.session_id) & (EvidenceRow.locator == places.c.locator))
        .join(ItemRow, ItemRow.id == EvidenceRow.knowledge_id)
        .outerjoin(latest, onclause=true())
        .where(~ItemRow.hidden, ItemRow.corrected_at.is_(None), or_(latest.c.replaced_by.is_not(None), replaces))
        .order_by(func.length(EvidenceRow.excerpt).desc(), ItemRow.id)
    )


_UNTIL = bindparam("until", type_=TIMESTAMP(timezone=True))
_HELD: Mapping[bool, Select[*tuple[Any, ...]]] = {dated: _held_items(_UNTIL if dated else None) for dated in (False, True)}

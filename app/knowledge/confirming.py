"""Counts the people who stand by an item: who recorded it, whose sessions taught it, and who finds it helpful."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Uuid, any_, bindparam, exists, literal, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from app.knowledge.tables import EvidenceRow, FeedbackRow, ItemRow, RevisionRow
from app.storage.tables import AnyRow

MIN_COPIED_CHARS = 80
"""From this length on, equal words under an id made from them are a copy; shorter rules are repeated to the letter."""
_UUID, _DIGEST = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE), re.compile(r"[0-9a-f]{24}")
_CALL = re.compile(r"[a-z]{2,10}_(?=[A-Za-z0-9]*\d)[A-Za-z0-9]{20,}")
"""A tool call's id as model providers give it (`toolu_01…`, `call_…`): as unique as a UUID."""


async def count_people(connection: AsyncConnection, items: Collection[UUID]) -> None:
    """Count the people of these items anew, in the transaction that changed their evidence or verdicts.

    An admin is nobody here: who has the admin key isn't known. A copy of a session confirms nothing (`original_of`), whoever sent it. A
    verdict on a text from before that was corrected doesn't count (`verdicts`).
    """
    wanted = literal(list(items), ARRAY(Uuid))
    people: dict[UUID, set[UUID]] = {item: set() for item in items}
    first: dict[UUID, dict[object, UUID]] = defaultdict(dict)
    columns = (EvidenceRow.id, EvidenceRow.knowledge_id, EvidenceRow.event_id, EvidenceRow.excerpt, EvidenceRow.developer_id)
    taught = select(*columns).where(EvidenceRow.knowledge_id == any_(wanted), EvidenceRow.developer_id.is_not(None))
    for row in await connection.execute(taught.order_by(EvidenceRow.created_at, EvidenceRow.id)):
        first[row.knowledge_id].setdefault(original_of(row), row.developer_id)
    for item, originals in first.items():
        people[item].update(originals.values())
    for query in (_authors(wanted), _helped(wanted)):
        for item, developer in await connection.execute(query):
            if developer is not None:
                people[item].add(developer)
    if people:
        counted = [{"item": item, "counted": len(each)} for item, each in sorted(people.items())]
        changed = (ItemRow.id == bindparam("item"), ItemRow.people != bindparam("counted"))  # most haven't: their rows aren't written again
        await connection.execute(update(ItemRow).where(*changed).values(people=bindparam("counted")), counted)


def _authors(wanted: ColumnElement[list[UUID]]) -> Select[UUID, UUID | None]:
    recorded = (ItemRow.origin == "recorded", ItemRow.developer_id.is_not(None))
    return select(ItemRow.id, ItemRow.developer_id).where(ItemRow.id == any_(wanted), *recorded)


def _helped(wanted: ColumnElement[list[UUID]]) -> Select[UUID, UUID | None]:
    reworded = (RevisionRow.knowledge_id == FeedbackRow.knowledge_id, RevisionRow.action == "corrected", RevisionRow.text.is_not(None))
    of_this_text = ~exists().where(*reworded, RevisionRow.at >= FeedbackRow.at)
    helpful = (FeedbackRow.verdict == "helpful", FeedbackRow.developer_id.is_not(None), of_this_text)
    return select(FeedbackRow.knowledge_id, FeedbackRow.developer_id).where(FeedbackRow.knowledge_id == any_(wanted), *helpful)


def original_of(row: AnyRow) -> object:
    """Return what identifies the original of a piece of evidence: a copied session, or a fork's replayed part, confirms nothing.

    A UUID as event id is unique to its record, a provider's id of a tool call to its call. An id hashed from the words is equal wherever
    they are said; there, length tells a copy from a repetition, since people repeat a rule to the letter, but not a paragraph.
    """
    is_unique, is_digest = _UUID.match(row.event_id) or _CALL.match(row.event_id), _DIGEST.match(row.event_id)
    copied = is_unique or (is_digest and len(row.excerpt) >= MIN_COPIED_CHARS)
    return row.event_id if copied else row.id

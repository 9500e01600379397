"""An item's standing in its team: held in several projects (`portable`), stood by by several people (`team_practice`)."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Uuid, all_, any_, bindparam, exists, literal, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import aliased

from app.knowledge.item import Standing
from app.knowledge.tables import ItemRow
from app.likeness import language_of
from app.likeness.contrast import MAX_CHARS
from app.likeness.wording import wording_of

MIN_WORDS = 4
"""Words with a meaning below which two texts are alike by chance."""
PRACTICE_PEOPLE = 2
_WHO = "person"
"""The kind of light words that tell who does it: `we run` is `run`."""


async def refresh_wordings(connection: AsyncConnection, items: Collection[UUID]) -> None:
    """Digest the wording of these items anew, in the transaction that changed it."""
    wanted = ItemRow.id == any_(literal(list(items), ARRAY(Uuid)))
    rows = (
        await connection.execute(select(ItemRow.id, ItemRow.title, ItemRow.text, ItemRow.wording).where(wanted).order_by(ItemRow.id))
    ).all()
    # CPU work: a server's requests and a job's heartbeat go on meanwhile
    digests = await asyncio.to_thread(lambda: {row.id: wording_digest(row.title, row.text) for row in rows})
    changed = [{"item": row.id, "digest": digests[row.id]} for row in rows if digests[row.id] != row.wording]
    if changed:
        stored = update(ItemRow).where(ItemRow.id == bindparam("item")).values(wording=bindparam("digest"))
        await connection.execute(stored, changed)


def wording_digest(title: str, text: str) -> bytes | None:
    """Return a digest that two items share only if they say the same: the same words with a meaning, in the same order and relations.

    Inflections, known synonyms and function words don't count, as in `likeness.contrast`. None for few words, and for long texts.
    """
    words = f"{title}\n{text}"
    if len(words) > MAX_CHARS:
        return None
    wording = wording_of(words, language_of(words))
    if len(wording.counts) < MIN_WORDS:
        return None
    kinds = sorted((kind, *sorted(values)) for kind, values in wording.kinds.items() if kind != _WHO)
    words_said = [(word.key, word.link, sorted(each for each in word.kinds if each[0] != _WHO)) for word in wording.words]
    said = (words_said, kinds, wording.passive)
    return hashlib.sha256(repr(said).encode()).digest()


def is_portable(closed: ColumnElement[Any]) -> ColumnElement[bool]:
    """Build the condition that another project of the team holds an item that says what the ItemRow of the query around it says.

    `closed`: projects that don't count, since they are closed to who asks.
    """
    other = aliased(ItemRow)
    equal = (other.team_id == ItemRow.team_id, other.wording == ItemRow.wording, other.project_id != ItemRow.project_id)
    return exists(select(other.id).where(*equal, ~other.hidden, other.project_id != all_(closed)).correlate(ItemRow))


def standing_of(*, portable: bool, people: int) -> tuple[Standing, ...]:
    """Return an item's standing; empty: held in one project, by one person."""
    found: list[Standing] = []
    if portable:
        found.append("portable")
    if people >= PRACTICE_PEOPLE:
        found.append("team_practice")
    return tuple(found)

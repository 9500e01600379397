"""Subjects in PostgreSQL: stored with each change of an item's words, and the condition by which a list or a search asks for one."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Mapping
from uuid import UUID

from sqlalchemy import ColumnElement, Uuid, any_, cast, delete, func, insert, literal, select, union_all, update
from sqlalchemy.dialects.postgresql import ARRAY, REGCONFIG
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import aliased

from app.knowledge.item import Subject
from app.knowledge.relation_tables import SubjectRow
from app.knowledge.subjects.naming import subjects_of
from app.knowledge.subjects.spelling import normalised
from app.knowledge.tables import EvidenceRow, ItemRow
from app.storage.matching import MAX_WORDS_CHARS, holds_words
from app.storage.tables import AnyRow

VERSION = 2
"""Raise it when `subjects.naming` finds other names or `relations` others: the backfill then finds every item's anew."""
MAX_EVIDENCE = 20
"""Places where an item was learnt that are read for their files and tickets, the newest."""


async def refresh_subjects(connection: AsyncConnection, items: Collection[UUID]) -> None:
    """Find the subjects of these items anew, in the transaction that changed their words or evidence. Those that are gone are ignored."""
    if not items:
        return
    wanted = literal(list(items), ARRAY(Uuid))
    columns = (ItemRow.id, ItemRow.team_id, ItemRow.title, ItemRow.text, ItemRow.paths)
    rows = (await connection.execute(select(*columns).where(ItemRow.id == any_(wanted)))).all()
    evidence = await _evidence(connection, items)
    # In a thread: it is CPU work of milliseconds, and a server's requests and a job's heartbeat go on meanwhile.
    found = await asyncio.to_thread(_found, rows, evidence)
    await connection.execute(delete(SubjectRow).where(SubjectRow.knowledge_id == any_(wanted)))
    if found:
        await connection.execute(insert(SubjectRow), found)
    outdated = (ItemRow.id == any_(wanted), ItemRow.subjects_version != VERSION)
    await connection.execute(update(ItemRow).where(*outdated).values(subjects_version=VERSION))


async def read_subjects(connection: AsyncConnection, item_id: UUID) -> tuple[Subject, ...]:
    """Return an item's subjects, by kind and name."""
    rows = await connection.execute(
        select(SubjectRow.kind, SubjectRow.name).where(SubjectRow.knowledge_id == item_id).order_by(SubjectRow.kind, SubjectRow.name)
    )
    return tuple(Subject(row.kind, row.name) for row in rows)


def about(team_id: UUID, subject: str) -> ColumnElement[bool]:
    """Build the condition that an item is about a subject: it has that name, or its title and text hold all of its words.

    Only where the team has none such, parts of words in title, text or paths count too: to look for these takes reading all of its items.
    """
    subject = subject.replace("\x00", "")[:MAX_WORDS_CHARS]
    named = select(SubjectRow.knowledge_id).where(SubjectRow.team_id == team_id, SubjectRow.name == normalised(subject))
    item = aliased(ItemRow)
    holding = item.search.op("@@")(func.plainto_tsquery(cast("simple", REGCONFIG), subject))
    found = named.union(select(item.id).where(item.team_id == team_id, holding)).cte("about")
    words = func.concat_ws(" ", item.title, item.text, func.array_to_string(item.paths, " "))
    none = ~select(found.c.knowledge_id).exists()
    otherwise = select(item.id).where(item.team_id == team_id, none, holds_words(words, subject))
    return ItemRow.id.in_(union_all(select(found.c.knowledge_id), otherwise))


async def _evidence(connection: AsyncConnection, items: Collection[UUID]) -> dict[UUID, list[AnyRow]]:
    """Read the newest evidence of each item."""
    place = func.row_number().over(partition_by=EvidenceRow.knowledge_id, order_by=(EvidenceRow.at.desc().nulls_last(), EvidenceRow.id))
    ranked = (
        select(EvidenceRow.knowledge_id, EvidenceRow.excerpt, EvidenceRow.branch, place.label("place"))
        .where(EvidenceRow.knowledge_id == any_(literal(list(items), ARRAY(Uuid))))
        .subquery()
    )
    found: dict[UUID, list[AnyRow]] = defaultdict(list)
    newest = select(ranked).where(ranked.c.place <= MAX_EVIDENCE).order_by(ranked.c.knowledge_id, ranked.c.place)
    for row in await connection.execute(newest):
        found[row.knowledge_id].append(row)
    return found


def _found(rows: Collection[AnyRow], evidence: Mapping[UUID, Collection[AnyRow]]) -> list[dict[str, object]]:
    return [
        {"knowledge_id": row.id, "team_id": row.team_id, "kind": each.kind, "name": each.name}
        for row in rows
        for each in _subjects(row, evidence.get(row.id, []))
    ]


def _subjects(row: AnyRow, evidence: Collection[AnyRow]) -> tuple[Subject, ...]:
    return subjects_of(
        row.title,
        row.text,
        paths=row.paths,
        excerpts=[each.excerpt for each in evidence],
        branches=[each.branch for each in evidence if each.branch],
    )

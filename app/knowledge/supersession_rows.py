"""Links between items in PostgreSQL: made and taken back with each change of an item's words or dates, and read beside an item.

The caller holds the project's lock, so that two writers can't each miss the other's item.
"""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Select,
    SQLColumnExpression,
    Uuid,
    and_,
    any_,
    cast,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, REGCONFIG
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import aliased

from app.knowledge.item import LinkedItem
from app.knowledge.supersession.judge import replaced_by
from app.knowledge.supersession.statements import changes_in
from app.knowledge.tables import ItemRow, SupersessionRow
from app.storage.tables import AnyRow

MAX_CHANGES = 1_000
"""Items of a project that state a change, the latest, with which another item is compared."""
MAX_HOLDING = 200
"""Items of a project that hold a value that is given up, the latest, of each value."""
_ITEM = (ItemRow.id, ItemRow.project_id, ItemRow.title, ItemRow.text, ItemRow.created_at, ItemRow.last_seen_at, ItemRow.gives_up)


class _Link(NamedTuple):
    older_id: UUID
    newer_id: UUID
    words: str
    said_at: datetime


async def refresh_links(connection: AsyncConnection, items: Collection[UUID]) -> None:
    """Link these items with those of their projects that they replace or that replace them, and take back what no longer holds.

    What a person undid stays undone. Items that are gone are ignored.
    """
    if not items:
        return
    rows = (await connection.execute(select(*_ITEM).where(ItemRow.id == any_(literal(list(items), ARRAY(Uuid)))))).all()
    given_up: dict[UUID, list[str]] = {}
    for row in rows:
        await asyncio.sleep(0)  # reading is CPU work: let the job's heartbeat run
        given_up[row.id] = [each.old.casefold() for each in changes_in(_words(row))]
        if given_up[row.id] != list(row.gives_up):
            await connection.execute(update(ItemRow).where(ItemRow.id == row.id).values(gives_up=given_up[row.id]))
    by_project: dict[UUID, list[AnyRow]] = defaultdict(list)
    for row in rows:
        by_project[row.project_id].append(row)
    links: set[_Link] = set()
    for project_id, of_project in by_project.items():
        links |= await _links(connection, project_id, of_project, given_up)
    await _store(connection, items, links)


async def read_links(connection: AsyncConnection, item_id: UUID) -> tuple[tuple[LinkedItem, ...], tuple[LinkedItem, ...]]:
    """Return the items that replace this one, and those that it replaces, each the latest first, without what a person undid."""
    newer = select(*_LINKED).join(SupersessionRow, SupersessionRow.newer_id == ItemRow.id).where(SupersessionRow.older_id == item_id)
    older = select(*_LINKED).join(SupersessionRow, SupersessionRow.older_id == ItemRow.id).where(SupersessionRow.newer_id == item_id)
    holds = (SupersessionRow.undone_at.is_(None), ~ItemRow.hidden)
    latest = SupersessionRow.said_at.desc()
    found = [(await connection.execute(query.where(*holds).order_by(latest, ItemRow.id))).all() for query in (newer, older)]
    by, of = (tuple(LinkedItem(*row) for row in rows) for rows in found)
    return by, of


def replacement(before: ColumnElement[datetime] | None) -> Select[UUID, str, datetime]:
    """Select what replaces the ItemRow of the query around it, the latest. `before`: only if that was said before this time."""
    newer = aliased(ItemRow)
    columns = (newer.id.label("replaced_by"), newer.title.label("replaced_by_title"), SupersessionRow.said_at.label("replaced_at"))
    return (
        select(*columns)
        .join(newer, newer.id == SupersessionRow.newer_id)
        .where(SupersessionRow.older_id == ItemRow.id, SupersessionRow.undone_at.is_(None), ~newer.hidden)
        .where(*([] if before is None else [SupersessionRow.said_at < before]))
        .order_by(SupersessionRow.said_at.desc(), newer.id)
        .limit(1)
        .correlate(ItemRow)
    )


def is_replaced(*items: SQLColumnExpression[UUID]) -> ColumnElement[bool]:
    """Build the condition that one of these items is replaced by one that isn't hidden."""
    newer = aliased(ItemRow)
    return exists(
        select(SupersessionRow.older_id)
        .join(newer, newer.id == SupersessionRow.newer_id)
        .where(SupersessionRow.older_id.in_(items), SupersessionRow.undone_at.is_(None), ~newer.hidden)
        .correlate_except(SupersessionRow, newer)
    )


async def replace_by_decision(connection: AsyncConnection, replaced: UUID, by: UUID, words: str) -> None:
    """Link two items because a person decided it, now, whatever was undone before."""
    decided = {"words": words, "said_at": func.now(), "decided_at": func.now()}
    made = upsert(SupersessionRow).values(older_id=replaced, newer_id=by, **decided)
    anew = decided | {"undone_at": None, "undone_by": None, "by_admin": False}
    await connection.execute(made.on_conflict_do_update(index_elements=["older_id", "newer_id"], set_=anew))


async def _links(connection: AsyncConnection, project_id: UUID, rows: Sequence[AnyRow], given_up: dict[UUID, list[str]]) -> set[_Link]:
    changes = select(*_ITEM).where(ItemRow.project_id == project_id, ItemRow.gives_up != literal([], ItemRow.gives_up.type))
    newers = (await connection.execute(changes.order_by(ItemRow.created_at.desc(), ItemRow.id).limit(MAX_CHANGES))).all()
    found: set[_Link] = set()
    for row in rows:
        pairs = [(row, newer) for newer in newers]
        pairs += [(older, row) for value in given_up[row.id] for older in await _holding(connection, row, value)]
        for older, newer in pairs:
            if link := await _judged(older, newer, given_up.get(newer.id, newer.gives_up)):
                found.add(link)
    return found


async def _judged(older: AnyRow, newer: AnyRow, given_up: Sequence[str]) -> _Link | None:
    """Judge a pair: only what was said last before the other was said first can be replaced by it."""
    if older.id == newer.id or older.last_seen_at >= newer.created_at:
        return None
    words = _words(older)
    if not any(value in words.casefold() for value in given_up):
        return None
    await asyncio.sleep(0)
    sentence = replaced_by(words, _words(newer))
    return None if sentence is None else _Link(older.id, newer.id, sentence, newer.created_at)


async def _holding(connection: AsyncConnection, newer: AnyRow, value: str) -> Sequence[AnyRow]:
    """Read the project's earlier items that hold a value: by the full-text index, which has no Chinese words."""
    if re.search(r"[\u3400-\u9fff]", value):
        holds: ColumnElement[bool] = func.concat(ItemRow.title, " ", ItemRow.text).icontains(value, autoescape=True)
    else:
        holds = ItemRow.search.op("@@")(func.plainto_tsquery(cast("simple", REGCONFIG), value))
    earlier = (ItemRow.project_id == newer.project_id, ItemRow.id != newer.id, ItemRow.last_seen_at < newer.created_at, holds)
    query = select(*_ITEM).where(*earlier).order_by(ItemRow.last_seen_at.desc(), ItemRow.id).limit(MAX_HOLDING)
    return (await connection.execute(query)).all()


async def _store(connection: AsyncConnection, items: Collection[UUID], links: set[_Link]) -> None:
    wanted = literal(list(items), ARRAY(Uuid))
    concerned = or_(SupersessionRow.older_id == any_(wanted), SupersessionRow.newer_id == any_(wanted))
    gone = and_(concerned, SupersessionRow.undone_at.is_(None), SupersessionRow.decided_at.is_(None))
    if links:
        kept = [(link.older_id, link.newer_id) for link in links]
        gone = and_(gone, tuple_(SupersessionRow.older_id, SupersessionRow.newer_id).not_in(kept))
    await connection.execute(delete(SupersessionRow).where(gone))
    if links:
        made = upsert(SupersessionRow).values([link._asdict() for link in sorted(links)])
        said = {"words": made.excluded.words, "said_at": made.excluded.said_at}
        judged = SupersessionRow.decided_at.is_(None)
        await connection.execute(made.on_conflict_do_update(index_elements=["older_id", "newer_id"], set_=said, where=judged))


def _words(row: AnyRow) -> str:
    return f"{row.title}.\n{row.text}"


_LINKED = (ItemRow.id, ItemRow.title, SupersessionRow.words, SupersessionRow.said_at)

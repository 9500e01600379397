"""Links between items in PostgreSQL: made and taken back with each change of an item's words or dates, and read beside an item.

The caller holds the project's lock, so that two writers can't each miss the other's item.
"""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

from sqlalchemy import (
    CTE,
    ColumnElement,
    Select,
    SQLColumnExpression,
    Uuid,
    and_,
    any_,
    bindparam,
    cast,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, REGCONFIG
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import InstrumentedAttribute, aliased

from app.errors import Conflict
from app.knowledge.item import LinkedItem
from app.knowledge.relation_tables import SupersessionRow
from app.knowledge.supersession.judge import replaced_by
from app.knowledge.supersession.statements import ItemWords, read
from app.knowledge.supersession.values import by_first_word, values_in
from app.knowledge.tables import EvidenceRow, ItemRow
from app.storage.matching import are_among
from app.storage.tables import AnyRow

MAX_CHANGES = 1_000
"""Items of a project that state a change, the latest, with which another item is compared."""
MAX_NAMING = 100
"""Changes that give up a value in another item's text with which it is judged, the latest."""
MAX_HOLDING = 200
"""Items of a project that hold a value that is given up, the latest, of each value."""
MAX_CHAIN = 3
"""Replacements of replacements that are followed."""
_FIRST_SAID = func.coalesce(ItemRow.worded_at, ItemRow.created_at)
_SEEN = select(func.max(func.coalesce(EvidenceRow.at, EvidenceRow.created_at))).where(EvidenceRow.knowledge_id == ItemRow.id)
_LAST_SAID = func.greatest(_FIRST_SAID, func.least(_SEEN.scalar_subquery(), func.now()))
"""The time at which an item's words were last said. A correction of anything else, which moves `last_seen_at`, says nothing again."""
_TIMES = (_FIRST_SAID.label("first_said"), _LAST_SAID.label("last_said"))
_ITEM = (ItemRow.id, ItemRow.project_id, ItemRow.title, ItemRow.text, ItemRow.gives_up, *_TIMES)


class _Link(NamedTuple):
    older_id: UUID
    newer_id: UUID
    words: str
    said_at: datetime


async def refresh_links(connection: AsyncConnection, items: Collection[UUID]) -> None:
    """Link these items with those of their projects that they replace or that replace them, and take back what no longer holds.

    What a person undid stays undone, and what a person merged stays merged. Items that are gone are ignored.
    """
    if not items:
        return
    rows = await _rows(connection, items)
    said = await asyncio.to_thread(_said, rows)  # CPU work: a server's requests and a job's heartbeat go on meanwhile
    await _store_given_up(connection, rows, said)
    by_project: dict[UUID, list[AnyRow]] = defaultdict(list)
    for row in rows:
        by_project[row.project_id].append(row)
    links = await _still_held(connection, items)
    for project_id, of_project in by_project.items():
        links |= await _links(connection, project_id, of_project, said)
    await _store(connection, items, links)


async def read_links(connection: AsyncConnection, item_id: UUID) -> tuple[tuple[LinkedItem, ...], tuple[LinkedItem, ...]]:
    """Return the items that replace this one, and those that it replaces, each the latest first, without what a person undid."""
    found = await links_of(connection, [item_id])
    return tuple(found.replaced_by[item_id]), tuple(found.replaces[item_id])


@dataclass(frozen=True, slots=True)
class Links:
    """Links of items, by their ids: those that replace each, and those that each replaces, the latest first."""

    replaced_by: Mapping[UUID, list[LinkedItem]] = field(default_factory=lambda: defaultdict(list))
    replaces: Mapping[UUID, list[LinkedItem]] = field(default_factory=lambda: defaultdict(list))


async def links_of(connection: AsyncConnection, items: Collection[UUID]) -> Links:
    """Read the links of these items in either direction, without those that a person undid and without hidden items."""
    older, newer = aliased(ItemRow), aliased(ItemRow)
    titles = (older.title.label("older_title"), newer.title.label("newer_title"))
    query = (
        select(SupersessionRow.__table__, *titles, older.hidden.label("older_hidden"), newer.hidden.label("newer_hidden"))
        .join(older, older.id == SupersessionRow.older_id)
        .join(newer, newer.id == SupersessionRow.newer_id)
        .where(_concerned(items), SupersessionRow.undone_at.is_(None))
        .order_by(SupersessionRow.said_at.desc(), SupersessionRow.newer_id, SupersessionRow.older_id)
    )
    found = Links()
    for row in await connection.execute(query):
        if not row.newer_hidden:
            found.replaced_by[row.older_id].append(LinkedItem(row.newer_id, row.newer_title, row.words, row.said_at, row.cause))
        if not row.older_hidden:
            found.replaces[row.newer_id].append(LinkedItem(row.older_id, row.older_title, row.words, row.said_at, row.cause))
    return found


def replacement(before: ColumnElement[datetime] | None) -> Select[UUID, str, datetime, str]:
    """Select what replaces the ItemRow of the query around it, the latest. `before`: only if that was said before this time."""
    return _latest(ItemRow.id, before).correlate(ItemRow)


def replacements(items: ColumnElement[Sequence[UUID]], before: ColumnElement[datetime] | None) -> Select[UUID]:
    """Select what replaces items of an array, the latest of each, and what replaces that: at most MAX_CHAIN links."""
    chain = select(func.unnest(items).label("id"), literal(0).label("links")).cte("chain", recursive=True)
    latest = _latest(chain.c.id, before).correlate(chain).lateral("next")
    further = select(latest.c.replaced_by, chain.c.links + 1).join_from(chain, latest, onclause=true()).where(chain.c.links < MAX_CHAIN)
    chain = chain.union(further)
    return select(chain.c.id).where(chain.c.links > 0)


def _latest(
    older: ColumnElement[UUID] | InstrumentedAttribute[UUID], before: ColumnElement[datetime] | None
) -> Select[UUID, str, datetime, str]:
    newer = aliased(ItemRow)
    columns = (newer.id.label("replaced_by"), newer.title.label("replaced_by_title"), SupersessionRow.said_at.label("replaced_at"))
    return (
        select(*columns, SupersessionRow.cause.label("replaced_cause"))
        .join(newer, newer.id == SupersessionRow.newer_id)
        .where(SupersessionRow.older_id == older, SupersessionRow.undone_at.is_(None), ~newer.hidden)
        .where(*_said_before(before))
        .order_by(SupersessionRow.said_at.desc(), newer.id)
        .limit(1)
    )


def _said_before(moment: ColumnElement[datetime] | None) -> list[ColumnElement[bool]]:
    return [] if moment is None else [SupersessionRow.said_at < moment]


def is_replaced(*items: SQLColumnExpression[UUID], before: ColumnElement[datetime] | None = None) -> ColumnElement[bool]:
    """Build the condition that one of these items is replaced by one that isn't hidden. `before`: only if that was said before then."""
    newer = aliased(ItemRow)
    return exists(
        select(SupersessionRow.older_id)
        .join(newer, newer.id == SupersessionRow.newer_id)
        .where(SupersessionRow.older_id.in_(items), SupersessionRow.undone_at.is_(None), ~newer.hidden)
        .where(*_said_before(before))
        .correlate_except(SupersessionRow, newer)
    )


async def undo_links(connection: AsyncConnection, *which: ColumnElement[bool], author_id: UUID | None) -> Sequence[tuple[UUID, UUID]]:
    """Undo links, so that they aren't made again by words. Returns their (older, newer). `author_id` None: an admin."""
    undone = {"undone_at": func.now(), "undone_by": author_id, "by_admin": author_id is None}
    made = update(SupersessionRow).where(*which, SupersessionRow.undone_at.is_(None)).values(undone)
    rows = await connection.execute(made.returning(SupersessionRow.older_id, SupersessionRow.newer_id))
    return [(row.older_id, row.newer_id) for row in rows]


async def replace_by_person(
    connection: AsyncConnection, replaced: UUID, by: UUID, *, cause: Literal["decided", "merged"], author_id: UUID | None
) -> None:
    """Link two items because a person says so, now, whatever was said or undone before. `author_id` None: an admin.

    Conflict if the one that stays is replaced by the other, also through others or ones that are hidden now: neither would be valid.
    """
    if await _leads_to(connection, by, replaced):
        raise Conflict(f"Item {by} is itself replaced by {replaced}: restore it first, so that the two don't replace each other.")
    values = {"words": "", "said_at": func.now(), "cause": cause, "made_by": author_id, "made_by_admin": author_id is None}
    made = upsert(SupersessionRow).values(older_id=replaced, newer_id=by, **values)
    anew = values | {"undone_at": None, "undone_by": None, "by_admin": False}
    await connection.execute(made.on_conflict_do_update(index_elements=["older_id", "newer_id"], set_=anew))


async def _leads_to(connection: AsyncConnection, older: UUID, newer: UUID) -> bool:
    """Tell whether an item is replaced by another one, directly or through others, whether or not these are hidden."""
    holds = SupersessionRow.undone_at.is_(None)
    chain = select(SupersessionRow.newer_id).where(SupersessionRow.older_id == older, holds).cte("leads_to", recursive=True)
    further = select(SupersessionRow.newer_id).join(chain, SupersessionRow.older_id == chain.c.newer_id).where(holds)
    chain = chain.union(further)
    return bool(await connection.scalar(select(exists().where(chain.c.newer_id == newer))))


async def _rows(connection: AsyncConnection, items: Collection[UUID]) -> Sequence[AnyRow]:
    return (await connection.execute(select(*_ITEM).where(ItemRow.id == any_(literal(list(items), ARRAY(Uuid)))))).all()


async def _still_held(connection: AsyncConnection, items: Collection[UUID]) -> set[_Link]:
    """Judge the links of these items anew, undone ones too: those that weren't looked for now are as valid as before."""
    pairs = (await connection.execute(select(SupersessionRow.older_id, SupersessionRow.newer_id).where(_concerned(items)))).all()
    rows = {row.id: row for row in await _rows(connection, {item for pair in pairs for item in pair})}
    said = await asyncio.to_thread(_said, rows.values())
    return await asyncio.to_thread(_judged, [(rows[older], rows[newer]) for older, newer in pairs], said)


async def _store_given_up(connection: AsyncConnection, rows: Sequence[AnyRow], said: Mapping[UUID, ItemWords]) -> None:
    changed = [{"item": row.id, "given_up": list(said[row.id].gives_up)} for row in rows if said[row.id].gives_up != tuple(row.gives_up)]
    if changed:
        stored = update(ItemRow).where(ItemRow.id == bindparam("item")).values(gives_up=bindparam("given_up"))
        await connection.execute(stored, changed)


async def _links(connection: AsyncConnection, project_id: UUID, rows: Sequence[AnyRow], said: Mapping[UUID, ItemWords]) -> set[_Link]:
    """Judge these items of a project with those that state a change, and those of them that do with what they may replace."""
    changes = await _changes(connection, project_id, since=min(row.last_said for row in rows))
    replacing = await asyncio.to_thread(_naming, rows, said, changes)
    newers = {row.id: row for row in await _rows(connection, {newer for found in replacing.values() for newer in found})}
    known = {**await asyncio.to_thread(_said, [row for row in newers.values() if row.id not in said]), **said}
    pairs = [(row, newers[newer]) for row in rows for newer in replacing[row.id]]
    found = await asyncio.to_thread(_judged, pairs, known)
    for row in (row for row in rows if said[row.id].changes):
        olders = [older for value in said[row.id].gives_up for older in await _holding(connection, row, value)]
        known = {**await asyncio.to_thread(_said, olders), **said}
        found |= await asyncio.to_thread(_judged, [(older, row) for older in olders], known)
    return found


async def _changes(connection: AsyncConnection, project_id: UUID, *, since: datetime) -> Sequence[AnyRow]:
    """Read which values the project's items give up, without their texts."""
    some = (ItemRow.project_id == project_id, ItemRow.gives_up != literal([], ItemRow.gives_up.type), since < _FIRST_SAID)
    latest = select(ItemRow.id, ItemRow.gives_up, _TIMES[0]).where(*some).order_by(_FIRST_SAID.desc(), ItemRow.id)
    return (await connection.execute(latest.limit(MAX_CHANGES))).all()


def _naming(rows: Sequence[AnyRow], said: Mapping[UUID, ItemWords], changes: Sequence[AnyRow]) -> dict[UUID, list[UUID]]:
    """Return for each item the later changes, the latest first, that give up a value in its text."""
    giving_up: dict[str, list[AnyRow]] = defaultdict(list)
    for change in changes:
        for value in change.gives_up:
            giving_up[value].append(change)
    values = by_first_word(giving_up)
    found: dict[UUID, list[UUID]] = {}
    for row in rows:
        named = {
            each.id: each.first_said for value in values_in(said[row.id], values) for each in giving_up[value] if _comes_after(each, row)
        }
        found[row.id] = sorted(named, key=lambda each: (named[each], each), reverse=True)[:MAX_NAMING]
    return found


def _judged(pairs: Iterable[tuple[AnyRow, AnyRow]], said: Mapping[UUID, ItemWords]) -> set[_Link]:
    """Judge pairs of an earlier and a later item. Returns the links."""
    found: set[_Link] = set()
    for older, newer in pairs:
        if _comes_after(newer, older) and (sentence := replaced_by(said[older.id], said[newer.id])) is not None:
            found.add(_Link(older.id, newer.id, sentence, newer.first_said))
    return found


def _comes_after(newer: AnyRow, older: AnyRow) -> bool:
    """Tell whether the one was first said after the other was last said: only then can it replace it."""
    return bool(newer.id != older.id and newer.first_said > older.last_said)


async def _holding(connection: AsyncConnection, newer: AnyRow, value: str) -> Sequence[AnyRow]:
    """Read the project's earlier items that hold a value: by the full-text index, which has no Chinese words."""
    if re.search(r"[\u3400-\u9fff]", value):
        holds: ColumnElement[bool] = func.concat(ItemRow.title, " ", ItemRow.text).icontains(value, autoescape=True)
    else:
        holds = ItemRow.search.op("@@")(func.plainto_tsquery(cast("simple", REGCONFIG), value))
    earlier = (ItemRow.project_id == newer.project_id, ItemRow.id != newer.id, newer.first_said > _LAST_SAID, holds)
    query = select(*_ITEM).where(*earlier).order_by(_LAST_SAID.desc(), ItemRow.id).limit(MAX_HOLDING)
    return (await connection.execute(query)).all()


async def _store(connection: AsyncConnection, items: Collection[UUID], links: set[_Link]) -> None:
    """Store the links, and take back those of these items that aren't among them: each was judged.

    One that was undone is kept, so that it isn't made again, without its words: they may be of a session that was purged.
    """
    gone = _concerned(items)
    links = await _without_decided(connection, links)
    if links:
        gone = and_(
            gone, ~are_among(SupersessionRow.older_id, SupersessionRow.newer_id, [(each.older_id, each.newer_id) for each in links])
        )
    await connection.execute(delete(SupersessionRow).where(gone, _SAID, SupersessionRow.undone_at.is_(None)))
    await connection.execute(update(SupersessionRow).where(gone, SupersessionRow.words != "").values(words=""))
    if links:
        made = upsert(SupersessionRow)
        said = {"words": made.excluded.words, "said_at": made.excluded.said_at}
        stored = made.on_conflict_do_update(index_elements=["older_id", "newer_id"], set_=said, where=_SAID)
        await connection.execute(stored, [link._asdict() for link in sorted(links)])


def _concerned(items: Collection[UUID]) -> ColumnElement[bool]:
    wanted = literal(list(items), ARRAY(Uuid))
    return or_(SupersessionRow.older_id == any_(wanted), SupersessionRow.newer_id == any_(wanted))


def _said(rows: Iterable[AnyRow]) -> dict[UUID, ItemWords]:
    return {row.id: read(f"{row.title}.\n{row.text}") for row in rows}


async def _without_decided(connection: AsyncConnection, links: set[_Link]) -> set[_Link]:
    """Leave out links to an item that a person had replaced by the other, also through others, MAX_CHAIN at most: none would be valid."""
    if not links:
        return links
    newers, holds = literal(list({link.newer_id for link in links}), ARRAY(Uuid)), SupersessionRow.undone_at.is_(None)
    first = (SupersessionRow.older_id.label("newer"), SupersessionRow.newer_id.label("reached"), (~_SAID).label("decided"))
    chain = select(*first, literal(1).label("links")).where(SupersessionRow.older_id == any_(newers), holds).cte("chain", recursive=True)
    further = select(chain.c.newer, SupersessionRow.newer_id, or_(chain.c.decided, ~_SAID), chain.c.links + 1)
    further = further.join(chain, SupersessionRow.older_id == chain.c.reached).where(holds, chain.c.links < MAX_CHAIN)
    chain = chain.union(further)
    query = select(chain.c.newer, chain.c.reached).where(chain.c.decided)
    decided = {(row.reached, row.newer) for row in await connection.execute(query)}
    return {link for link in links if (link.older_id, link.newer_id) not in decided}


def merged_into(item_id: UUID) -> Select[UUID]:
    """Select the items that people merged into this one, and those that were merged into them."""
    found = select(SupersessionRow.older_id).where(SupersessionRow.newer_id == item_id, MERGED).cte("merged", recursive=True)
    further = select(SupersessionRow.older_id).join(found, SupersessionRow.newer_id == found.c.older_id).where(MERGED)
    return select(found.union(further).c.older_id)


def _merges() -> CTE:
    found = (
        select(SupersessionRow.newer_id.label("kept"), SupersessionRow.older_id.label("merged")).where(MERGED).cte("merges", recursive=True)
    )
    further = select(found.c.kept, SupersessionRow.older_id).join(SupersessionRow, SupersessionRow.newer_id == found.c.merged).where(MERGED)
    return found.union(further)


_SAID = SupersessionRow.cause == "said"
MERGED = and_(SupersessionRow.cause == "merged", SupersessionRow.undone_at.is_(None))
"""The condition that a link is a person's merge, and nobody undid it."""
MERGES = _merges()
"""Every item into which people merged others (`kept`), with each of these (`merged`), also through others: for lists of items."""

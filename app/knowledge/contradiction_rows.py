"""Contradictions in PostgreSQL: found with each change of an item's words, read beside an item, with a search's candidates and as a list.

The caller holds the project's lock, so that two writers can't each miss the other's item.
"""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    ScalarSelect,
    Select,
    SQLColumnExpression,
    Uuid,
    and_,
    any_,
    case,
    cast,
    delete,
    func,
    literal,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, REGCONFIG, aggregate_order_by
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import aliased

from app.knowledge.contradiction.judge import Rule, TitledText, contradictions_between, rules_of
from app.knowledge.item import ContradictingItem, Contradiction, ContradictionSide
from app.knowledge.relation_tables import ContradictionRow
from app.knowledge.supersession_rows import is_replaced
from app.knowledge.tables import ItemRow
from app.storage.matching import are_among
from app.storage.pages import EntryPage, PageWanted, page_of_log, paged_log
from app.storage.tables import AnyRow

MAX_COMPARED = 200
"""Items of a project that hold the words of a rule, the latest, with which an item is compared."""
MAX_RULES = 10
"""Rules of an item by whose words others are looked for, the first."""
MAX_SHOWN = 20
"""Items that are shown to contradict one, the latest. Lists of contradictions have all."""
WORDS_OF_RULE = 3
"""Words of a rule, the longest, that another item must hold to be compared."""
STEM_SHARE, MIN_STEM = 0.6, 3
"""Share of a word, and characters of it, by which it is found in any inflection."""
_ITEM = (ItemRow.id, ItemRow.team_id, ItemRow.project_id, ItemRow.title, ItemRow.text)


class _Found(NamedTuple):
    one_id: UUID
    other_id: UUID
    team_id: UUID
    words: str
    other_words: str


async def refresh_contradictions(connection: AsyncConnection, items: Collection[UUID]) -> None:
    """Find what these items contradict in their projects, and take back what no longer does. What a person decided stays decided."""
    if not items:
        return
    rows = (await connection.execute(select(*_ITEM).where(ItemRow.id == any_(literal(list(items), ARRAY(Uuid)))))).all()
    judged: dict[tuple[UUID, UUID], _Found | None] = {}
    for row in rows:
        others = [*await _known(connection, row), *await _comparable(connection, row)]
        # CPU work: a server's requests and a job's heartbeat go on meanwhile
        judged |= await asyncio.to_thread(_judged, row, others, judged.keys())
    await _store(connection, items, [each for each in judged.values() if each is not None])


async def read_contradictions(connection: AsyncConnection, item_id: UUID) -> tuple[ContradictingItem, ...]:
    """Return the items that this one contradicts, while both are valid and no person has decided, the latest first: at most MAX_SHOWN."""
    return (await contradictions_of(connection, [item_id])).get(item_id, ())


async def contradictions_of(connection: AsyncConnection, items: Collection[UUID]) -> Mapping[UUID, tuple[ContradictingItem, ...]]:
    """Return for each of these items what `read_contradictions` does; one that contradicts none is left out."""
    found: dict[UUID, list[tuple[ContradictionSide, ContradictionSide]]] = defaultdict(list)
    for row in await connection.execute(_pairs().where(_concern(items))):
        one, other = _sides(row)
        found[one.id].append((other, one))
        found[other.id].append((one, other))
    return {item: _latest_first(found[item]) for item in items if item in found}


def _latest_first(pairs: Iterable[tuple[ContradictionSide, ContradictionSide]]) -> tuple[ContradictingItem, ...]:
    in_order = sorted(pairs, key=lambda pair: pair[0].id)
    in_order.sort(key=lambda pair: pair[0].said_at, reverse=True)
    return tuple(ContradictingItem(other.id, other.title, other.words, own.words) for other, own in in_order[:MAX_SHOWN])


def contradicting(before: ColumnElement[datetime] | None) -> ScalarSelect[list[UUID]]:
    """Select the ids that contradict the ItemRow of the query around it, the latest first: at most MAX_SHOWN.

    `before`: only of those said before this time.
    """
    other = aliased(ItemRow)
    return (
        select(func.array_agg(aggregate_order_by(other.id, other.created_at.desc(), other.id), type_=ARRAY(Uuid))[1:MAX_SHOWN])
        .select_from(ContradictionRow)
        .join(other, other.id == _other_of(ItemRow.id))
        .where(_is_open(ItemRow.id), _are_valid(other, before))
        .where(*([] if before is None else [other.created_at < before]))
        .correlate(ItemRow)
        .scalar_subquery()
    )


def open_contradictions(team_id: UUID, *within: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    """Select a team's pairs of items between which a person should decide, in no order. `within`: conditions on ItemRow, one of the two.

    Both are of one project. `contradiction_from` reads a row; a page is made by `read_open_contradictions`.
    """
    return _pairs().where(ContradictionRow.team_id == team_id, *within)


def contradicts_earlier(team_id: UUID, *within: ColumnElement[bool]) -> Select[UUID]:
    """Select the team's items that contradict one said before them, while a person should decide: one of each pair. `within`: as above."""
    pair = open_contradictions(team_id, *within).subquery("pairs").c
    is_later = tuple_(pair.one_said_at, pair.one_id) > tuple_(pair.other_said_at, pair.other_id)
    return select(case((is_later, pair.one_id), else_=pair.other_id))


def _pairs() -> Select[*tuple[Any, ...]]:
    other = aliased(ItemRow)
    columns = (ContradictionRow.number.label("id"), ContradictionRow.created_at, ItemRow.project_id)
    one = (ItemRow.id.label("one_id"), ItemRow.title.label("one_title"), ItemRow.created_at.label("one_said_at"), ContradictionRow.words)
    second = (other.id.label("other_id"), other.title.label("other_title"), other.created_at.label("other_said_at"))
    return (
        select(*columns, *one, *second, ContradictionRow.other_words)
        .select_from(ContradictionRow)
        .join(ItemRow, ItemRow.id == ContradictionRow.one_id)
        .join(other, other.id == ContradictionRow.other_id)
        .where(ContradictionRow.decision.is_(None), _are_valid(other))
    )


async def read_open_contradictions(
    connection: AsyncConnection, team_id: UUID, *within: ColumnElement[bool], wanted: PageWanted
) -> EntryPage[Contradiction]:
    """Return a page of `open_contradictions`, the one found last first. InvalidInput for a place that isn't one of such a list."""
    query = paged_log(open_contradictions(team_id, *within), ContradictionRow.number, ContradictionRow.created_at, wanted)
    return page_of_log([contradiction_from(row) for row in await connection.execute(query)], wanted)


def contradiction_from(row: AnyRow) -> Contradiction:
    """Read a row of `open_contradictions`."""
    earlier, later = sorted(_sides(row), key=lambda side: (side.said_at, side.id))
    return Contradiction(row.id, row.project_id, row.created_at, (earlier, later))


def _sides(row: AnyRow) -> tuple[ContradictionSide, ContradictionSide]:
    one = ContradictionSide(row.one_id, row.one_title, row.words, row.one_said_at)
    return one, ContradictionSide(row.other_id, row.other_title, row.other_words, row.other_said_at)


async def are_open(connection: AsyncConnection, one_id: UUID, other_id: UUID) -> bool:
    """Tell whether neither of two items is hidden or replaced: else there is nothing to decide between them."""
    other = aliased(ItemRow)
    query = select(ItemRow.id).join(other, other.id == other_id).where(ItemRow.id == one_id, _are_valid(other))
    return await connection.scalar(query) is not None


async def reopen(connection: AsyncConnection, pairs: Collection[tuple[UUID, UUID]], *, decided: Collection[str] = ("one", "other")) -> None:
    """Take back what a person decided between each pair, if it was one of these decisions. A pair whose words are gone goes with it."""
    if not pairs:
        return
    wanted = tuple_(ContradictionRow.one_id, ContradictionRow.other_id).in_([tuple(sorted(pair)) for pair in pairs])
    which = (wanted, ContradictionRow.decision.in_(decided))
    await connection.execute(delete(ContradictionRow).where(*which, ContradictionRow.words == ""))
    undecided = {"decision": None, "decided_at": None, "decided_by": None, "by_admin": False}
    await connection.execute(update(ContradictionRow).where(*which).values(undecided))


def _is_open(item: SQLColumnExpression[UUID]) -> ColumnElement[bool]:
    return and_(_is_of(item), ContradictionRow.decision.is_(None))


def _is_of(item: SQLColumnExpression[UUID]) -> ColumnElement[bool]:
    return or_(ContradictionRow.one_id == item, ContradictionRow.other_id == item)


def _other_of(item: SQLColumnExpression[UUID]) -> ColumnElement[UUID]:
    return case((ContradictionRow.one_id == item, ContradictionRow.other_id), else_=ContradictionRow.one_id)


def _are_valid(other: type[ItemRow], before: ColumnElement[datetime] | None = None) -> ColumnElement[bool]:
    """Build the condition that neither item of a pair is hidden, or replaced `before` a time: then there is nothing to decide."""
    return and_(~ItemRow.hidden, ~other.hidden, ~is_replaced(ItemRow.id, other.id, before=before))


async def _known(connection: AsyncConnection, row: AnyRow) -> Sequence[AnyRow]:
    """Read the items that an item is known to contradict: each is judged anew, however many others hold the same words by now."""
    query = select(*_ITEM).join(ContradictionRow, ItemRow.id == _other_of(literal(row.id, Uuid)))
    return (await connection.execute(query.where(_is_of(literal(row.id, Uuid))).order_by(ContradictionRow.number.desc()))).all()


async def _comparable(connection: AsyncConnection, row: AnyRow) -> Sequence[AnyRow]:
    """Read the project's items that hold the words of one of an item's rules, but for its values."""
    rules = await asyncio.to_thread(rules_of, _statement(row))
    wanted = [condition for rule in rules[:MAX_RULES] if (condition := _holds(rule)) is not None]
    if not wanted:
        return ()
    query = select(*_ITEM).where(ItemRow.project_id == row.project_id, ItemRow.id != row.id, or_(*wanted))
    return (await connection.execute(query.order_by(ItemRow.last_seen_at.desc(), ItemRow.id).limit(MAX_COMPARED))).all()


def _holds(rule: Rule) -> ColumnElement[bool] | None:
    """Build the condition that an item holds a rule's longest words, in any inflection; Chinese ones, which the index lacks, literally."""
    words = sorted({part for word in rule.words for part in re.findall(r"[^\W\d_]+", word)}, key=lambda each: (-len(each), each))
    chinese = [word for word in words if re.match(r"[\u3400-\u9fff]", word)]
    if chinese:
        said = func.concat(ItemRow.title, " ", ItemRow.text)
        return and_(*(said.icontains(word, autoescape=True) for word in chinese[:WORDS_OF_RULE]))
    stems = list(_stems(words))[:WORDS_OF_RULE]
    if not stems:
        return None
    return ItemRow.search.op("@@")(func.to_tsquery(cast("simple", REGCONFIG), " & ".join(f"{stem}:*" for stem in stems)))


def _stems(words: Sequence[str]) -> Iterator[str]:
    yield from dict.fromkeys(word[: max(MIN_STEM, round(len(word) * STEM_SHARE))] for word in words if len(word) >= MIN_STEM)


def _judged(row: AnyRow, others: Iterable[AnyRow], done: Collection[tuple[UUID, UUID]]) -> dict[tuple[UUID, UUID], _Found | None]:
    """Judge an item with others, but for the pairs that are done. Those beyond the judge's bounds are left out."""
    pairs = {(one.id, second.id): (one, second) for one, second in (sorted((row, each), key=lambda side: side.id) for each in others)}
    wanted = {pair: sides for pair, sides in pairs.items() if pair not in done}
    conflicts = contradictions_between((_statement(one), _statement(second)) for one, second in wanted.values())
    return {
        pair: None if conflict is None else _Found(*pair, row.team_id, conflict.words, conflict.other_words)
        for pair, conflict in zip(wanted, conflicts, strict=False)
    }


async def _store(connection: AsyncConnection, items: Collection[UUID], found: Sequence[_Found]) -> None:
    """Store what was found, and take back those of these items that weren't.

    A decided one is kept, without its words: they may be of a session that was purged.
    """
    still = are_among(ContradictionRow.one_id, ContradictionRow.other_id, [(each.one_id, each.other_id) for each in found])
    gone = and_(_concern(items), ~still)
    await connection.execute(delete(ContradictionRow).where(gone, ContradictionRow.decision.is_(None)))
    still_worded = or_(ContradictionRow.words != "", ContradictionRow.other_words != "")
    await connection.execute(update(ContradictionRow).where(gone, still_worded).values(words="", other_words=""))
    if found:
        made = upsert(ContradictionRow)
        said = {"words": made.excluded.words, "other_words": made.excluded.other_words}
        stored = made.on_conflict_do_update(index_elements=["one_id", "other_id"], set_=said)
        await connection.execute(stored, [each._asdict() for each in sorted(found)])


def _concern(items: Collection[UUID]) -> ColumnElement[bool]:
    wanted = literal(list(items), ARRAY(Uuid))
    return or_(ContradictionRow.one_id == any_(wanted), ContradictionRow.other_id == any_(wanted))


def _statement(row: AnyRow) -> TitledText:
    return TitledText(row.title, row.text)

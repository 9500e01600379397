"""The lists of items that a lead reviews: which items belong to each, and their pages. Reads only; `review` knows who may.

An item leaves its list when somebody reviews it: finds it helpful, corrects it, merges it, retires it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, assert_never
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, func, or_, select, true, tuple_
from sqlalchemy.orm import InstrumentedAttribute, aliased

from app.knowledge.contradiction_rows import contradictions_of, contradicts_earlier
from app.knowledge.item import REVIEW_LISTS, ContradictingItem, ReviewList
from app.knowledge.relation_tables import SupersessionRow
from app.knowledge.supersession_rows import MERGES, replacement
from app.knowledge.tables import ITEM_COLUMNS, CodeMarkRow, EvidenceRow, FeedbackRow, ItemRow, UseRow
from app.knowledge.use_counts import accepted_uses, counting
from app.sessions.journal import Journal
from app.storage.database import Database, rows_of
from app.storage.pages import EntryPage, moment_and_id, number_of, place_of
from app.storage.tables import AnyRow

NEW_FOR: Final = timedelta(days=14)
UNUSED_AFTER: Final = timedelta(days=30)
FEW_SESSIONS: Final = 2
"""That so many sessions were served an item and didn't use it says little. What no session was ever served is never found, though."""
_BETWEEN: Final = "|"


@dataclass(frozen=True, slots=True)
class ReviewScope:
    """The items that are reviewed: a team's or one project's, but none of the projects `closed`. `now`: the time of the review."""

    team_id: UUID
    now: datetime
    project_id: UUID | None = None
    closed: Collection[UUID] = ()

    @property
    def new_since(self) -> datetime:
        return self.now - NEW_FOR

    @property
    def place(self) -> ColumnElement[bool]:
        return ItemRow.team_id == self.team_id if self.project_id is None else ItemRow.project_id == self.project_id

    @property
    def condition(self) -> ColumnElement[bool]:
        return and_(self.place, ~ItemRow.hidden, *([ItemRow.project_id.not_in(self.closed)] if self.closed else []))


class ReviewLists:
    """Counts the items of each list, and reads their pages."""

    def __init__(self, database: Database, journal: Journal) -> None:
        self._database = database
        self._journal = journal

    async def counts(self, scope: ReviewScope) -> Mapping[ReviewList, int]:
        """Count the items of each list."""
        counted = [
            select(func.count()).select_from(ItemRow).where(*self._belonging(each, scope)).scalar_subquery() for each in REVIEW_LISTS
        ]
        (row,) = await self._database.read(rows_of(select(*counted)))
        return dict(zip(REVIEW_LISTS, row, strict=True))

    async def page(self, name: ReviewList, scope: ReviewScope, *, limit: int, after: str | None = None) -> EntryPage[AnyRow]:
        """Return a page of a list: the newest first; of the most useful, the most useful first. InvalidInput for an unknown place.

        A row has an item's columns, `used` (by how many sessions, accepted), and `replaced_by` and its title.
        """
        order: Sequence[ColumnElement[Any]] = (ItemRow.created_at, ItemRow.id)  # type: ignore[assignment]
        if ranked := name == "most_useful":
            order = (ItemRow.helpful + accepted_uses(), *order)
        later = replacement(None).lateral("later")
        replaced = (later.c.replaced_by, later.c.replaced_by_title)
        query = (
            select(*ITEM_COLUMNS, accepted_uses().label("used"), *replaced)
            .select_from(ItemRow)
            .outerjoin(later, true())
            .where(*self._belonging(name, scope))
            .order_by(*(each.desc() for each in order))
            .limit(limit + 1)
        )
        if after is not None:
            query = query.where(tuple_(*order) < tuple_(*_place(after, ranked=ranked)))
        rows = await self._database.read(rows_of(query))
        shown = rows[:limit]
        return EntryPage(shown, _written(shown[-1], ranked=ranked) if len(rows) > limit else None)

    async def contradictions(self, items: Collection[UUID]) -> Mapping[UUID, tuple[ContradictingItem, ...]]:
        """Return what each of these items contradicts, as `contradictions_of`."""
        return await self._database.read(lambda connection: contradictions_of(connection, items))

    def _belonging(self, name: ReviewList, scope: ReviewScope) -> tuple[ColumnElement[bool], ...]:
        """Return the conditions on which an item belongs to a list. What another item replaces is in no list but that of the outdated."""
        newer = aliased(ItemRow)
        link = (SupersessionRow.older_id == ItemRow.id, SupersessionRow.undone_at.is_(None), SupersessionRow.newer_id == newer.id)
        replaced = exists().where(*link, ~newer.hidden)
        match name:
            case "new":
                unreviewed = (ItemRow.corrected_at.is_(None), ~exists().where(FeedbackRow.knowledge_id == ItemRow.id))
                # what was learnt since was changed since: the cheaper condition first
                return (scope.condition, ItemRow.updated_at >= scope.new_since, ~_learnt_before(scope.new_since), *unreviewed, ~replaced)
            case "contradicted":
                return (scope.condition, ItemRow.id.in_(contradicts_earlier(scope.team_id, scope.place)))
            case "outdated":
                return (
                    scope.condition,
                    or_(_found_stale(), _code_changed(), replaced.where(SupersessionRow.cause != "merged")),
                    ~replaced.where(SupersessionRow.cause == "merged"),
                )
            case "never_used":
                moment = scope.now - UNUSED_AFTER
                untouched = (ItemRow.helpful == 0, or_(ItemRow.corrected_at.is_(None), ItemRow.corrected_at < moment))
                merged = select(MERGES.c.kept).join(UseRow, UseRow.knowledge_id == MERGES.c.merged)
                used = or_(exists().where(UseRow.knowledge_id == ItemRow.id), ItemRow.id.in_(merged))
                items = select(ItemRow.id).where(scope.place).correlate(None)
                unused = (~used, ItemRow.id.not_in(self._journal.served_at_most(FEW_SESSIONS, among=items)))
                return (scope.condition, *untouched, _learnt_before(moment), *unused, ~replaced)
            case "most_useful":
                # by equality alone, which PostgreSQL hashes for many items: most were never used
                any_use = exists().where(UseRow.knowledge_id == ItemRow.id, UseRow.accepted)
                own = exists().where(counting(), UseRow.accepted)
                used = or_(and_(any_use, own), and_(ItemRow.id.in_(select(MERGES.c.kept)), accepted_uses() > 0))
                return (scope.condition, or_(ItemRow.helpful > 0, used), ~replaced)
            case _:
                assert_never(name)


def _learnt_before(moment: datetime) -> ColumnElement[bool]:
    """Return the condition that Cairn learnt an item, or a person recorded it, before a time: a session itself may be much older."""
    taught = exists().where(EvidenceRow.knowledge_id == ItemRow.id, EvidenceRow.created_at < moment)
    return or_(and_(ItemRow.origin == "recorded", ItemRow.created_at < moment), and_(ItemRow.origin != "recorded", taught))


def _found_stale() -> ColumnElement[bool]:
    """Return the condition that more people find an item out of date than helpful, and nobody has found it helpful since the last."""
    stale = aliased(FeedbackRow)
    unanswered = exists().where(stale.knowledge_id == ItemRow.id, stale.verdict == "stale", ~_helpful_since(stale.knowledge_id, stale.at))
    return and_(ItemRow.stale > ItemRow.helpful, unanswered)


def _code_changed() -> ColumnElement[bool]:
    """Return the condition that an item's code changed or is gone, and nobody has found it helpful since."""
    changed_at = func.coalesce(CodeMarkRow.committed_at, CodeMarkRow.checked_at)
    of_item = (CodeMarkRow.knowledge_id == ItemRow.id, CodeMarkRow.verdict.in_(("changed", "gone")))
    return and_(
        ItemRow.code_verdict.in_(("changed", "gone")), exists().where(*of_item, ~_helpful_since(CodeMarkRow.knowledge_id, changed_at))
    )


def _helpful_since(item: InstrumentedAttribute[UUID], moment: Any) -> ColumnElement[bool]:
    """Return the condition that somebody found an item helpful at a time or later. `item`: a column of the query around it."""
    helpful = aliased(FeedbackRow)
    return exists().where(helpful.knowledge_id == item, helpful.verdict == "helpful", helpful.at >= moment)


def _written(row: AnyRow, *, ranked: bool) -> str:
    """Write the place at which a page ends: its last row's keys."""
    return f"{row.helpful + row.used}{_BETWEEN}{place_of(row)}" if ranked else place_of(row)


def _place(after: str, *, ranked: bool) -> tuple[object, ...]:
    if not ranked:
        return moment_and_id(after)
    rank, _, place = after.partition(_BETWEEN)
    return (number_of(rank), *moment_and_id(place))

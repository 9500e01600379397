"""Finds the items about which and another one a person decided: merged, judged between, restored. Such an item outlives re-extraction."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import ColumnElement, CompoundSelect, SQLColumnExpression, exists, literal_column, or_, select, union

from app.knowledge.relation_tables import ContradictionRow, SupersessionRow

_LINKED = or_(SupersessionRow.cause != literal_column("'said'"), SupersessionRow.undone_at.is_not(None))
"""The predicate of the index `ix_knowledge_supersessions_people`, which a parameter would hide: keep the two alike."""
_DECIDED = ContradictionRow.decision.is_not(None)


def is_decided(item: SQLColumnExpression[UUID]) -> ColumnElement[bool]:
    """Build the condition that a person made or undid a link of an item, or decided between it and one that it contradicts."""
    of_item = or_(SupersessionRow.older_id == item, SupersessionRow.newer_id == item)
    linked = exists(select(SupersessionRow.older_id).where(of_item, _LINKED).correlate_except(SupersessionRow))
    either = or_(ContradictionRow.one_id == item, ContradictionRow.other_id == item)
    return or_(linked, exists(select(ContradictionRow.one_id).where(either, _DECIDED).correlate_except(ContradictionRow)))


def decided_items() -> CompoundSelect[UUID]:
    """Select the items of `is_decided`, of all projects."""
    linked = (select(side).where(_LINKED) for side in (SupersessionRow.older_id, SupersessionRow.newer_id))
    return union(*linked, *(select(side).where(_DECIDED) for side in (ContradictionRow.one_id, ContradictionRow.other_id)))

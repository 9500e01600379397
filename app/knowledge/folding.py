"""Folds near-copies of one matter under the best one, so that a crisis of one afternoon takes one place. Pure: knows no database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from uuid import UUID

from app.knowledge.near_copies import MIN_LIKE, says_less
from app.knowledge.neighbours import item_text, unpack
from app.knowledge.results import Result
from app.likeness import differs
from app.storage.tables import AnyRow
from app.storage.vectors.store import Vector

MIN_SAME = 0.65
"""Cosine from which two texts that say the same in other words are one: as for merging (`merge_threshold`)."""
ROOM = 20
"""Results beyond the limit that are looked at: what is folded makes room for them."""
MAX_COMPARED = 3
"""Results with whose words one is compared: each comparison takes a fifth of a millisecond, and a search may rank a hundred."""


def fold(ranked: Sequence[Result], rows: Mapping[UUID, AnyRow], *, limit: int) -> list[Result]:
    """Return the first `limit` results, each with its near-copies among the ranked ones folded under it (`like`).

    One is a copy if it says the same as a better one, or less of the same: in one project, of one day, about the same subjects. What is
    replaced, contradicted or written by a person stands for itself; but what a person merged is folded under the one that was kept.
    """
    vectors = {each.id: unpack(rows[each.id].embedding) for each in ranked}
    kept: list[Result] = []
    folded: dict[UUID, list[UUID]] = {}
    under: dict[UUID, UUID] = {}
    seen: list[Result] = []
    for each in ranked:
        best = _merged_under(each, rows, under)
        if best is None and _may_fold(each, rows):
            best = next((under[one.id] for one in _likest(each, seen, vectors) if _is_copy(one, each, vectors)), None)
        if best is not None:
            folded.setdefault(best, []).append(each.id)
        elif len(kept) < limit:
            kept.append(each)
        else:
            continue
        under[each.id] = best or each.id
        seen.append(each)
    return [_with_copies(each, tuple(folded.get(each.id, ()))) for each in kept]


def _merged_under(result: Result, rows: Mapping[UUID, AnyRow], under: Mapping[UUID, UUID]) -> UUID | None:
    """Return the result that stands for the one into which a person merged this one, if it comes before it. `under`: of those before."""
    if result.replaced_by is None or rows[result.id].replaced_cause != "merged":
        return None
    return under.get(result.replaced_by.id)


def _may_fold(result: Result, rows: Mapping[UUID, AnyRow]) -> bool:
    row = rows[result.id]
    is_written = row.origin == "recorded" or row.corrected_at is not None
    return result.replaced_by is None and not result.contradicts and not is_written


def _likest(other: Result, seen: Sequence[Result], vectors: Mapping[UUID, Vector]) -> list[Result]:
    """Return the results by whose words another one is compared, the likest first: of its project, MAX_COMPARED at most."""
    cosines = {one.id: _cosine(one, other, vectors) for one in seen if one.project == other.project and one.replaced_by is None}
    near = [one for one in seen if cosines.get(one.id, 0.0) >= MIN_SAME]
    return sorted(near, key=lambda one: -cosines[one.id])[:MAX_COMPARED]


def _cosine(one: Result, other: Result, vectors: Mapping[UUID, Vector]) -> float:
    return float(vectors[one.id] @ vectors[other.id])


def _is_copy(best: Result, other: Result, vectors: Mapping[UUID, Vector]) -> bool:
    if not differs(item_text(best.title, best.text), item_text(other.title, other.text)):
        return True
    is_like = _cosine(best, other, vectors) >= MIN_LIKE and _day(best) == _day(other) is not None
    return is_like and says_less(other.text, best.text)


def _day(result: Result) -> date | None:
    at = result.source.at or result.created_at
    return None if at is None else at.date()


def _with_copies(result: Result, like: tuple[UUID, ...]) -> Result:
    explain = None if result.explain is None else result.explain | {"folded": len(like)}
    return replace(result, like=like or None, explain=explain)

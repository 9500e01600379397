"""Folds near-copies of one matter under the best one, so that a crisis of one afternoon takes one place. Pure: knows no database."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import cache
from uuid import UUID

from app.knowledge.neighbours import item_text, unpack
from app.knowledge.results import Result
from app.knowledge.subjects.naming import subjects_of
from app.likeness import differing
from app.storage.tables import AnyRow
from app.storage.vectors.store import Vector

MIN_SAME = 0.65
"""Cosine from which two texts that say the same in other words are one: as for merging (`merge_threshold`)."""
MIN_LIKE = 0.85
"""Cosine from which an item is a near-copy of another one of its day, about the same subjects, that says all of it and more."""
ROOM = 20
"""Results beyond the limit that are looked at: what is folded makes room for them."""
_WORDS, _NOTHING = "word: ", " ≠ ∅"
"""Beginning and end of a reason where only the first of two texts has words of its own, and these are plain ones: no number, no `not`."""


def fold(ranked: Sequence[Result], rows: Mapping[UUID, AnyRow], *, limit: int) -> list[Result]:
    """Return the first `limit` results, each with its near-copies among the ranked ones folded under it (`like`).

    One is a copy if it says the same as a better one, or less of the same: in one project, of one day, about the same subjects. What is
    replaced, contradicted or written by a person stands for itself; but what a person merged is folded under the one that was kept.
    """
    vectors = {each.id: unpack(rows[each.id].embedding) for each in ranked}
    subjects = _subjects_of_results(rows)
    kept: list[Result] = []
    folded: dict[UUID, list[UUID]] = {}
    under: dict[UUID, UUID] = {}
    for each in ranked:
        best = _merged_under(each, rows, under)
        if best is None and _may_fold(each, rows):
            best = next((one.id for one in kept if _is_copy(one, each, vectors, subjects)), None)
        under[each.id] = best or each.id
        if best is not None:
            folded.setdefault(best, []).append(each.id)
        elif len(kept) < limit:
            kept.append(each)
    return [_with_copies(each, tuple(folded.get(each.id, ()))) for each in kept]


def _subjects_of_results(rows: Mapping[UUID, AnyRow]) -> Callable[[UUID], frozenset[str]]:
    @cache  # reading a text for its subjects takes longest, and few are asked for
    def subjects(item: UUID) -> frozenset[str]:
        row = rows[item]
        return frozenset(each.name for each in subjects_of(row.title, row.text, paths=row.paths))

    return subjects


def _merged_under(result: Result, rows: Mapping[UUID, AnyRow], under: Mapping[UUID, UUID]) -> UUID | None:
    """Return the result that stands for the one into which a person merged this one, if it comes before it. `under`: of those before."""
    if result.replaced_by is None or rows[result.id].replaced_cause != "merged":
        return None
    return under.get(result.replaced_by.id)


def _may_fold(result: Result, rows: Mapping[UUID, AnyRow]) -> bool:
    row = rows[result.id]
    is_written = row.origin == "recorded" or row.corrected_at is not None
    return result.replaced_by is None and not result.contradicts and not is_written


def _is_copy(best: Result, other: Result, vectors: Mapping[UUID, Vector], subjects: Callable[[UUID], frozenset[str]]) -> bool:
    if best.project != other.project or best.replaced_by is not None:
        return False
    cosine = float(vectors[best.id] @ vectors[other.id])
    if cosine < MIN_SAME:
        return False
    reasons = differing(item_text(best.title, best.text), item_text(other.title, other.text))
    if not reasons:
        return True
    is_like = cosine >= MIN_LIKE and _day(best) == _day(other) is not None
    says_less = all(each.startswith(_WORDS) and each.endswith(_NOTHING) for each in reasons)
    return is_like and says_less and subjects(other.id) <= subjects(best.id)


def _day(result: Result) -> date | None:
    at = result.source.at or result.created_at
    return None if at is None else at.date()


def _with_copies(result: Result, like: tuple[UUID, ...]) -> Result:
    explain = None if result.explain is None else result.explain | {"folded": len(like)}
    return replace(result, like=like or None, explain=explain)

"""Puts what was replaced behind what replaces it. Pure arithmetic on scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from app.knowledge.item import PASSAGE
from app.knowledge.results import Result

REPLACED = 0.6
"""Factor of a result that another one replaces: still found, behind most of what is valid."""
_DIGITS = 4


def newer_first(ranked: Sequence[Result], newer: Sequence[Result], *, limit: int) -> list[Result]:
    """Return the first `limit` results, each one that was replaced behind its replacement.

    `newer`: replacements that the question alone didn't find. A replacement answers at least as well as what it replaces, since both are
    about the same, so it takes that score; of a chain, each link is behind the next.
    """
    known = {each.id: each for each in (*newer, *ranked)}
    scores: dict[UUID, float] = {each.id: each.score for each in ranked}
    for each in sorted(known.values(), key=lambda each: -_steps(each, known)):  # a chain's end first: a score passes on through it
        later = None if each.replaced_by is None else known.get(each.replaced_by.id)
        if later is not None and each.id in scores:
            scores[later.id] = max(scores.get(later.id, later.score), scores[each.id])
    found = [_scored(known[item], score, factor=REPLACED ** _steps(known[item], known)) for item, score in scores.items()]
    return sorted(found, key=lambda result: (-result.score, str(result.id)))[:limit]


def missing_newer(results: Sequence[Result], newer: Mapping[UUID, UUID]) -> set[UUID]:
    """Return the items that replace passages among the results and that no result is or says. `newer`: as for `behind_newer`."""
    wanted = {each.replaced_by.id for each in results if each.kind == PASSAGE and each.replaced_by is not None and each.id in newer}
    return wanted.difference(*((each.id, newer.get(each.id)) for each in results))


def behind_newer(results: Sequence[Result], newer: Mapping[UUID, UUID]) -> list[Result]:
    """Return items and passages by score, each passage that says little but what was replaced behind what replaces it.

    `newer`: of such a passage, and of one that says what replaces something, its item. The best of those that say the replacement takes
    the score of the passage, as they answer at least as well; items are in their order already.
    """
    scores = {each.id: each.score for each in results}
    behind = {each.id for each in results if each.kind == PASSAGE and each.replaced_by is not None and each.id in newer}
    for each in sorted((each for each in results if each.id in behind), key=_said):
        later = [one for one in results if each.replaced_by is not None and each.replaced_by.id in (one.id, newer.get(one.id))]
        if best := max(later, key=lambda one: (scores[one.id], str(one.id)), default=None):
            scores[best.id] = max(scores[best.id], scores[each.id])
    found = [_scored(each, scores[each.id], factor=REPLACED if each.id in behind else 1.0) for each in results]
    return sorted(found, key=lambda result: -result.score)  # equals stay in their order: the later passage of two first


def _said(result: Result) -> datetime:
    return result.created_at or datetime.min.replace(tzinfo=UTC)


def _steps(result: Result, known: Mapping[UUID, Result]) -> int:
    """Return how many replacements lead from a result to one that is valid."""
    steps = 0
    while result.replaced_by is not None and steps < len(known):
        steps += 1
        later = known.get(result.replaced_by.id)
        if later is None:
            break
        result = later
    return steps


def _scored(result: Result, score: float, *, factor: float) -> Result:
    if factor == 1.0:
        return result if score == result.score else replace(result, score=score)
    explain = None if result.explain is None else result.explain | {"replaced_factor": round(factor, _DIGITS)}
    return replace(result, score=round(score * factor, _DIGITS), explain=explain)

"""Ranks items: relevance × factors for confidence, age, people's verdicts, the code and the preferred project, best first.

Computes exact scores only for items whose upper bound can reach the first `limit`: splitting a text into terms costs the most.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappush, heappushpop
from uuid import UUID

from app.embeddings.longform import closeness
from app.knowledge.age import age_factor
from app.knowledge.item import EXCERPT_CHARS, RECORDED, Quote, Standing
from app.knowledge.neighbours import item_text, unpack, unpack_long
from app.knowledge.relevance import QuestionTerms, Relevance
from app.knowledge.results import Query, Replacement, Result
from app.knowledge.standing import standing_of
from app.knowledge.weighing import OPEN_FILE, WRITTEN, code_factor, feedback_factor, freshness, names_open_file, standing_factor
from app.storage.tables import AnyRow
from app.storage.vectors import lexical
from app.storage.vectors.store import Vector

CONFIDENCE_WEIGHT = 0.15
"""Weight of confidence in a rank: the factor is 0.85 at confidence 0, and 1 at confidence 1."""
ELSEWHERE = 0.9
"""Factor of another project's item when the question prefers a project."""
DIGITS = 4
"""Decimal digits of a score, both shown and compared."""
SESSION_WEIGHT = 0.3
"""Added to an item's score, times how well the best passage of its session answers the question."""
MIN_SUPPORTED = 0.1
"""Minimum score of an item whose session has a passage that answers; other items need the caller's minimum score."""


@dataclass(frozen=True, slots=True)
class Support:
    """Evidence for the items from the passages found.

    `answered`: the probability that the passages answer the question. An item distilled from them can't answer it better, so its score is
    multiplied by it, which puts items and passages on one scale. `sessions`: set if items are asked for alone: how well the best passage of
    each session answers, 0 to 1. `rejected`: the passages don't answer, so only items that a person wrote may.
    """

    answered: float = 1.0
    sessions: Mapping[UUID, float] = field(default_factory=dict)
    rejected: bool = False


NO_SUPPORT = Support()


def rank(
    query: Query,
    rows: Sequence[AnyRow],
    vector: Vector | None,
    names: dict[UUID, str],
    *,
    limit: int,
    min_score: float,
    support: Support = NO_SUPPORT,
) -> list[Result]:
    """Return the first `limit` items that score at least `min_score`. Without a vector, shared terms alone decide.

    `names`: the projects' names, by id.
    """
    if support.rejected:
        rows = [row for row in rows if _is_written(row)]
    asked = QuestionTerms(lexical.terms(query.text), lexical.codes(query.text))
    cosines = _cosines(rows, vector)
    factors = [_factor(row, names[row.project_id], query, support.answered) for row in rows]
    session_gains = [SESSION_WEIGHT * support.sessions.get(row.session_id, 0.0) for row in rows]
    texts = [item_text(row.title, row.text) for row in rows]
    relevances = [1.0 if vector is None else asked.upper_bound(cosine, text) for cosine, text in zip(cosines, texts, strict=True)]
    bounds = [factor * bound + gain for factor, bound, gain in zip(factors, relevances, session_gains, strict=True)]
    supported = min_score if query.min_score is not None else min(min_score, MIN_SUPPORTED)
    best: list[float] = []
    found: list[tuple[float, str, int, Relevance]] = []
    for n in sorted(range(len(rows)), key=bounds.__getitem__, reverse=True):
        if len(best) == limit and round(min(1.0, bounds[n]), DIGITS) < best[0]:
            break
        terms = lexical.distinct(texts[n])
        seen = asked.relevance(cosines[n], terms) if vector is not None else asked.coverage_alone(terms)
        score = round(min(1.0, seen.score * factors[n] + session_gains[n]), DIGITS)
        if score < (supported if session_gains[n] else min_score):
            continue
        found.append((-score, str(rows[n].id), n, seen))
        (heappush if len(best) < limit else heappushpop)(best, score)
    return [_result(rows[n], -score, seen, names[rows[n].project_id], query, support) for score, _, n, seen in sorted(found)[:limit]]


def _cosines(rows: Sequence[AnyRow], vector: Vector | None) -> list[float]:
    if vector is None or not rows:
        return [0.0] * len(rows)
    cosines: list[float] = (unpack(b"".join([row.embedding for row in rows])).reshape(len(rows), -1) @ vector).tolist()
    for place, row in enumerate(rows):
        if (tail := unpack_long(row)) is not None:
            cosines[place] = closeness(vector, unpack(row.embedding), tail)
    return cosines


def _factor(row: AnyRow, project: str, query: Query, answered: float) -> float:
    """Return the product of the factors: confidence, age, people, the code, the preferred project and the passages."""
    factor: float = _trusted(row) * age_factor(row.last_seen_at) * _preferred(project, query) * _distilled(row, answered)
    return factor * _written(row) * feedback_factor(row) * standing_factor(row, _standing(row)) * code_factor(row) * _open_file(row, query)


def _standing(row: AnyRow) -> tuple[Standing, ...]:
    return standing_of(portable=row.portable, people=row.people)


def _distilled(row: AnyRow, answered: float) -> float:
    """Return `answered`, but 1 for an item that a person wrote or corrected: no session holds its words, so passages don't bound it."""
    return 1.0 if _is_written(row) else answered


def _written(row: AnyRow) -> float:
    return WRITTEN if _is_written(row) else 1.0


def _open_file(row: AnyRow, query: Query) -> float:
    return OPEN_FILE if query.files and row.paths and names_open_file(row.paths, query.files) else 1.0


def _is_written(row: AnyRow) -> bool:
    return row.origin == "recorded" or row.corrected_at is not None


def _trusted(row: AnyRow) -> float:
    weight: float = 1 - CONFIDENCE_WEIGHT * (1 - row.confidence)
    return weight


def _preferred(project: str, query: Query) -> float:
    return 1.0 if query.prefer_project is None or query.prefer_project == project else ELSEWHERE


def _result(row: AnyRow, score: float, seen: Relevance, project: str, query: Query, support: Support) -> Result:
    return Result(
        id=row.id,
        kind="item",
        type=row.type,
        title=row.title,
        text=row.text,
        score=score,
        confidence=round(row.confidence, 3),
        freshness=freshness(row),
        project=project,
        source=_source(row),
        created_at=row.created_at,
        last_at=row.last_seen_at,
        evidence_count=row.evidence_count,
        explain=_explained(row, seen, project, query, support) if query.explain else None,
        replaced_by=None if row.replaced_by is None else Replacement(row.replaced_by, row.replaced_by_title, row.replaced_at),
        contradicts=tuple(row.contradicts or ()) or None,
        standing=_standing(row) or None,
    )


def _explained(row: AnyRow, seen: Relevance, project: str, query: Query, support: Support) -> dict[str, object]:
    return {
        "relevance": round(seen.score, DIGITS),
        "cosine": round(seen.cosine, DIGITS),
        "coverage": round(seen.coverage, DIGITS),
        "exact": list(seen.exact),
        "confidence_factor": round(_trusted(row), DIGITS),
        "age_factor": age_factor(row.last_seen_at),
        "project_factor": _preferred(project, query),
        "answered_factor": round(_distilled(row, support.answered), DIGITS),
        "session_added": round(SESSION_WEIGHT * support.sessions.get(row.session_id, 0.0), DIGITS),
        "written_factor": _written(row),
        "file_factor": _open_file(row, query),
        "feedback_factor": round(feedback_factor(row), DIGITS),
        "feedback": {"helpful": row.helpful, "wrong": row.wrong, "stale": row.stale},
        "used": {"accepted": row.used, "refused": row.refused},
        "standing_factor": standing_factor(row, _standing(row)),
        "standing": list(_standing(row)),
        "people": row.people,
        "code_factor": code_factor(row),
        "code": row.code_verdict,
    }


def _source(row: AnyRow) -> Quote:
    """Return the citation. A recorded item cites itself, as sessions that taught it too word it differently."""
    if row.origin == "recorded":
        return Quote(None, RECORDED, str(row.id), row.text[:EXCERPT_CHARS], row.created_at)
    return Quote(row.session_id, row.transcript, row.locator, row.excerpt, row.at)

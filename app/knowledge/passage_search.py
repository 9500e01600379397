"""Searches passages: dense and lexical legs in parallel → fused by raw scores → the best read → ranked → shown with their context.

Without the vector store, PostgreSQL is searched for the question's terms; without the question's vector, terms alone decide.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import numpy as np
import structlog

from app import clock
from app.embeddings.embedder import Encoded
from app.errors import Unavailable
from app.knowledge.item import PASSAGE
from app.knowledge.neighbours import unpack_half
from app.knowledge.passage_replacements import HeldItem, PassageReplacements
from app.knowledge.passage_results import result
from app.knowledge.passage_rows import PassageRows, PlaceFilter
from app.knowledge.passages import PassageCandidate, Place, Question, Ranked, Ranking, dates, fuse, neighbours, rank_candidates, terms
from app.knowledge.passages.abstention import confidence, features, relevances, with_relevance
from app.knowledge.passages.composing import compose
from app.knowledge.passages.passage import indexed
from app.knowledge.passages.question import parse_question
from app.knowledge.passages.ranking import RERANKED, Scored, inverse_frequency
from app.knowledge.ranking import DIGITS
from app.knowledge.results import Query, Result
from app.knowledge.search_backend import SearchBackend
from app.knowledge.versions import Scope
from app.sessions.session import CitedSession
from app.storage.tables import AnyRow
from app.storage.vectors.store import Hit, Where, Within
from app.telemetry import traces

log = structlog.get_logger()

LEG = 60
"""Candidates of each leg; the best RERANKED of both are read."""
_NO_TOKENS = np.zeros((0, 384), dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Leg:
    """A passage's raw scores from both legs, None from a leg that didn't find it."""

    bm25: float | None = None
    cosine: float | None = None


@dataclass(frozen=True, slots=True)
class FoundPassages:
    """Ranked passages, before texts are composed from them.

    `confidence`: the probability that they answer; None: unknown, for lack of vectors. `ranking` holds those that may be shown.
    """

    question: Question
    rows: Mapping[str, AnyRow]
    names: Mapping[UUID, str]
    confidence: float | None
    ranking: Ranking

    @property
    def relevant(self) -> Sequence[Scored]:
        return self.ranking.scored

    @property
    def answered(self) -> float:
        """The confidence; 1 if it is unknown or no passage was found."""
        return 1.0 if self.confidence is None or not self.rows else self.confidence

    @property
    def is_conclusive(self) -> bool:
        """True if `confidence` is known and based on passages."""
        return self.confidence is not None and bool(self.rows)

    def by_session(self) -> dict[UUID, float]:
        """Return how well each session's best passage answers, 0 to 1."""
        best: dict[UUID, float] = {}
        for each, relevance in zip(self.relevant, relevances([one.score for one in self.relevant], self.answered), strict=True):
            session = self.rows[each.candidate.id].session_id
            best[session] = max(best.get(session, 0.0), relevance)
        return best

    @property
    def sessions(self) -> set[UUID]:
        return {self.rows[each.candidate.id].session_id for each in self.relevant}


_NO_QUESTION = parse_question("", (), _NO_TOKENS)
NO_PASSAGES = FoundPassages(_NO_QUESTION, {}, {}, 0.0, rank_candidates(_NO_QUESTION, ()))


class PassageSearch:
    """Finds and ranks the passages that answer a question."""

    def __init__(self, backend: SearchBackend) -> None:
        self._rows = PassageRows(backend.reads)
        self._replacements = PassageReplacements(backend.reads)
        self._accounts = backend.accounts
        self._index = backend.index
        self._vectors = backend.vectors
        self._limits = backend.limits

    async def find(self, scope: Scope, query: Query, encoded: Encoded | None, degraded: list[str]) -> FoundPassages:
        """Find and rank passages. Appends the parts that were unavailable to `degraded`."""
        counting = PlaceFilter(query.since, query.until, query.intents)
        legs = await self._legs(scope, query, encoded, degraded)
        if legs is None:
            rows = await self._rows.by_terms(scope, terms.hashed(query.text), counting, limit=RERANKED)
            legs = _score_rows(query.text, rows, encoded)
        else:
            rows = await self._rows.by_id(scope, list(legs), counting)
        if not rows:
            return NO_PASSAGES
        names = await self._accounts.project_names(scope.team_id, {row.project_id for row in rows})
        pieces, tokens = (encoded.pieces, encoded.tokens) if encoded else ((), _NO_TOKENS)
        named = dates.named(query.text, clock.now())
        question = parse_question(query.text, pieces, tokens, files=query.files, prefer_project=query.prefer_project, named=named)
        ranking = rank_candidates(question, [_candidate(row, legs[row.id], names.get(row.project_id, "")) for row in rows])
        answered = confidence(features(ranking)) if encoded else None
        relevant = replace(ranking, scored=self._relevant(query, ranking.scored, answered))
        return FoundPassages(question, {str(row.id): row for row in rows}, names, answered, relevant)

    async def held_items(self, query: Query, found: FoundPassages) -> dict[UUID, HeldItem]:
        """Return the items of replacements whose words the passages found hold, by passage."""
        return await self._replacements.held_by([found.rows[each.candidate.id] for each in found.relevant], query)

    async def around(self, query: Query, found: FoundPassages) -> dict[Place, PassageCandidate]:
        """Read the passages around the first of those found; where intents are asked for, none of other exchanges."""
        around = await self._rows.at(neighbours(found.relevant))
        if not query.intents:
            return around
        asked_for = {(each.candidate.session, each.candidate.exchange) for each in found.relevant}
        return {place: each for place, each in around.items() if (each.session, each.exchange) in asked_for}

    def results(
        self,
        query: Query,
        found: FoundPassages,
        around: Mapping[Place, PassageCandidate],
        sessions: Mapping[UUID, CitedSession],
        *,
        max_tokens: int,
        held: Mapping[UUID, HeldItem],
    ) -> list[Result]:
        """Compose results in the order of their scores; leaves out sessions that were purged meanwhile. `held`: see `held_items`."""
        ranked = compose(found.question, found.ranking, around, limit=query.limit, max_tokens=max_tokens)
        ranked = _with_coverage(query.text, ranked) if found.confidence is None else with_relevance(ranked, found.confidence)
        made: list[Result] = []
        for each in ranked:
            row = found.rows[each.candidate.id]
            session, project = sessions.get(row.session_id), found.names.get(row.project_id)
            if session is None or project is None or round(each.relevance, DIGITS) < (query.min_score or 0.0):
                continue
            explained = _explained(each, found) if query.explain else None
            replaced_by = held[row.id].replaced_by if row.id in held else None
            made.append(result(each, row, session=session, project=project, explain=explained, replaced_by=replaced_by))
        return made

    async def _legs(self, scope: Scope, query: Query, encoded: Encoded | None, degraded: list[str]) -> dict[UUID, Leg] | None:
        """Query both legs of the vector store, and return the best of their fusion first; None: search PostgreSQL instead."""
        if not self._index.complete:
            degraded.append("vectors")
            return None
        where: Where = {**scope.where, "type": PASSAGE, **query.where}
        within = None if query.since is None and query.until is None else Within("created_at", query.since, query.until)
        limit, without = max(LEG, query.limit), scope.without
        try:
            with traces.span("vectors passages", "client", db__system__name="qdrant", db__operation__name="query"):
                dense, lexical = await asyncio.gather(
                    self._vectors.nearest(encoded.vector, where=where, limit=limit, within=within, without=without) if encoded else _none(),
                    self._vectors.lexical(terms.query(query.text), where=where, limit=limit, within=within, without=without),
                )
        except Unavailable as error:
            log.warning("search.degraded", part="vectors", code=error.code)
            degraded.append("vectors")
            return None
        return fused(dense, lexical, limit=max(RERANKED, query.limit))

    def _relevant(self, query: Query, scored: list[Scored], answered: float | None) -> list[Scored]:
        """Return all, or none below the confidence threshold; without vectors, those that share enough terms with the question."""
        if query.min_score is not None:
            return scored
        if answered is not None:
            return scored if answered >= self._limits.min_confidence else []
        shares = coverage(query.text, [each.candidate.text for each in scored])
        return [each for each, share in zip(scored, shares, strict=True) if share >= self._limits.min_relevance]


def fused(dense: Sequence[Hit], lexical: Sequence[Hit], *, limit: int = RERANKED) -> dict[UUID, Leg]:
    """Choose the passages worth reading, best first, with their raw scores from both legs."""
    ids = {hit.id.int: hit.id for hit in (*dense, *lexical)}  # ints hash ten times faster than UUIDs
    cosines = {hit.id.int: hit.score for hit in dense}
    bm25 = {hit.id.int: hit.score for hit in lexical}
    return {ids[each]: Leg(bm25.get(each), cosines.get(each)) for each in fuse(bm25, cosines, limit=limit)}


def _candidate(row: AnyRow, leg: Leg, project: str) -> PassageCandidate:
    return PassageCandidate(
        id=str(row.id),
        session=str(row.session_id),
        exchange=row.exchange,
        ordinal=row.ordinal,
        text=indexed(row.heading, row.text),
        packed=row.late,
        bm25=leg.bm25,
        cosine=leg.cosine,
        kind=row.kind,
        role=row.role,
        at=row.at,
        files=tuple(row.files),
        project=project,
        sidechain=row.sidechain,
        tokens=row.tokens,
        prompt=row.prompt,
        locator=row.locator,
    )


def coverage(question: str, texts: Sequence[str]) -> list[float]:
    """Return for each text the share of the question's terms that it contains."""
    asked = set(terms.terms(question))
    return [len(asked.intersection(terms.terms(text))) / len(asked) if asked else 0.0 for text in texts]


async def _none() -> list[Hit]:
    return []


def _score_rows(question: str, rows: Sequence[AnyRow], encoded: Encoded | None) -> dict[UUID, Leg]:
    """Score what PostgreSQL found as the legs would: BM25, with the idf among these rows, and the exact cosine."""
    asked = terms.query(question).indices
    found = [terms.document(indexed(row.heading, row.text)) for row in rows]
    documents = [dict(zip(each.indices, each.values, strict=True)) for each in found]
    rarity = {term: inverse_frequency(sum(term in document for document in documents), len(rows)) for term in asked}
    bm25 = [sum(rarity[term] * document[term] for term in asked if term in document) for document in documents]
    cosines: list[float | None] = [None] * len(rows)
    if encoded is not None and rows:
        cosines = (np.stack([unpack_half(row.embedding) for row in rows]) @ encoded.vector).tolist()
    return {row.id: Leg(score, cosine) for row, score, cosine in zip(rows, bm25, cosines, strict=True)}


def _with_coverage(question: str, ranked: Sequence[Ranked]) -> list[Ranked]:
    """Set the relevance to the share of the question's terms, for lack of vectors."""
    shares = coverage(question, [each.candidate.text for each in ranked])
    return [replace(each, relevance=share) for each, share in zip(ranked, shares, strict=True)]


def _explained(ranked: Ranked, found: FoundPassages) -> dict[str, object]:
    """Return how the score came about. `fused` is the sum of `parts`, in standard deviations of the candidates' scores."""
    one = ranked.candidate
    raw = {"bm25": one.bm25, "cosine": one.cosine, "late": next(each.late for each in found.relevant if each.candidate is one)}
    return {
        "relevance": round(ranked.relevance, DIGITS),
        "answered": None if found.confidence is None else round(found.confidence, DIGITS),
        "fused": round(ranked.score, DIGITS),
        "parts": {name: round(value, DIGITS) for name, value in ranked.parts.items()},
        "raw": {name: round(value, DIGITS) for name, value in raw.items() if value is not None},
        "passages": list(ranked.passages),
    }

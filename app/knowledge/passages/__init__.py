"""Passages: what was said, cut small enough to be found. Pure and synchronous: no database, no HTTP.

Into the index. `cut.Cutter(session, state).cut([(seq, event), …])` gives passages; `cutter.state.as_json()` is stored with the
checkpoint, and an event costs the same however long its session. A table of passages needs:

    key         64 hex digits; exact repeats within a project are one row that counts its places
    session, exchange, ordinal      the first with the last is unique
    role, kind (said, command, output), sidechain, text, heading (at most 120 characters), prompt (160), files (8)
    seq, event_id, locator, at      of the event
    tokens      `tokens.count_text(passage.indexed)`
    late        bytes: 5, and 128 a vector, at most 8,197

What is embedded and searched is `passage.indexed` (about 1,030 characters at most): `CachedEmbedder.embed_packed` gives its vector
(384 × float32) and the bytes of its tokens, `terms.document` the sparse BM25 vector for an index with an IDF modifier.
`late_interaction.VERSION` belongs to the projection's version.

A question. `question.understood(text, encoded.pieces, encoded.tokens, files=…, prefer_project=…, named=dates.named(text, now))`
(the period it speaks of, as "last week"); 60 passages of each leg, raw
BM25 (of `terms.query`) and cosine by id; `fuse(bm25, cosine)` says which 40 of them to read. Of those a `Candidate` each (`text` is
`indexed`; a score is None from the leg that didn't find it); then `rank_passages(question, candidates, around)`: at most `limit` results
of at most `max_tokens` together, and the confidence that they answer. `around(places)` reads the passages at a few places (session and
ordinal; at most 40), once. Where reading is awaited: `rank_candidates`, `neighbours`, read them, `answer`. An answer whose confidence is
below the threshold is an abstention.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from app.knowledge.passages.abstention import confidence, features, with_relevance
from app.knowledge.passages.composing import LIMIT, MAX_TOKENS, Place, Ranked, compose, neighbours
from app.knowledge.passages.question import Question
from app.knowledge.passages.ranking import WEIGHTS, Candidate, Ranking, Weights, fuse, rank_candidates

__all__ = [
    "Answer",
    "Around",
    "Candidate",
    "Place",
    "Question",
    "Ranked",
    "Ranking",
    "answer",
    "fuse",
    "neighbours",
    "rank_candidates",
    "rank_passages",
]

Around = Callable[[Sequence[Place]], Mapping[Place, Candidate]]


@dataclass(frozen=True, slots=True)
class Answer:
    """Results, best first, and the probability (0 to 1) that they answer the question. `features`: what that was told from."""

    results: list[Ranked]
    confidence: float
    features: tuple[float, ...]


def rank_passages(
    question: Question,
    candidates: Sequence[Candidate],
    around: Around,
    *,
    limit: int = LIMIT,
    max_tokens: int = MAX_TOKENS,
    weights: Weights = WEIGHTS,
) -> Answer:
    """Rank the candidates of both legs and make results of them: see the module."""
    ranking = rank_candidates(question, candidates, weights)
    return answer(question, ranking, around(neighbours(ranking.scored)), limit=limit, max_tokens=max_tokens)


def answer(
    question: Question, ranking: Ranking, around: Mapping[Place, Candidate], *, limit: int = LIMIT, max_tokens: int = MAX_TOKENS
) -> Answer:
    """Make results of ranked candidates and the passages at the places of `neighbours`."""
    found = features(ranking)
    answered = confidence(found) if ranking.scored else 0.0
    results = compose(question, ranking, around, limit=limit, max_tokens=max_tokens)
    return Answer(with_relevance(results, answered), answered, found)

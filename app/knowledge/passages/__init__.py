"""Passages: a session's dialogue cut into pieces small enough to match a question. Pure and synchronous: no database, no HTTP.

Indexing. `cut.Cutter(session, state).cut([(seq, event), …])` returns passages; `cutter.state.as_json()` is stored with the checkpoint, so
that an event's cost doesn't grow with its session. A table of passages needs:

    key         64 hex digits; exact repeats within a project share one row, which counts its places
    session, exchange, ordinal      (session, ordinal) is unique
    role, kind (said, command, output), sidechain, text, heading (at most 120 characters), prompt (160), files (8)
    seq, event_id, locator, at      those of the event
    tokens      `tokens.count_text(passage.indexed)`
    late        packed token vectors: 5 bytes, and 128 a vector, at most 8,197

`passage.indexed` (about 1,030 characters at most) is what is embedded and searched: `CachedEmbedder.embed_packed` returns its vector
(384 × float32) and its packed token vectors, `terms.document` the sparse BM25 vector for an index with an IDF modifier.
`late_interaction.VERSION` belongs to the projection's version.

Searching. `question.parse_question(text, encoded.pieces, encoded.tokens, files=…, prefer_project=…, named=dates.named(text, now))`
parses the question and the period that it names ("last week"). The dense and the lexical leg each return 60 passages with raw scores,
BM25 (of `terms.query`) and cosine by id; `fuse(bm25, cosine)` chooses 40 to read. Make each a `PassageCandidate` (`text` is `indexed`;
a score is None from the leg that didn't find it), then call `rank_passages(question, candidates, around)`: at most `limit` results of at
most `max_tokens` together, and the confidence that they answer. It calls `around(places)` once, to read the passages at up to 40 places
(session and ordinal). Where reading is asynchronous, call `rank_candidates`, `neighbours`, read, then `answer`. A confidence below the
threshold is an abstention.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from app.knowledge.passages.abstention import confidence, features, with_relevance
from app.knowledge.passages.composing import LIMIT, MAX_TOKENS, Place, Ranked, compose, neighbours
from app.knowledge.passages.question import Question
from app.knowledge.passages.ranking import WEIGHTS, PassageCandidate, Ranking, Weights, fuse, rank_candidates

__all__ = [
    "Around",
    "PassageCandidate",
    "Place",
    "Question",
    "Ranked",
    "RankedPassages",
    "Ranking",
    "answer",
    "fuse",
    "neighbours",
    "rank_candidates",
    "rank_passages",
]

Around = Callable[[Sequence[Place]], Mapping[Place, PassageCandidate]]


@dataclass(frozen=True, slots=True)
class RankedPassages:
    """Results, best first, and the probability (0 to 1) that they answer the question. `features`: the inputs of that probability."""

    results: list[Ranked]
    confidence: float
    features: tuple[float, ...]


def rank_passages(
    question: Question,
    candidates: Sequence[PassageCandidate],
    around: Around,
    *,
    limit: int = LIMIT,
    max_tokens: int = MAX_TOKENS,
    weights: Weights = WEIGHTS,
) -> RankedPassages:
    """Rank the candidates of both legs and compose results of them; see the module's docstring."""
    ranking = rank_candidates(question, candidates, weights)
    return answer(question, ranking, around(neighbours(ranking.scored)), limit=limit, max_tokens=max_tokens)


def answer(
    question: Question, ranking: Ranking, around: Mapping[Place, PassageCandidate], *, limit: int = LIMIT, max_tokens: int = MAX_TOKENS
) -> RankedPassages:
    """Compose results of ranked candidates and of the passages at the places that `neighbours` named."""
    found = features(ranking)
    answered = confidence(found) if ranking.scored else 0.0
    results = compose(question, ranking, around, limit=limit, max_tokens=max_tokens)
    return RankedPassages(with_relevance(results, answered), answered, found)

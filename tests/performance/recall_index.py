"""A search index in memory: BM25 and vectors with numpy, as the two legs of a real one give their candidates."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from app import clock
from app.embeddings.embedder import Encoded
from app.knowledge.passages.composing import Place
from app.knowledge.passages.dates import named
from app.knowledge.passages.passage import Passage
from app.knowledge.passages.question import Question, parse_question
from app.knowledge.passages.ranking import WEIGHTS, PassageCandidate, Weights, fuse
from app.knowledge.passages.terms import AVERAGE_TERMS, query_weights, terms
from app.storage.vectors.lexical import K1, B
from app.tokens import count_text
from tests.performance.recall_vectors import Embedded

LEG = 60


class Index:
    def __init__(self, passages: Sequence[Passage], vectors: Sequence[Embedded], project: str = "") -> None:
        """`passages` by time: exact repeats are one document, at the latest place."""
        latest = {passage.key: place for place, passage in enumerate(passages)}
        self.vectors = np.stack([vectors[place].vector for place in latest.values()])
        self.postings: dict[str, dict[int, float]] = defaultdict(dict)
        self.candidates = [
            PassageCandidate(
                key, one.session, one.exchange, one.ordinal, one.indexed, vectors[place].packed, kind=one.kind, role=one.role,
                at=one.at, files=one.files, project=project, sidechain=one.sidechain, tokens=count_text(one.indexed),
                prompt=one.prompt,
            )
            for key, place in latest.items()
            for one in [passages[place]]
        ]  # fmt: skip
        self.rows = {each.id: row for row, each in enumerate(self.candidates)}
        self.places: dict[Place, PassageCandidate] = {}
        for one in passages:
            known = self.candidates[self.rows[one.key]]
            self.places[one.session, one.ordinal] = replace(known, session=one.session, exchange=one.exchange, ordinal=one.ordinal)
        for row, candidate in enumerate(self.candidates):
            counted = Counter(terms(candidate.text))
            length = K1 * (1 - B + B * counted.total() / AVERAGE_TERMS)
            for term, count in counted.items():
                self.postings[term][row] = count * (K1 + 1) / (count + length)

    def idf(self, term: str) -> float:
        count, df = len(self.candidates), len(self.postings.get(term, ()))
        return math.log(1 + (count - df + 0.5) / (df + 0.5))

    def bm25(self, text: str) -> dict[int, float]:
        scores: dict[int, float] = defaultdict(float)
        for term, weight in query_weights(text).items():
            idf = self.idf(term) * weight
            for row, value in self.postings.get(term, {}).items():
                scores[row] += idf * value
        return scores

    def found(self, text: str, encoded: Encoded, *, weights: Weights = WEIGHTS) -> tuple[Question, list[PassageCandidate]]:
        """The question, and the candidates that are read of both legs' best; a score only from the leg that found it."""
        scores, cosines = self.bm25(text), self.vectors @ encoded.vector
        lexical = {self.candidates[row].id: scores[row] for row in sorted(scores, key=lambda row: -scores[row])[:LEG]}
        dense = {self.candidates[row].id: float(cosines[row]) for row in np.argsort(-cosines)[:LEG]}
        chosen = [(each, self.candidates[self.rows[each]]) for each in fuse(lexical, dense, weights=weights)]
        return parse_question(text, encoded.pieces, encoded.tokens, named=named(text, clock.now())), [
            replace(one, bm25=lexical.get(each), cosine=dense.get(each)) for each, one in chosen
        ]

    def around(self, places: Sequence[Place]) -> dict[Place, PassageCandidate]:
        return {place: self.places[place] for place in places if place in self.places}

"""A search index in memory: BM25 and vectors with numpy, as the two legs of a real one give their candidates."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from app import clock
from app.embeddings.runtime import Encoded
from app.knowledge.passages.dates import window
from app.knowledge.passages.passage import Passage
from app.knowledge.passages.question import Question, understood
from app.knowledge.passages.ranking import Candidate
from app.knowledge.passages.terms import AVERAGE_TERMS, terms
from app.storage.vectors.lexical import K1, B
from app.tokens import count_text
from tests.performance.recall_vectors import Embedded

LEG = 60


class Index:
    def __init__(self, passages: Sequence[Passage], vectors: Sequence[Embedded], project: str = "") -> None:
        self.vectors = np.stack([each.vector for each in vectors])
        self.postings: dict[str, dict[int, float]] = defaultdict(dict)
        self.candidates = [
            Candidate(
                str(place), each.session, each.exchange, each.ordinal, each.indexed, vector.packed, kind=each.kind, role=each.role,
                at=each.at, files=each.files, project=project, sidechain=each.sidechain, tokens=count_text(each.indexed),
            )
            for place, (each, vector) in enumerate(zip(passages, vectors, strict=True))
        ]  # fmt: skip
        self.exchanges: dict[tuple[str, int], list[Candidate]] = defaultdict(list)
        for place, candidate in enumerate(self.candidates):
            self.exchanges[candidate.session, candidate.exchange].append(candidate)
            counted = Counter(terms(candidate.text))
            length = K1 * (1 - B + B * counted.total() / AVERAGE_TERMS)
            for term, count in counted.items():
                self.postings[term][place] = count * (K1 + 1) / (count + length)

    def idf(self, term: str) -> float:
        count, df = len(self.candidates), len(self.postings.get(term, ()))
        return math.log(1 + (count - df + 0.5) / (df + 0.5))

    def bm25(self, text: str) -> dict[int, float]:
        scores: dict[int, float] = defaultdict(float)
        for term in dict.fromkeys(terms(text)):
            idf = self.idf(term)
            for place, weight in self.postings.get(term, {}).items():
                scores[place] += idf * weight
        return scores

    def found(self, text: str, encoded: Encoded, *, leg: int = LEG) -> tuple[Question, list[Candidate]]:
        """The question, and the candidates of both legs, a score only from the leg that found them."""
        bm25, cosines = self.bm25(text), self.vectors @ encoded.vector
        lexical = sorted(bm25, key=lambda place: -bm25[place])[:leg]
        dense = np.argsort(-cosines)[:leg]
        scores = {place: (bm25[place], None) for place in lexical}
        scores |= {int(place): (bm25[int(place)] if int(place) in scores else None, float(cosines[place])) for place in dense}  # type: ignore[misc]
        made = []
        for place, (lexical_score, cosine) in scores.items():
            one = self.candidates[place]
            made.append(
                Candidate(
                    one.id, one.session, one.exchange, one.ordinal, one.text, one.packed, lexical_score, cosine, one.kind, one.role,
                    one.at, one.files, one.project, one.sidechain, one.tokens,
                )
            )  # fmt: skip
        return understood(text, encoded.pieces, encoded.tokens, window=window(text, clock.now())), made

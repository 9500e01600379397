"""The ranking: which drafts of a session become items, how many, and how sure. Deterministic; ties go by the session's order."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from app.knowledge.extraction.candidate import MAX_TEXT, candidate_of
from app.knowledge.extraction.classifier import Numbers, best_type, type_scores, worth
from app.knowledge.extraction.drafts import Draft, joined
from app.knowledge.extraction.features import features_of
from app.knowledge.extraction.memory import share_in, shingles
from app.knowledge.extraction.noise import is_dangling, names_something
from app.knowledge.extraction.types import firm_type
from app.knowledge.item import Candidate

MAX_EMBEDDED = 40
"""Drafts of a session that are embedded: about a quarter of a second."""
MAX_FROM_EXCHANGE = 12
MIN_SCORE = 1.2
"""Log-odds, with what the outcome adds. A session without changes and without a yes needs a sure statement."""
SPECIFIC, DANGLING = 0.4, 0.8
MIN_ITEMS, MAX_ITEMS = 2, 8
DRAFTS_AN_ITEM = 16
"""A session may teach one item more for so many statements that could be one."""
MAX_OF_EXCHANGE = 4
REPEATED_SHARE = 0.4
SAME_COSINE = 0.85
RELATED_COSINE = 0.4


@dataclass(frozen=True, slots=True)
class Shortlist:
    """A session's best drafts in its order, and how many there were."""

    drafts: tuple[Draft, ...]
    features: Numbers
    seen: int

    @property
    def texts(self) -> list[str]:
        """What to embed."""
        return [each.core.text for each in self.drafts]


def shortlist(drafts: Iterable[Draft]) -> Shortlist:
    """Keep the best by their words alone: of each exchange some, of the session MAX_EMBEDDED."""
    best: list[tuple[float, int, Draft, Numbers]] = []
    of_exchange: list[tuple[float, int, Draft, Numbers]] = []
    current, seen = -1, 0
    for seen, draft in enumerate(drafts, 1):
        if draft.exchange != current:
            best = heapq.nlargest(MAX_EMBEDDED, [*best, *of_exchange], key=lambda each: each[:2])
            current, of_exchange = draft.exchange, []
        features = features_of(draft.core.text)
        score = draft.prior if draft.fixed else _prior(draft) + float(worth(features[None, :], None)[0])
        of_exchange = heapq.nlargest(MAX_FROM_EXCHANGE, [*of_exchange, (score, -seen, draft, features)], key=lambda each: each[:2])
    best = sorted(heapq.nlargest(MAX_EMBEDDED, [*best, *of_exchange], key=lambda each: each[:2]), key=lambda each: -each[1])
    rows = np.stack([each[3] for each in best]) if best else np.zeros((0, 0))
    return Shortlist(tuple(each[2] for each in best), rows, seen)


def choose(found: Shortlist, vectors: Numbers | None) -> list[Candidate]:
    """The items of a session, in its order. Without vectors the words decide alone."""
    if not found.drafts:
        return []
    odds, types = worth(found.features, vectors), type_scores(found.features)
    scores = [draft.prior if draft.fixed else float(odds[place]) + _prior(draft) for place, draft in enumerate(found.drafts)]
    room = min(MAX_ITEMS, MIN_ITEMS + found.seen // DRAFTS_AN_ITEM)
    chosen: list[int] = []
    said: set[int] = set()
    taken: set[tuple[str, int]] = set()
    for place in sorted(range(len(scores)), key=lambda each: (-scores[each], each)):
        draft = found.drafts[place]
        if len(chosen) == room or scores[place] < MIN_SCORE:
            break
        if draft.places & taken or share_in(draft.text, said) >= REPEATED_SHARE:
            continue
        if sum(found.drafts[each].exchange == draft.exchange for each in chosen) == MAX_OF_EXCHANGE:
            continue
        if vectors is not None and any(float(vectors[place] @ vectors[each]) >= SAME_COSINE for each in chosen):
            continue
        chosen.append(place)
        said.update(shingles(draft.text))
        taken |= draft.places
    extended = _extended(found, vectors, scores, chosen, taken)
    return [
        candidate_of(
            extended.get(place, found.drafts[place]),
            firm_type(found.drafts[place].core.text) or best_type(types[place]),
            _confidence(scores[place], found.drafts[place]),
        )
        for place in sorted(chosen)
    ]


def _extended(
    found: Shortlist, vectors: Numbers | None, scores: Sequence[float], chosen: Sequence[int], taken: set[tuple[str, int]]
) -> dict[int, Draft]:
    """Give the items what else was said of the same thing in the same exchange, as far as a text holds it: better one item than two halves."""
    extended: dict[int, Draft] = {}
    if vectors is None:
        return extended
    for place in sorted(range(len(scores)), key=lambda each: (-scores[each], each)):
        draft = found.drafts[place]
        own = (draft.core.event.id, draft.core.place)
        if scores[place] < MIN_SCORE or own in taken or draft.fixed or is_dangling(draft.core.text):
            continue
        near = [each for each in chosen if _kindred(found.drafts[each], draft) and float(vectors[each] @ vectors[place]) >= RELATED_COSINE]
        for into in sorted(near, key=lambda each: (-round(float(vectors[each] @ vectors[place]), 4), each)):
            text = joined([extended.get(into, found.drafts[into]).text, draft.core.text])
            if len(text) <= MAX_TEXT:
                extended[into] = replace(extended.get(into, found.drafts[into]), text=text)
                taken.add(own)
                break
    return extended


def _kindred(item: Draft, other: Draft) -> bool:
    return item.exchange == other.exchange and item.person == other.person and not item.fixed


def _prior(draft: Draft) -> float:
    text = draft.core.text
    return draft.prior + (SPECIFIC if names_something(text) else -SPECIFIC) - (DANGLING if is_dangling(text) else 0.0)


def _confidence(score: float, draft: Draft) -> float:
    """0.4 at the threshold, nearing 0.9; what a person said is sure."""
    made = 0.4 + 0.5 * (1 - math.exp(-(score - MIN_SCORE) / 2.5))
    return max(made, 0.75) if draft.person else min(0.9, made)

"""Chooses which drafts of a session become items, how many, and with which confidence. Deterministic: ties keep session order."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from app.knowledge.extraction.candidate import candidate_of
from app.knowledge.extraction.classifier import Numbers, keep_odds, type_odds
from app.knowledge.extraction.drafts import Draft
from app.knowledge.extraction.features import features_of, says_why_or_must
from app.knowledge.extraction.memory import share_in, shingles
from app.knowledge.extraction.noise import is_dangling, names_something
from app.knowledge.extraction.titles import title_of
from app.knowledge.extraction.types import cues_of, type_of
from app.knowledge.extraction.windows import Place, place_of, window
from app.knowledge.item import ItemCandidate
from app.likeness.gloss import is_foreign

MAX_EMBEDDED = 40
"""Drafts of a session that are embedded: this many take about a quarter of a second."""
MAX_FROM_EXCHANGE = 12
MIN_SCORE = -0.5
"""Minimum log-odds, priors included: a session without changes and without an acceptance needs a strong statement."""
SPECIFIC, DANGLING, UNCUED = 0.4, 0.8, 2.0
REMARK_CHARS = 90
"""Added or taken for naming something, for referring to what is not there, and for a bare remark in another language, which the classifier
would let pass: most of its features know English only."""
MIN_ITEMS, MAX_ITEMS = 3, 10
SAME_EXCHANGE = 0.8
"""Penalty for each item already chosen from the same exchange, so that a session's items cover more than one subject."""
MAX_OF_EXCHANGE = 4
REPEATED_SHARE = 0.4
SAME_COSINE = 0.85


@dataclass(frozen=True, slots=True)
class Shortlist:
    """A session's best drafts, in session order."""

    drafts: tuple[Draft, ...]
    features: Numbers
    room: int
    """The number of items that the session may have."""

    @property
    def texts(self) -> list[str]:
        """The texts to embed, one a draft."""
        return [each.core.text for each in self.drafts]


def shortlist(drafts: Iterable[Draft]) -> Shortlist:
    """Keep the drafts that score best by words alone: at most MAX_FROM_EXCHANGE an exchange and MAX_EMBEDDED a session."""
    best: list[tuple[float, int, Draft, Numbers]] = []
    of_exchange: list[tuple[float, int, Draft, Numbers]] = []
    current, seen, exchanges = -1, 0, 0
    for seen, draft in enumerate(drafts, 1):
        if draft.exchange != current:
            best = heapq.nlargest(MAX_EMBEDDED, [*best, *of_exchange], key=lambda each: each[:2])
            current, of_exchange = draft.exchange, []
            exchanges += 1
        features = features_of(draft.core.text)
        score = draft.prior if draft.fixed else _prior(draft) + float(keep_odds(features[None, :], None)[0])
        of_exchange = heapq.nlargest(MAX_FROM_EXCHANGE, [*of_exchange, (score, -seen, draft, features)], key=lambda each: each[:2])
    best = sorted(heapq.nlargest(MAX_EMBEDDED, [*best, *of_exchange], key=lambda each: each[:2]), key=lambda each: -each[1])
    rows = np.stack([each[3] for each in best]) if best else np.zeros((0, 0))
    return Shortlist(tuple(each[2] for each in best), rows, min(MAX_ITEMS, MIN_ITEMS + 2 * exchanges // 3))


def choose(found: Shortlist, vectors: Numbers | None) -> list[ItemCandidate]:
    """Return the session's items, in session order. Without vectors, words alone decide."""
    if not found.drafts:
        return []
    odds = keep_odds(found.features, vectors)
    cues = np.stack([cues_of(each.core.text) for each in found.drafts])
    types = type_odds(np.hstack([found.features, cues]), vectors)
    scores = [draft.prior if draft.fixed else float(odds[place]) + _prior(draft) for place, draft in enumerate(found.drafts)]
    chosen: dict[int, ItemCandidate] = {}
    said: set[int] = set()
    taken: set[Place] = set()
    for place in _by_adjusted_score(found.drafts, scores):
        draft = found.drafts[place]
        if len(chosen) == found.room:
            break
        if place_of(draft.core) in taken or share_in(draft.core.text, said) >= REPEATED_SHARE:
            continue
        if sum(found.drafts[each].exchange == draft.exchange for each in chosen) == MAX_OF_EXCHANGE:
            continue
        if vectors is not None and any(float(vectors[place] @ vectors[each]) >= SAME_COSINE for each in chosen):
            continue
        group = window(draft.core, draft.context, taken)
        title = draft.title if draft.fixed else title_of(draft.core, group, said_by_person=draft.person) or draft.title
        if not title:
            continue
        type_ = type_of(types[place], cues[place], draft.intent, person=draft.person)
        chosen[place] = candidate_of(draft, group, title, type_, _confidence(scores[place], draft))
        said.update(shingles(chosen[place].text))
        taken.update(place_of(each) for each in group)
    return [chosen[place] for place in sorted(chosen)]


def _by_adjusted_score(drafts: Sequence[Draft], scores: Sequence[float]) -> Iterator[int]:
    """Yield the indexes of drafts above MIN_SCORE, best first, each penalized for drafts of its exchange already yielded."""
    shown: dict[int, int] = {}
    left = sorted((place for place in range(len(scores)) if scores[place] >= MIN_SCORE), key=lambda each: (-scores[each], each))
    while left:
        place = max(left, key=lambda each: (scores[each] - SAME_EXCHANGE * shown.get(drafts[each].exchange, 0), -each))
        left.remove(place)
        shown[drafts[place].exchange] = shown.get(drafts[place].exchange, 0) + 1
        yield place


def _prior(draft: Draft) -> float:
    text = draft.core.text
    if draft.type is not None:  # a rule knows what it is
        return draft.prior
    unclear = (DANGLING if is_dangling(text) else 0.0) + (UNCUED if _is_bare_remark(text) else 0.0)
    return draft.prior + (SPECIFIC if names_something(text) else -SPECIFIC) - unclear


def _is_bare_remark(text: str) -> bool:
    """Tell whether it is a short text of another language without any cue of a lesson: a plan or a report of progress, mostly."""
    return len(text) < REMARK_CHARS and is_foreign(text) and not says_why_or_must(text)


def _confidence(score: float, draft: Draft) -> float:
    """Map a score to a confidence: 0.4 at the threshold, towards 0.9; at least 0.75 for what a person said."""
    made = 0.4 + 0.5 * (1 - math.exp(-(score - MIN_SCORE) / 2.5))
    return max(made, 0.75) if draft.person else min(0.9, made)

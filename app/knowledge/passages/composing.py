"""Composes results from ranked passages, within a budget of tokens: matching works on single passages, reading needs their context.

Greedy: passages (candidates, and neighbours of those already taken) are taken by descending worth. One near an existing result of its
session joins that result; any other opens a new one. So the budget goes to the likeliest answers, and a place where several passages match
comes before a place where one does.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from app.embeddings import late_interaction
from app.knowledge.passages.question import Question
from app.knowledge.passages.ranking import PassageCandidate, Ranking, Scored, late_scores
from app.tokens import count_text

MAX_TOKENS = 1_500
"""Budget of all results together, unless the caller sets one."""
LIMIT = 10
MAX_A_SESSION = 4
"""Results a session may have; more only if tokens are left after all other candidates."""
MAX_SHARE = 0.5
"""Share of the budget that one result may have; more only if tokens are left, likewise."""
FIRST = 5
"""Results that compete for the budget; further ones get what is left."""
REACH = 2
"""Passages on either side of a taken one that may be shown with it."""
NEAR = 8
"""A passage at most this far (in ordinals) from one of a result joins that result."""
GAP = "[…]"
BETWEEN = "\n\n"
"""Separates two passages of a result: they differ in speaker or subject, so each is a paragraph."""

# In standard deviations of the candidates' scores, as the scores are. Halving or doubling any is within noise (docs/decisions/0027).
_LENGTH = 0.5
"""Subtracted from a passage's worth for each 100 tokens: prefers several short ones to a long one."""
_BESIDE, _DISTANCE, _MAX_LATE = 0.7, 0.3, 3.0
"""A neighbour's worth: _BESIDE × its passage's worth, less _DISTANCE × distance + its own late interaction, clipped to ±_MAX_LATE."""
_MIN_ELSEWHERE = -1.0
"""Minimum score (or a neighbour's worth) for joining a result from another exchange, where the subject may differ."""
_SUPPORT = 0.5
"""Weight of a result's second best passage in its score; halved for the third."""
_SUPPORTING = 3
_ALIKE, _CLOSE = 0.6, 2.0
"""Two results with matched passages this alike (6 % of the pairs shown together) and scores this close are ordered newest first."""

Place = tuple[str, int]
"""(session, ordinal of a passage in it)."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """A result. `text`: its passages in session order, GAP where some are left out. `passages`: their ids, the best match first.

    `places`: (offset in `text`, locator) of each passage.
    `score`: fused, the sum of `parts`, comparable only within one answer; `relevance`: 0 to 1, what `min_score` is compared with.
    """

    candidate: PassageCandidate
    text: str
    passages: tuple[str, ...]
    places: tuple[tuple[int, str], ...]
    tokens: int
    score: float
    relevance: float = 0.0
    parts: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class _Result:
    """A result being built. `best`: its best candidate; `scores`: of all its candidates."""

    best: Scored
    taken: dict[int, PassageCandidate] = field(default_factory=dict)
    cost: int = 0
    scores: list[float] = field(default_factory=list)

    def take(self, one: PassageCandidate, cost: int, scored: Scored | None) -> None:
        self.taken[one.ordinal] = one
        self.cost += cost
        if scored:
            self.scores.append(scored.score)
            self.best = max(self.best, scored, key=lambda each: each.score)

    def holds(self, one: PassageCandidate, scored: Scored | None) -> bool:
        """Tell whether a passage is near this result's, and likely of the same subject."""
        best = self.best.candidate
        if best.session != one.session or not any(abs(ordinal - one.ordinal) <= NEAR for ordinal in self.taken):
            return False
        return best.exchange == one.exchange or scored is None or scored.score >= _MIN_ELSEWHERE

    def support(self) -> float:
        """Return the bonus for further matching passages: a place that deals with the subject at length ranks higher."""
        others = sorted(self.scores, reverse=True)[1:_SUPPORTING]
        return sum(_SUPPORT / 2.0**number * max(0.0, other) for number, other in enumerate(others))

    def newer_than(self, other: _Result) -> bool:
        """Tell whether this result was said later, as far as is known."""
        one, before = self.best.candidate, other.best.candidate
        if one.session == before.session:
            return one.ordinal > before.ordinal
        return one.at is not None and before.at is not None and one.at > before.at

    def replaces(self, other: _Result) -> bool:
        """Tell whether this is a later statement of the same: the latest decision wins, unless the question names an earlier period."""
        if "window" in other.best.parts and "window" not in self.best.parts:
            return False
        if not self.newer_than(other) or other.best.score - self.best.score > _CLOSE:
            return False
        return late_interaction.likeness(self.best.candidate.packed, other.best.candidate.packed) >= _ALIKE


def neighbours(scored: Sequence[Scored], *, limit: int = 2 * FIRST) -> list[Place]:
    """Return the places around the first candidates that aren't candidates themselves: the keys that `compose` expects in `around`."""
    known = {(each.candidate.session, each.candidate.ordinal) for each in scored}
    places: dict[Place, None] = {}
    for each in scored[:limit]:
        one = each.candidate
        for ordinal in range(max(0, one.ordinal - REACH), one.ordinal + REACH + 1):
            if (one.session, ordinal) not in known:
                places[one.session, ordinal] = None
    return list(places)


def compose(
    question: Question,
    ranking: Ranking,
    around: Mapping[Place, PassageCandidate],
    *,
    limit: int = LIMIT,
    max_tokens: int = MAX_TOKENS,
    count: Callable[[str], int] = count_text,
) -> list[Ranked]:
    """Compose at most `limit` results of at most `max_tokens` tokens. `around`: the passages at the places of `neighbours`."""
    return _Composition(question, ranking, around, limit=limit, max_tokens=max_tokens, count=count).made()


class _Composition:
    """One run of the greedy composition: a priority queue of offered passages, the results so far, the tokens left."""

    def __init__(
        self,
        question: Question,
        ranking: Ranking,
        around: Mapping[Place, PassageCandidate],
        *,
        limit: int,
        max_tokens: int,
        count: Callable[[str], int],
    ) -> None:
        self._scored = {each.candidate.id: each for each in ranking.scored}
        self._limit, self._left, self._count = limit, max_tokens, count
        self._max_result_tokens = max_tokens * MAX_SHARE
        self._by_place = {**around, **{(each.candidate.session, each.candidate.ordinal): each.candidate for each in ranking.scored}}
        beside = {one.id: one.packed for one in around.values() if one.id not in self._scored}
        late = late_scores(question, list(beside.values()), ranking.weights)
        self._late = {each.candidate.id: each.late for each in ranking.scored} | dict(zip(beside, late.tolist(), strict=True))
        self._ranking = ranking
        self._results: list[_Result] = []
        self._taken: set[str] = set()
        self._offers: list[tuple[float, int, PassageCandidate]] = []
        self._numbers = itertools.count()

    def made(self) -> list[Ranked]:
        for each in self._scored.values():
            self._offer(each.score, each.candidate)
        waiting: list[PassageCandidate] = []
        while self._offers:
            negated, _, one = heapq.heappop(self._offers)
            if one.id in self._taken or not self._affordable(one):
                continue
            if not self._placed(one):
                waiting.append(one)
            elif one.id in self._scored:
                self._offer_neighbours(-negated, one)
        for one in waiting:
            if one.id not in self._taken and self._affordable(one):
                self._placed(one, bounded=False)
        return _ordered(self._results)

    def _offer(self, worth: float, one: PassageCandidate) -> None:
        heapq.heappush(self._offers, (-worth + _LENGTH * self._cost(one) / 100, next(self._numbers), one))

    def _offer_neighbours(self, worth: float, one: PassageCandidate) -> None:
        for distance in range(-REACH, REACH + 1):
            place = (one.session, one.ordinal + distance)
            if (beside := self._by_place.get(place)) and beside.id not in self._taken:
                late = min(_MAX_LATE, max(-_MAX_LATE, self._ranking.deviation(self._late[beside.id])))
                offered = _BESIDE * worth - _DISTANCE * abs(distance) + late
                if beside.exchange == one.exchange or offered >= _MIN_ELSEWHERE:
                    self._offer(offered, beside)

    def _affordable(self, one: PassageCandidate) -> bool:
        """Tell whether the passage fits the budget. The first result is always shown."""
        return self._cost(one) <= self._left or not self._results

    def _placed(self, one: PassageCandidate, *, bounded: bool = True) -> bool:
        """Add a passage to the result near it, or open a result for it. Returns False while other passages take precedence."""
        for result in self._results:
            if result.holds(one, self._scored.get(one.id)):
                if bounded and result.cost + self._cost(one) > self._max_result_tokens:
                    return False
                self._take(result, one)
                return True
        of_session = sum(each.best.candidate.session == one.session for each in self._results)
        if len(self._results) >= self._limit or (bounded and (len(self._results) >= FIRST or of_session >= MAX_A_SESSION)):
            return False
        self._results.append(_Result(self._scored[one.id]))
        self._take(self._results[-1], one)
        return True

    def _take(self, result: _Result, one: PassageCandidate) -> None:
        cost = self._cost(one)
        result.take(one, cost, self._scored.get(one.id))
        self._left -= cost
        self._taken.add(one.id)

    def _cost(self, one: PassageCandidate) -> int:
        """Return a passage's tokens in a result, including the line break and GAP that may precede it."""
        return (one.tokens or self._count(one.text)) + 4


def _ordered(results: Sequence[_Result]) -> list[Ranked]:
    """Order the results by score, moving a newer one before the one that it replaces; it takes over that result's score, so
    that scores never rise down the list."""
    ordered: list[tuple[_Result, Ranked]] = []
    for result in sorted(results, key=lambda each: -(each.best.score + each.support())):
        made, place = _ranked(result), len(ordered)
        while place and result.replaces(ordered[place - 1][0]):
            place -= 1
        if place < len(ordered):
            score = ordered[place][1].score
            made = replace(made, score=score, parts={**made.parts, "newer": score - made.score})
        ordered.insert(place, (result, made))
    return [made for _, made in ordered]


def _ranked(each: _Result) -> Ranked:
    text, places = "", list[tuple[int, str]]()
    before: int | None = None
    for ordinal in sorted(each.taken):
        if before is not None:
            text += f"{BETWEEN}{GAP}{BETWEEN}" if ordinal > before + 1 else BETWEEN
        places.append((len(text), each.taken[ordinal].locator))
        text += each.taken[ordinal].text
        before = ordinal
    centre = each.best.candidate
    ids = (centre.id, *(one.id for one in each.taken.values() if one.id != centre.id))
    parts = {**each.best.parts, "support": each.support()}
    return Ranked(centre, text, ids, tuple(places), each.cost, sum(parts.values()), parts=parts)

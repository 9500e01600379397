"""Ranked passages → results: what belongs together is one result, all together within a budget of tokens.

The passage is the unit of matching, what was said around it the unit of reading. Passages are taken in the order of their worth: good
candidates, and what stands beside those already taken. One that stands near a result in its session joins it; another opens a result of its
own. So the budget goes to what is most likely the answer, and a place where several passages match comes before one where a single does.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from app.embeddings import late_interaction
from app.knowledge.passages.question import Question
from app.knowledge.passages.ranking import Candidate, Ranking, Scored, late_scores
from app.tokens import count_text

MAX_TOKENS = 1_500
"""Of all results together, unless the caller says otherwise."""
LIMIT = 10
MAX_A_SESSION = 4
"""Results of one session, unless tokens are left when the others have had their turn."""
MAX_SHARE = 0.5
"""Of the budget for one result, with the same exception."""
FIRST = 5
"""Results that share the budget; further ones get what is left."""
REACH = 2
"""Passages before and after one that was taken which may be shown with it."""
NEAR = 8
"""Passages between two of one session that are still one result."""
GAP = "[…]"
BETWEEN = "\n\n"
"""Between two passages of a result: each is somebody else's, or another subject's, and so a paragraph of its own."""

# In standard deviations of the candidates' scores, as the scores themselves. Half or twice of each is within noise (docs/decisions/0027).
_LENGTH = 0.5
"""Off a passage's worth for each 100 tokens: several short ones for a long one."""
_BESIDE, _DISTANCE, _MAX_LATE = 0.7, 0.3, 3.0
"""A neighbour's worth: this share of what it stands beside, less this for each passage of distance, plus its own late interaction."""
_MIN_ELSEWHERE = -1.0
"""The least score of a candidate, or worth of a neighbour, to join a result from another exchange: there the subject may be another."""
_SUPPORT = 0.5
"""Added to a result's score of its second best passage; of its third half as much."""
_SUPPORTING = 3
_ALIKE, _CLOSE = 0.6, 2.0
"""Two results whose matched passages are this alike (of the pairs shown together, 6 % are) and score this close: the newer comes first."""

Place = tuple[str, int]
"""A session and the ordinal of a passage in it."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """A result. `text`: its passages in their order, GAP where some are left out between them. `passages`: their ids, the matched first.

    `places`: where each passage begins in the text, and its locator.
    `score`: fused, comparable within this answer only, the sum of `parts`; `relevance`: 0 to 1, what `min_relevance` is compared with.
    """

    candidate: Candidate
    text: str
    passages: tuple[str, ...]
    places: tuple[tuple[int, str], ...]
    tokens: int
    score: float
    relevance: float = 0.0
    parts: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class _Result:
    """A result that still grows. `best`: the best candidate in it; `scores`: of all the candidates in it."""

    best: Scored
    taken: dict[int, Candidate] = field(default_factory=dict)
    cost: int = 0
    scores: list[float] = field(default_factory=list)

    def take(self, one: Candidate, cost: int, scored: Scored | None) -> None:
        self.taken[one.ordinal] = one
        self.cost += cost
        if scored:
            self.scores.append(scored.score)
            self.best = max(self.best, scored, key=lambda each: each.score)

    def holds(self, one: Candidate, scored: Scored | None) -> bool:
        """Tell whether a passage stands near this result's, and may well be about the same."""
        best = self.best.candidate
        if best.session != one.session or not any(abs(ordinal - one.ordinal) <= NEAR for ordinal in self.taken):
            return False
        return best.exchange == one.exchange or scored is None or scored.score >= _MIN_ELSEWHERE

    def support(self) -> float:
        """What is added to the best passage's score for the next ones: a place that speaks of the subject at length is the better one."""
        others = sorted(self.scores, reverse=True)[1:_SUPPORTING]
        return sum(_SUPPORT / 2.0**number * max(0.0, other) for number, other in enumerate(others))

    def newer_than(self, other: _Result) -> bool:
        """Tell whether it was said later, as far as is known."""
        one, before = self.best.candidate, other.best.candidate
        if one.session == before.session:
            return one.ordinal > before.ordinal
        return one.at is not None and before.at is not None and one.at > before.at

    def replaces(self, other: _Result) -> bool:
        """Tell whether it says later what the other said: the last decision counts, unless an earlier time was asked for."""
        if "window" in other.best.parts and "window" not in self.best.parts:
            return False
        if not self.newer_than(other) or other.best.score - self.best.score > _CLOSE:
            return False
        return late_interaction.likeness(self.best.candidate.packed, other.best.candidate.packed) >= _ALIKE


def neighbours(scored: Sequence[Scored], *, limit: int = 2 * FIRST) -> list[Place]:
    """The places that may be shown with the first candidates and aren't candidates themselves: what `compose` wants to know."""
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
    around: Mapping[Place, Candidate],
    *,
    limit: int = LIMIT,
    max_tokens: int = MAX_TOKENS,
    count: Callable[[str], int] = count_text,
) -> list[Ranked]:
    """Make at most `limit` results of at most `max_tokens` tokens. `around`: passages at the places of `neighbours`, where any are."""
    return _Composition(question, ranking, around, limit=limit, max_tokens=max_tokens, count=count).made()


class _Composition:
    def __init__(
        self,
        question: Question,
        ranking: Ranking,
        around: Mapping[Place, Candidate],
        *,
        limit: int,
        max_tokens: int,
        count: Callable[[str], int],
    ) -> None:
        self._scored = {each.candidate.id: each for each in ranking.scored}
        self._limit, self._left, self._count = limit, max_tokens, count
        self._most = max_tokens * MAX_SHARE
        self._at = {**around, **{(each.candidate.session, each.candidate.ordinal): each.candidate for each in ranking.scored}}
        beside = {one.id: one.packed for one in around.values() if one.id not in self._scored}
        late = late_scores(question, list(beside.values()), ranking.weights)
        self._late = {each.candidate.id: each.late for each in ranking.scored} | dict(zip(beside, late.tolist(), strict=True))
        self._ranking = ranking
        self._results: list[_Result] = []
        self._taken: set[str] = set()
        self._offers: list[tuple[float, int, Candidate]] = []
        self._numbers = itertools.count()

    def made(self) -> list[Ranked]:
        for each in self._scored.values():
            self._offer(each.score, each.candidate)
        waiting: list[Candidate] = []
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

    def _offer(self, worth: float, one: Candidate) -> None:
        heapq.heappush(self._offers, (-worth + _LENGTH * self._cost(one) / 100, next(self._numbers), one))

    def _offer_neighbours(self, worth: float, one: Candidate) -> None:
        for distance in range(-REACH, REACH + 1):
            place = (one.session, one.ordinal + distance)
            if (beside := self._at.get(place)) and beside.id not in self._taken:
                late = min(_MAX_LATE, max(-_MAX_LATE, self._ranking.deviation(self._late[beside.id])))
                offered = _BESIDE * worth - _DISTANCE * abs(distance) + late
                if beside.exchange == one.exchange or offered >= _MIN_ELSEWHERE:
                    self._offer(offered, beside)

    def _affordable(self, one: Candidate) -> bool:
        """Tell whether there is room for it. The first result is shown whatever it costs."""
        return self._cost(one) <= self._left or not self._results

    def _placed(self, one: Candidate, *, bounded: bool = True) -> bool:
        """Take a passage into the result that it stands near, or open one for it. False: others come first."""
        for result in self._results:
            if result.holds(one, self._scored.get(one.id)):
                if bounded and result.cost + self._cost(one) > self._most:
                    return False
                self._take(result, one)
                return True
        of_session = sum(each.best.candidate.session == one.session for each in self._results)
        if len(self._results) >= self._limit or (bounded and (len(self._results) >= FIRST or of_session >= MAX_A_SESSION)):
            return False
        self._results.append(_Result(self._scored[one.id]))
        self._take(self._results[-1], one)
        return True

    def _take(self, result: _Result, one: Candidate) -> None:
        cost = self._cost(one)
        result.take(one, cost, self._scored.get(one.id))
        self._left -= cost
        self._taken.add(one.id)

    def _cost(self, one: Candidate) -> int:
        """Tokens of a passage in a result, with the line break and the GAP that may stand before it."""
        return (one.tokens or self._count(one.text)) + 4


def _ordered(results: Sequence[_Result]) -> list[Ranked]:
    """Order the results by score, then put what replaces another before it. It takes that one's score: scores never rise in an answer."""
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

"""Ranked passages → results: each the passage with what stands around it in its exchange, all together within a budget of tokens.

The passage is the unit of matching, the exchange the unit of reading: a result grows by the passages of its exchange that meet the
question best, until the budget is used. Overlapping passages are one result.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from app.knowledge.passages.question import Question
from app.knowledge.passages.ranking import Candidate, Scored, late_scores
from app.tokens import count_text

MAX_TOKENS = 1_500
"""Of all results together, unless the caller says otherwise."""
LIMIT = 10
MAX_A_SESSION = 4
"""Results of one session, unless too few others are left."""
FIRST = 5
"""Results whose own passage is reserved room for before any of them grows."""
REACH = 3
"""Passages before and after the one that matched, within its exchange."""
GAP = "[…]"


@dataclass(frozen=True, slots=True)
class Ranked:
    """A result. `text`: its passages in their order, GAP where some are left out between them. `passages`: their ids, the matched first.

    `score`: fused, comparable within this answer only; `relevance`: 0 to 1, what `min_relevance` is compared with.
    """

    candidate: Candidate
    text: str
    passages: tuple[str, ...]
    tokens: int
    score: float
    relevance: float = 0.0
    parts: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class _Growing:
    scored: Scored
    taken: dict[int, Candidate]
    cost: int


Exchange = tuple[str, int]
"""A session and the number of an exchange in it."""


def compose(
    question: Question,
    scored: Sequence[Scored],
    around: Mapping[Exchange, Sequence[Candidate]],
    *,
    limit: int = LIMIT,
    max_tokens: int = MAX_TOKENS,
    count: Callable[[str], int] = count_text,
) -> list[Ranked]:
    """Make at most `limit` results of at most `max_tokens` tokens. `around`: the passages of the first results' exchanges, where known."""
    growing: list[_Growing] = []
    left = max_tokens
    waiting: list[tuple[Scored, int]] = []
    for each in _spread(scored, limit * 2):
        if any(_holds(one, each.candidate) for one in growing):
            continue
        cost = _cost(each.candidate, count)
        if len(growing) < min(FIRST, limit) and (cost <= left or not growing):
            growing.append(_Growing(each, {each.candidate.ordinal: each.candidate}, cost))
            left -= cost
        else:
            waiting.append((each, cost))
    left = _grow(question, growing, around, left, count)
    for each, cost in waiting:
        if len(growing) >= limit:
            break
        if cost <= left and not any(_holds(one, each.candidate) for one in growing):
            growing.append(_Growing(each, {each.candidate.ordinal: each.candidate}, cost))
            left -= cost
    return [_ranked(each) for each in growing]


def _spread(scored: Sequence[Scored], wanted: int) -> list[Scored]:
    """The first of the order, at most MAX_A_SESSION of one session before the others have had their turn."""
    seen: Counter[str] = Counter()
    first: list[Scored] = []
    later: list[Scored] = []
    for each in scored:
        seen[each.candidate.session] += 1
        (first if seen[each.candidate.session] <= MAX_A_SESSION else later).append(each)
        if len(first) >= wanted:
            break
    return [*first, *later][:wanted]


def _grow(
    question: Question, growing: list[_Growing], around: Mapping[Exchange, Sequence[Candidate]], left: int, count: Callable[[str], int]
) -> int:
    """Add neighbours, the most promising first, to the results they stand beside. Returns the tokens that are left."""
    offers: list[tuple[float, int, Candidate]] = []
    for place, each in enumerate(growing):
        centre = each.scored.candidate
        near = [
            one
            for one in around.get((centre.session, centre.exchange), ())
            if 0 < abs(one.ordinal - centre.ordinal) <= REACH and one.id != centre.id
        ]
        if not near:
            continue
        found = late_scores(question, [one.packed for one in near], [one.text.casefold() for one in near])
        for one, score in zip(near, found, strict=True):
            distance = abs(one.ordinal - centre.ordinal)
            offers.append((float(score) - 0.03 * distance - 0.02 * place, place, one))
    taken = {(each.scored.candidate.session, ordinal) for each in growing for ordinal in each.taken}
    for _, place, one in sorted(offers, key=lambda offer: -offer[0]):
        cost = _cost(one, count)
        if cost <= left and (one.session, one.ordinal) not in taken:
            growing[place].taken[one.ordinal] = one
            growing[place].cost += cost
            taken.add((one.session, one.ordinal))
            left -= cost
    return left


def _cost(one: Candidate, count: Callable[[str], int]) -> int:
    """Tokens of a passage in a result, with the line break and the GAP that may stand before it."""
    return (one.tokens or count(one.text)) + 4


def _holds(result: _Growing, candidate: Candidate) -> bool:
    return result.scored.candidate.session == candidate.session and candidate.ordinal in result.taken


def _ranked(each: _Growing) -> Ranked:
    lines: list[str] = []
    before: int | None = None
    for ordinal in sorted(each.taken):
        if before is not None and ordinal > before + 1:
            lines.append(GAP)
        lines.append(each.taken[ordinal].text)
        before = ordinal
    centre = each.scored.candidate
    ids = (centre.id, *(one.id for one in each.taken.values() if one.id != centre.id))
    text = "\n".join(lines)
    return Ranked(centre, text, ids, each.cost, each.scored.score, parts=dict(each.scored.parts))

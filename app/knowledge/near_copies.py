"""Decides whether one text says less of the same than another one: its words in their order, and none that turn it.

Stricter than the guard of merges, which knows no word that only one text lacks: "opt-out" is no "opt-in" with a word more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter

from app.knowledge.contradiction.hedges import is_limited
from app.knowledge.subjects.naming import subjects_of
from app.knowledge.supersession.words import is_denied, is_doubted, scopes
from app.likeness import differing, language_of
from app.likeness.gloss import gloss
from app.likeness.vocabulary import vocabulary

MIN_LIKE = 0.85
"""Cosine from which a result may be folded under another one of its day."""
MIN_EXPLAINED = 0.75
"""The same for two explanations, which are one item from then on: no pair of the guard's 769 passes at any cosine, and a subordinate clause
more takes a tenth of it."""
MAX_CHARS = 1_000
"""Characters of a text that is compared: longer ones say more than one thing."""
_WORDS, _NOTHING = "word: ", " ≠ ∅"
"""Beginning and end of a reason where only the first of two texts has words of its own, and these are plain ones: no number, no `not`."""
_EDGES = ".,;:!?()\"'“”`"
_ADDED = re.compile(r"[^\W\d_]+|[\w@.-]*[/.][\w./@-]*[\w/]")
"""A plain word or a path, which a text may have more than another one: no sign and no number."""
_TURNING = re.compile(
    r"\b(?:nearly|almost|hardly|barely|rarely|seldom|less|formerly|supposedly|allegedly|wrongly|said|thought|believed|opposite|other"
    r"|all but|apart from)\b"
    r"|\b(?:non|but|save|in|out|on|off|up|down|from|to)$",
    re.IGNORECASE,
)
"""Words that turn what they are added to; and those after which the following ones mean something else, at the end of what is added in one
place."""
_EXPLAINS = re.compile(r"\b(?:because|since|root cause|caused?|due to|so that|the fix is)\b", re.IGNORECASE)


def says_less(poorer: str, richer: str) -> bool:
    """Tell whether the richer of two items' texts says all that the poorer one does, and more of it."""
    if max(len(poorer), len(richer)) > MAX_CHARS:
        return False
    orders = ((less, more) for less in _orders(poorer) for more in _orders(richer))
    added = next(filter(None, (_added(less, more) for less, more in orders)), [])
    if not added or not all(_ADDED.fullmatch(word) for words in added for word in words):
        return False
    language = language_of(richer)
    if any(_turns(" ".join(words)) or _governs(words[-1], language) for words in added) or scopes(poorer) != scopes(richer):
        return False
    return all(each.startswith(_WORDS) and each.endswith(_NOTHING) for each in differing(richer, poorer)) and _names(poorer) <= _names(
        richer
    )


def is_near_copy(poorer: str, richer: str) -> bool:
    """Tell whether the poorer of two texts may become evidence of the richer one's item: both explain one thing, and it says less of it."""
    return _explains(poorer) and _explains(richer) and says_less(poorer, richer)


def _explains(text: str) -> bool:
    """Tell whether a text says why something is so. A rule or a permission with fewer words holds for more: it is no copy."""
    return bool(_EXPLAINS.search(gloss(text)))


def _turns(phrase: str) -> bool:
    """Tell whether words that are added in one place turn the rest, so that it no longer says what it said without them."""
    return is_denied(phrase) or is_limited(phrase) or is_doubted(phrase) or bool(_TURNING.search(phrase))


def _governs(word: str, language: str) -> bool:
    """Tell whether a word, an article or a preposition, belongs to the one behind it: `by the proxy`, `by the client behind the proxy`."""
    lists = vocabulary(language)
    roles = {entry.role for rest, entry in lists.written.get(word, ()) if not rest}
    return lists.base(word) in lists.prepositions or not roles.isdisjoint({"light", "link"})


def _added(poorer: Sequence[str], richer: Sequence[str]) -> list[list[str]]:
    """Return the words that the richer text has between those of the poorer one, those of each place together.

    None if it doesn't have these in their order.
    """
    left = list(poorer)
    places = [(len(left), word) for word in richer if not (left and word == left[0] and left.pop(0))]
    return [] if left else [[word for _, word in words] for _, words in groupby(places, key=itemgetter(0))]


def _orders(text: str) -> Iterator[list[str]]:
    """Yield the words of a text; of two clauses with one comma between them ("Because …, …"), also the second one first."""
    yield _tokens(text)
    first, comma, second = text.rstrip(_EDGES).partition(", ")
    if comma and ", " not in second:
        yield _tokens(f"{second} {first}")


def _tokens(text: str) -> list[str]:
    return [word for each in text.casefold().split() if (word := each.strip(_EDGES))]


def _names(text: str) -> frozenset[str]:
    return frozenset(each.name for each in subjects_of("", text))

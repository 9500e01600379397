"""Reduce words to a base form, so that inflections of one word are equal: English by its spelling, other languages by lists of endings.

Cautious: two forms that only might be one word stay two (`plan` and `plane`, `author` and `authority`).
"""

from __future__ import annotations

import re
from functools import lru_cache

_VOWEL = re.compile(r"[aeiouy]")
_VOWELS = re.compile(r"[aeiouy]+")
_SHORT = re.compile(  # `nam`, `stor`, `cod`: what `naming`, `stored`, `coded` leave of a word that ends with `e`
    r"[^aeiouy]*[aeiouy][^aeiouywx]"
)
_NO_PLURALS = frozenset({"always", "lens", "means", "news"})
_OTHER_ADVERBS = frozenset({"largely", "presently", "roughly", "scarcely", "shortly", "simply", "surely", "virtually"})
"""Adverbs that say something else than their adjectives do."""
MIN_STEM = 3
MIN_LY = 5
"""Letters before `ly`: `directly` is `direct`, but `hardly` isn't `hard`."""


@lru_cache(maxsize=8192)
def english_base(word: str) -> str:
    """Return the base of an English word: `retries`, `retried` and `retrying` are `retry`; `cached` is `cach`, as `cache` is."""
    if len(word) <= MIN_STEM or not word.isascii() or word in _NO_PLURALS:
        return word
    word = _without_ending(_singular(word))
    if word.endswith("ically"):
        return word[:-4]
    if word.endswith("ly") and len(word) - 2 >= MIN_LY and word not in _OTHER_ADVERBS:
        word = word[:-2]
    if word.endswith("ie"):
        return word[:-2] + "y"
    if word.endswith("e") and len(word) > MIN_STEM and not (_SHORT.fullmatch(word[:-1]) or word.endswith("ee")):
        word = word[:-1]
    return word[:-1] if len(word) > MIN_STEM and word[-1] == word[-2] and word[-1] not in "aeiou" else word


def _singular(word: str) -> str:
    if word.endswith("ies") and len(word) > MIN_STEM + 1:
        return word[:-3] + "y"
    if word.endswith(("sses", "shes", "xes", "zzes", "tches", "nches")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


def _without_ending(word: str) -> str:
    """Remove `ed` and `ing`, and restore the spelling: `naming` is `name`, `planned` is `plan`, `tried` is `try`."""
    if word.endswith("ied") and len(word) > MIN_STEM + 1:
        return word[:-3] + "y"
    for ending in ("ing", "ed"):
        rest = word.removesuffix(ending)
        if rest == word or len(rest) < MIN_STEM or not _VOWEL.search(rest):
            continue
        if rest[-1] == rest[-2] and rest[-1] not in "aeiou":
            return rest[:-1]
        return rest + "e" if _SHORT.fullmatch(rest) and len(_VOWELS.findall(rest)) == 1 else rest
    return word


def without_prefix(word: str, prefix: str) -> str:
    """Remove the prefix of a regular participle: `gehasht` is an inflection of `hashen`."""
    is_participle = bool(prefix) and word.startswith(prefix) and word.endswith("t")
    return word[len(prefix) :] if is_participle and len(word) - len(prefix) > MIN_STEM else word


def without_ending(word: str, endings: tuple[str, ...]) -> str:
    """Remove a language's endings (the longest stands first) while they leave enough of a word: `verkleinern`, `verkleinert`."""
    for ending in endings:
        if word.endswith(ending) and len(word) - len(ending) >= MIN_STEM + (len(ending) > 1):
            return without_ending(word[: -len(ending)], endings)
    return word

"""Tells whether a correction changes what an item says, or only how that is spelt."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

_EDGES = "\"'“”\u2018\u2019`,;:!?()[]"
_SPELT = re.compile(r"[^\W\d_\u3400-\u9fff]{5,40}")
"""A word of which another spelling says the same: long enough, without digits. Chinese words have no such likeness."""
SAME_WORD = 0.8
"""Likeness of two spellings of one word: "publsh" and "publish", but not "enable" and "disable"."""


def says_otherwise(before: str, after: str) -> bool:
    """Tell whether two wordings differ by more than case, punctuation, white space and misspelt words."""
    one, other = _words(before), _words(after)
    return len(one) != len(other) or any(not _same(*pair) for pair in zip(one, other, strict=True))


def _words(text: str) -> list[str]:
    stripped = (word.strip(_EDGES).rstrip(".") for word in text.casefold().split())
    return [word for word in stripped if word]


def _same(one: str, other: str) -> bool:
    if one == other:
        return True
    # The first letter is seldom misspelt, and tells "safe" from "unsafe".
    spelt = _SPELT.fullmatch(one) and _SPELT.fullmatch(other) and one[0] == other[0]
    return bool(spelt) and SequenceMatcher(None, one, other, autojunk=False).ratio() >= SAME_WORD

"""Finds which of many values stand in a text, looking up the text's words rather than trying each value."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from app.knowledge.supersession.statements import ItemWords

_RUN = re.compile(r"\w+")
_CJK = re.compile(r"[\u3400-\u9fff]")
_ANYWHERE = ""
"""The key of values that needn't begin a word: those with Chinese characters."""


def by_first_word(values: Iterable[str]) -> Mapping[str, Sequence[str]]:
    """Return casefolded values by their first word."""
    found: dict[str, list[str]] = defaultdict(list)
    for value in dict.fromkeys(values):
        run = None if _CJK.search(value) else _RUN.search(value)
        found[_ANYWHERE if run is None else run[0]].append(value)
    return found


def values_in(statement: ItemWords, values: Mapping[str, Sequence[str]]) -> set[str]:
    """Return the values, of those `by_first_word`, that stand literally in a statement, be it within a longer name."""
    text = " ".join(statement.sentences).casefold()
    words = {_ANYWHERE, *_RUN.findall(text)}
    return {value for word in words & values.keys() for value in values[word] if value in text}

"""Words that people type into a filter, as a condition: each has to stand somewhere in a text, whatever its case."""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, true

MAX_WORDS_CHARS = 200
"""Of what is typed; the rest is not looked for."""


def holds_words(text: ColumnElement[str], words: str) -> ColumnElement[bool]:
    """Tell whether a text holds every word, as it is written: no sign is a wildcard. True for no word at all."""
    typed = words.replace("\x00", "")[:MAX_WORDS_CHARS]
    return and_(true(), *(text.icontains(word, autoescape=True) for word in typed.split()))

"""Builds the filter condition that a text contains all words typed, ignoring case."""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, true

MAX_WORDS_CHARS = 200
"""Characters of the typed text that are used; the rest is ignored."""


def holds_words(text: ColumnElement[str], words: str) -> ColumnElement[bool]:
    """Build the condition that a text contains every word literally, without wildcards. True for no words."""
    typed = words.replace("\x00", "")[:MAX_WORDS_CHARS]
    return and_(true(), *(text.icontains(word, autoescape=True) for word in typed.split()))

"""Builds filter conditions: that a text contains all words typed, ignoring case; that two columns are one of many pairs."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, SQLColumnExpression, Uuid, and_, exists, func, literal, true

MAX_WORDS_CHARS = 200
"""Characters of the typed text that are used; the rest is ignored."""


def holds_words(text: ColumnElement[str], words: str) -> ColumnElement[bool]:
    """Build the condition that a text contains every word literally, without wildcards. True for no words."""
    typed = words.replace("\x00", "")[:MAX_WORDS_CHARS]
    return and_(true(), *(text.icontains(word, autoescape=True) for word in typed.split()))


def are_among(one: SQLColumnExpression[UUID], other: SQLColumnExpression[UUID], pairs: Sequence[tuple[UUID, UUID]]) -> ColumnElement[bool]:
    """Build the condition that two columns are one of these pairs: in two parameters, as PostgreSQL takes 32,767 in a statement."""
    columns = (literal([pair[side] for pair in pairs], ARRAY(Uuid)) for side in (0, 1))
    given = func.unnest(*columns).table_valued("one", "other").render_derived()
    return exists().where(given.c.one == one, given.c.other == other)

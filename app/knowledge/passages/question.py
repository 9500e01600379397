"""Parses a question for ranking: its words, their token vectors, exact codes and the period it names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from app.embeddings import late_interaction
from app.knowledge.passages.dates import NamedPeriod
from app.knowledge.passages.terms import terms
from app.storage.vectors import lexical

MAX_TOKENS = 64
"""Question tokens that take part in late interaction; the rest of a long one counts through its vector and terms only."""
_CODE_WORD = re.compile(r"`([^`\n]{2,80})`")


@dataclass(frozen=True, slots=True)
class Question:
    """A parsed question. `words[i]`: the whole word, casefolded, of token i; `vectors`: (tokens, late_interaction.DIMS), unit length.

    `window`: the period that it names, half-open; `timely`: the words and terms that name the period, which no answer needs to contain.
    """

    text: str
    words: tuple[str, ...]
    vectors: NDArray[np.float32]
    codes: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    prefer_project: str | None = None
    window: tuple[datetime, datetime] | None = None
    timely: frozenset[str] = frozenset()


def parse_question(
    text: str,
    pieces: Sequence[str],
    tokens: NDArray[np.float32],
    *,
    files: Sequence[str] = (),
    prefer_project: str | None = None,
    named: NamedPeriod | None = None,
) -> Question:
    """Build a Question from its text and the model's output for it (`Encoded.pieces`, `Encoded.tokens`)."""
    vectors = late_interaction.question_vectors(np.asarray(tokens[:MAX_TOKENS], dtype=np.float32))
    quoted = [found.casefold() for found in _CODE_WORD.findall(text[:4000])]
    codes = tuple(dict.fromkeys([*quoted, *lexical.codes(text[:4000])]))[:16]
    words = tuple(_words(pieces[:MAX_TOKENS]))
    if named is None:
        return Question(text, words, vectors, codes, tuple(files), prefer_project)
    stems = terms(" ".join(named.words))  # terms are stems: `befor` for `before`
    timely = frozenset([*stems, *(each for each in (*words, *terms(text[:4000])) if named.says(each))])
    return Question(text, words, vectors, codes, tuple(files), prefer_project, (named.since, named.until), timely)


def _words(pieces: Sequence[str]) -> list[str]:
    """Map each word piece to its whole word: `time` and `##out` both to `timeout`."""
    groups: list[list[int]] = []
    for place, piece in enumerate(pieces):
        if piece.startswith("##") and groups:
            groups[-1].append(place)
        else:
            groups.append([place])
    words = [""] * len(pieces)
    for group in groups:
        word = "".join(pieces[place].removeprefix("##") for place in group)
        for place in group:
            words[place] = word
    return words

"""A question as ranking needs it: its words, their token vectors, its exact codes, its dates."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from app.embeddings import late_interaction
from app.knowledge.passages.dates import Named
from app.knowledge.passages.terms import terms
from app.storage.vectors import lexical

MAX_TOKENS = 64
"""Of a question that take part in late interaction: the rest of a pasted log steers by its vector and its terms."""
_CODE_WORD = re.compile(r"`([^`\n]{2,80})`")


@dataclass(frozen=True, slots=True)
class Question:
    """`words[i]` is the word that token i is a piece of, casefolded; `vectors`: tokens × late_interaction.DIMS, unit length.

    `window`: the period that it names; `timely`: the words and terms that name it, which no answer need hold.
    """

    text: str
    words: tuple[str, ...]
    vectors: NDArray[np.float32]
    codes: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    prefer_project: str | None = None
    window: tuple[datetime, datetime] | None = None
    timely: frozenset[str] = frozenset()


def understood(
    text: str,
    pieces: Sequence[str],
    tokens: NDArray[np.float32],
    *,
    files: Sequence[str] = (),
    prefer_project: str | None = None,
    named: Named | None = None,
) -> Question:
    """Make a question of its text and what the model made of it (`Encoded.pieces`, `Encoded.tokens`)."""
    vectors = late_interaction.question_vectors(np.asarray(tokens[:MAX_TOKENS], dtype=np.float32))
    quoted = [found.casefold() for found in _CODE_WORD.findall(text[:4000])]
    codes = tuple(dict.fromkeys([*quoted, *lexical.codes(text[:4000])]))[:16]
    words = tuple(_words(pieces[:MAX_TOKENS]))
    if named is None:
        return Question(text, words, vectors, codes, tuple(files), prefer_project)
    stems = terms(" ".join(named.words))  # `befor`, of `before`
    timely = frozenset([*stems, *(each for each in (*words, *terms(text[:4000])) if named.says(each))])
    return Question(text, words, vectors, codes, tuple(files), prefer_project, (named.since, named.until), timely)


def _words(pieces: Sequence[str]) -> list[str]:
    """Each piece's whole word: `time`, `##out` are both of `timeout`."""
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

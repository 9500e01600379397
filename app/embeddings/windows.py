"""Splits a text that is longer than the model reads into four equal windows of whole words. Knows no vectors."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from tokenizers import Encoding
from tokenizers import Tokenizer as RustTokenizer

from app.embeddings.lazy import CODE
from app.embeddings.tokenizer import MAX_CHARS, MAX_TOKENS, readable
from app.errors import Unavailable

PARTS = 4
_READ = MAX_TOKENS - 2
"""Tokens of a text that the model reads at once, without its start and end markers."""
_LONG_WORD = 8
"""A word of more tokens than this may be split, so that a window exceeds a quarter of the text by at most this many."""


class WindowCutter:
    """Splits texts into windows. `file`: the tokenizer's, loaded on first use, since the model may be exported later."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._tokenizer: RustTokenizer | None = None

    def cut(self, texts: Sequence[str]) -> list[list[str]]:
        """Return each text's windows, in order; none for a text that the model reads whole. Only the first 984 tokens are read.

        Raises Unavailable while the tokenizer's file is missing or unreadable.
        """
        tokenizer = self._tokenizer = self._tokenizer or self._loaded()
        short = [readable(text[: PARTS * MAX_CHARS]) for text in texts]
        encodings = tokenizer.encode_batch(short, add_special_tokens=False)
        return [_windows(text, encoding) for text, encoding in zip(short, encodings, strict=True)]

    def _loaded(self) -> RustTokenizer:
        try:
            tokenizer = RustTokenizer.from_file(str(self._file))
        except Exception as error:  # the library raises plain Exception
            raise Unavailable("Long texts can't be embedded until the model is exported. Try again later.", code=CODE) from error
        tokenizer.no_padding()
        tokenizer.enable_truncation(PARTS * (_READ - _LONG_WORD))
        return tokenizer


def _windows(text: str, encoding: Encoding) -> list[str]:
    count = len(encoding.ids)
    if count <= _READ:
        return []
    starts = [_word_start(encoding.word_ids, -(-place * count // PARTS)) for place in range(PARTS)]
    marks = [encoding.offsets[start][0] for start in starts] + [encoding.offsets[-1][1]]
    return [text[begin:end] for begin, end in pairwise(marks)]


def _word_start(word_ids: Sequence[int | None], place: int) -> int:
    """Return the first token of the word at this place; for a very long word, the place itself."""
    earliest = max(0, place - _LONG_WORD)
    begin = place
    while begin > earliest and word_ids[begin - 1] == word_ids[place]:
        begin -= 1
    return begin if begin == 0 or word_ids[begin - 1] != word_ids[place] else place

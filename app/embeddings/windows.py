"""A text that is longer than the model reads → four equal windows of whole words. Knows no vectors."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from tokenizers import Encoding
from tokenizers import Tokenizer as RustTokenizer

from app.embeddings.late import CODE
from app.embeddings.tokens import MAX_CHARS, MAX_TOKENS, readable
from app.errors import Unavailable

PARTS = 4
_READ = MAX_TOKENS - 2
"""Tokens of the text itself that the model reads at once: it sees a mark before and after them."""
_LONG_WORD = 8
"""Tokens: a word of more may be cut. So a window holds at most that many more than a quarter."""


class Cutter:
    """`file`: the tokenizer's. Read when it is first needed: the model may be exported later."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._tokenizer: RustTokenizer | None = None

    def cut(self, texts: Sequence[str]) -> list[list[str]]:
        """The windows of each text, in order: none where the model reads it whole. What follows 984 tokens is not read.

        Unavailable while the tokenizer's file is not there or can't be read.
        """
        tokenizer = self._tokenizer = self._tokenizer or self._loaded()
        short = [readable(text[: PARTS * MAX_CHARS]) for text in texts]
        encodings = tokenizer.encode_batch(short, add_special_tokens=False)
        return [_windows(text, encoding) for text, encoding in zip(short, encodings, strict=True)]

    def _loaded(self) -> RustTokenizer:
        try:
            tokenizer = RustTokenizer.from_file(str(self._file))
        except Exception as error:  # the library's errors are of no one class
            raise Unavailable("There is no tokenizer for long texts yet: the model is exported first.", code=CODE) from error
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


def _word_start(words: Sequence[int | None], place: int) -> int:
    """The beginning of the word that this token is a piece of; of a long word, the token itself."""
    earliest = max(0, place - _LONG_WORD)
    begin = place
    while begin > earliest and words[begin - 1] == words[place]:
        begin -= 1
    return begin if begin == 0 or words[begin - 1] != words[place] else place

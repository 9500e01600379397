"""Text → token ids, as the model was trained to read them; and batches that waste little on padding."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding
from tokenizers import Tokenizer as RustTokenizer

MAX_TOKENS = 256
"""The model's own limit: what follows is not read."""
ROUNDED_TO = 8
"""Tokens. Measured 1, 8, 16, 32 in turn, one question: 1.60, 1.36, 1.53, 1.46 ms."""
MAX_CHARS = MAX_TOKENS * 40
"""Cut before tokenizing: no 256 tokens are longer, and a 10 MB text costs nothing."""
CHARS_A_TOKEN = 4
"""About, in English."""
_HALVES = re.compile("[\ud800-\udfff]")


class Tokenizer:
    def __init__(self, file: Path) -> None:
        self._tokenizer = RustTokenizer.from_file(str(file))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(MAX_TOKENS)

    def encode(self, texts: Sequence[str]) -> list[Encoding]:
        return self._tokenizer.encode_batch([readable(text[:MAX_CHARS]) for text in texts])

    def batch(self, texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        return padded(self.encode(texts))


def readable(text: str) -> str:
    """The text with U+FFFD for each half of a surrogate pair: the tokenizer refuses halves, and passes over U+FFFD. Offsets stay true."""
    return text if text.isascii() else _HALVES.sub("\ufffd", text)


def read_chars(texts: Sequence[str]) -> int:
    """Characters that the model reads, about."""
    return sum(min(len(text), CHARS_A_TOKEN * MAX_TOKENS) for text in texts)


def padded(encodings: Sequence[Encoding]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(ids, mask), each batch × longest, which is rounded up: a shape that the runtime has just had costs it 0.2 ms less than another."""
    longest = -(-max(len(encoding.ids) for encoding in encodings) // ROUNDED_TO) * ROUNDED_TO
    ids = np.zeros((len(encodings), longest), dtype=np.int64)
    mask = np.zeros_like(ids)
    for row, encoding in enumerate(encodings):
        ids[row, : len(encoding.ids)] = encoding.ids
        mask[row, : len(encoding.ids)] = 1
    return ids, mask


def batches(lengths: Sequence[int], *, padded_tokens: int) -> list[list[int]]:
    """Places of texts, sorted by length, in batches of at most `padded_tokens` (texts × longest); a single text always fits."""
    made: list[list[int]] = []
    for place in sorted(range(len(lengths)), key=lambda place: (lengths[place], place)):
        # Ascending: the text at hand is the longest of its batch.
        if made and (len(made[-1]) + 1) * lengths[place] <= padded_tokens:
            made[-1].append(place)
        else:
            made.append([place])
    return made

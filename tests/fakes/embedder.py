"""Embedders without a model: a text's vector is the sum of its words' fixed random directions. Same words, same direction."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from app.embeddings.embedder import Encoded, Packed
from app.embeddings.late_interaction import pack
from app.embeddings.longform import MODEL

READS = 40
"""Words that the fakes read at once."""


class WordsEmbedder:
    """Deterministic; texts that share most words have a cosine near 1, texts that share none near 0."""

    model = "words"

    def __init__(self) -> None:
        self.embedded: list[str] = []

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.embedded.extend(texts)
        return np.stack([_vector(text) for text in texts])

    async def embed_tokens(self, texts: Sequence[str]) -> list[Encoded]:
        self.embedded.extend(texts)
        return [_encoded(text) for text in texts]

    async def embed_packed(self, texts: Sequence[str]) -> list[Packed]:
        return [Packed(each.vector, pack(each.pieces, each.tokens)) for each in await self.embed_tokens(texts)]

    async def embed_question(self, question: str) -> Encoded:
        return (await self.embed_tokens([question]))[0]


class WordsLongForm:
    """Four windows of the words of a text that has more than READS of them."""

    model = MODEL
    short_bytes = READS

    async def embed(self, texts: Sequence[str]) -> list[NDArray[np.float32] | None]:
        return [_windows(text.split()) for text in texts]


def _windows(words: list[str]) -> NDArray[np.float32] | None:
    if len(words) <= READS:
        return None
    quarters = [words[place * len(words) // 4 : (place + 1) * len(words) // 4] for place in range(4)]
    return (np.concatenate([_vector(" ".join(each)) for each in quarters]) / 2).astype(np.float32)


def _encoded(text: str) -> Encoded:
    words = [*re.finditer(r"\w+", text.casefold())][:READS]
    tokens = np.stack([_vector(word[0]) for word in words]) if words else np.zeros((0, 384), dtype=np.float32)
    return Encoded(_vector(text), tuple(word[0] for word in words), tuple(word.span() for word in words), tokens)


def _vector(text: str) -> NDArray[np.float32]:
    total = np.zeros(384, dtype=np.float64)
    for word in re.findall(r"\w+", text.casefold())[:READS] or [""]:
        seed = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "little")
        total += np.random.default_rng(seed).standard_normal(384)
    return (total / np.linalg.norm(total)).astype(np.float32)

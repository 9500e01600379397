"""Caching wrapper of an embedder, for texts' vectors and questions' token vectors."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from time import monotonic

import cachebox
import numpy as np

from app.cache.memory import MemoryCache
from app.embeddings.embedder import Encoded, Floats, Packed, TokenEmbedder
from app.telemetry import metrics

VECTOR_BYTES, UNIT_SLACK = 384 * 4, 0.05
REMEMBERED_FACTOR, REMEMBERED_SECONDS = 2, 3600.0
"""Keys remembered, as a multiple of the cache's size, to count misses that a larger cache would have served within the hour."""
MAX_QUESTIONS, MAX_QUESTION_TOKENS = 256, 64
"""Questions whose token vectors are cached, and tokens of each: 35 kB for 20 tokens, at most 110 kB; at most 28 MB in total."""


def is_vector(key: bytes, value: bytes) -> bool:
    """Tell whether a cached value is a vector of unit length, as all of the model's are."""
    del key
    if len(value) != VECTOR_BYTES:
        return False
    vector = np.frombuffer(value, np.float32)
    return bool(np.isfinite(vector).all()) and abs(float(vector @ vector) - 1) < UNIT_SLACK


class CachedEmbedder:
    """An embedder with a cache, keyed by a hash of model and text: 384 floats (1.5 kB) per entry.

    Keys of twice as many entries are remembered, to report what a larger cache would save. The tokens of the last MAX_QUESTIONS questions
    are cached as long as their vectors.
    `away`: returns why no text can be embedded now, or None.
    """

    def __init__(
        self, inner: TokenEmbedder, memory: MemoryCache, *, ttl_seconds: float, away: Callable[[], str | None] = lambda: None
    ) -> None:
        self._inner = inner
        self._memory = memory
        self._ttl = ttl_seconds
        self._away = away
        self.model = inner.model
        self._asked: cachebox.LRUCache[bytes, float] = cachebox.LRUCache(REMEMBERED_FACTOR * memory.entries)
        self._questions: cachebox.LRUCache[bytes, Encoded] = cachebox.LRUCache(MAX_QUESTIONS)

    async def embed(self, texts: Sequence[str]) -> Floats:
        keys = [self._key(text) for text in texts]
        found = {key: np.frombuffer(kept, np.float32) for key in dict.fromkeys(keys) if (kept := self._memory.get(key)) is not None}
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in found}
        self._count(keys, missing)
        if missing:
            for key, vector in zip(missing, await self._inner.embed(list(missing.values())), strict=True):
                found[key] = vector
                self._memory.set(key, vector.astype(np.float32).tobytes(), self._ttl)
        return np.stack([found[key] for key in keys]) if keys else np.zeros((0, 384), dtype=np.float32)

    async def encode(self, question: str) -> Encoded:
        """Return a question's vector and those of its first MAX_QUESTION_TOKENS tokens, by one run; cached, so the arrays are read-only."""
        key = self._key(question)
        vector = self._memory.get(key)
        kept = None if vector is None else self._questions.get(key)
        if kept is not None:
            self._count([key], ())
            return kept
        if vector is None:
            self._count([key], [key])
        else:  # evicted from the questions' cache, not from this one
            metrics.looked_up(hits=0, misses=1, evicted=0)
        (encoded,) = await self._inner.embed_tokens([question])
        made = _shortened(encoded)
        self._questions[key] = made
        self._memory.set(key, made.vector.tobytes(), self._ttl)
        return made

    async def embed_tokens(self, texts: Sequence[str]) -> list[Encoded]:
        """Return texts' vectors and those of all their tokens, in the order of the texts. Uncached.

        1.5 kB per token, up to 25 MB for 64 texts: not for more than so many. Passages: `embed_packed`.
        """
        return await self._inner.embed_tokens(texts)

    async def embed_packed(self, texts: Sequence[str]) -> list[Packed]:
        """Return passages' vectors and packed token vectors, in the order of the texts. Uncached: a passage is embedded once.

        Any number of texts, best many at once: up to 512 are sorted by length, and a run's token vectors are packed and dropped before the
        next run. Questions are served between two runs.
        """
        return await self._inner.embed_packed(texts)

    @property
    def away(self) -> str | None:
        return self._away()

    @property
    def inner(self) -> TokenEmbedder:
        return self._inner

    def around(self, inner: TokenEmbedder) -> CachedEmbedder:
        """Return this cache around another embedder of the same model."""
        return CachedEmbedder(inner, self._memory, ttl_seconds=self._ttl, away=self._away)

    def _key(self, text: str) -> bytes:
        return hashlib.blake2b(f"{self.model}\0{text}".encode("utf-8", "surrogatepass"), digest_size=16).digest()

    def _count(self, keys: Sequence[bytes], missing: Collection[bytes]) -> None:
        now = monotonic()
        evicted = sum(self._asked.get(key, -REMEMBERED_SECONDS) > now - REMEMBERED_SECONDS for key in missing)
        for key in keys:
            self._asked[key] = now
        metrics.looked_up(hits=len(keys) - len(missing), misses=len(missing), evicted=evicted)


def _shortened(encoded: Encoded) -> Encoded:
    """Copy the cached part of a question's vectors: a view would keep the whole run's memory alive."""
    few = slice(MAX_QUESTION_TOKENS)
    vector, tokens = encoded.vector.astype(np.float32, copy=True), encoded.tokens[few].astype(np.float32, copy=True)
    vector.flags.writeable = tokens.flags.writeable = False
    return Encoded(vector, encoded.pieces[few], encoded.offsets[few], tokens)

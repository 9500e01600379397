"""Caching wrapper of an embedder, for texts' vectors and questions' token vectors."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from time import monotonic

import cachebox
import numpy as np

from app.cache.memory import MemoryCache
from app.embeddings.embedder import DIMENSIONS, Encoded, Floats, Packed, TokenEmbedder
from app.telemetry import metrics

VECTOR_BYTES = DIMENSIONS * np.dtype(np.float32).itemsize
NORM_TOLERANCE = 0.05
"""Largest difference of a vector's squared length from 1."""
GHOST_FACTOR, GHOST_SECONDS = 2, 3600.0
"""Keys in the ghost cache, as a multiple of the cache's entries, and how long after its last lookup a key counts."""
MAX_QUESTIONS, MAX_QUESTION_TOKENS = 256, 64
"""Questions whose token vectors are cached, and tokens of each: 35 kB for 20 tokens, at most 110 kB; at most 28 MB in total."""


def is_vector(key: bytes, value: bytes) -> bool:
    """Tell whether a cached value is a vector of unit length, as all of the model's are."""
    del key
    if len(value) != VECTOR_BYTES:
        return False
    vector = np.frombuffer(value, np.float32)
    return bool(np.isfinite(vector).all()) and abs(float(vector @ vector) - 1) < NORM_TOLERANCE


class CachedEmbedder:
    """An embedder with a cache, keyed by a hash of model and text: one vector (1.5 kB) per entry.

    Caches vectors (`embed`) and the token vectors of the last MAX_QUESTIONS questions (`embed_question`); passes `embed_tokens` and
    `embed_packed` through. A ghost cache holds the keys, without vectors, of twice as many entries: it counts the misses that a cache of
    twice the size would have served.
    `unavailable_reason`: returns why no text can be embedded now, or None.
    """

    def __init__(
        self,
        inner: TokenEmbedder,
        memory: MemoryCache,
        *,
        ttl_seconds: float,
        unavailable_reason: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._inner = inner
        self._memory = memory
        self._ttl = ttl_seconds
        self._unavailable_reason = unavailable_reason
        self.model = inner.model
        self._last_lookup: cachebox.LRUCache[bytes, float] = cachebox.LRUCache(GHOST_FACTOR * memory.entries)
        self._questions: cachebox.LRUCache[bytes, Encoded] = cachebox.LRUCache(MAX_QUESTIONS)

    async def embed(self, texts: Sequence[str]) -> Floats:
        keys = [self._key(text) for text in texts]
        found = {key: np.frombuffer(cached, np.float32) for key in dict.fromkeys(keys) if (cached := self._memory.get(key)) is not None}
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in found}
        self._count(keys, missing)
        if missing:
            for key, vector in zip(missing, await self._inner.embed(list(missing.values())), strict=True):
                found[key] = vector
                self._memory.set(key, vector.astype(np.float32).tobytes(), self._ttl)
        return np.stack([found[key] for key in keys]) if keys else np.zeros((0, DIMENSIONS), dtype=np.float32)

    async def embed_question(self, question: str) -> Encoded:
        """Return a question's vector and those of its first MAX_QUESTION_TOKENS tokens, by one run; cached, so the arrays are read-only."""
        key = self._key(question)
        vector = self._memory.get(key)
        cached = None if vector is None else self._questions.get(key)
        if cached is not None:
            self._count([key], ())
            return cached
        if vector is None:
            self._count([key], [key])
        else:  # its token vectors were dropped, its vector was not: a miss that a larger cache of vectors wouldn't spare
            metrics.looked_up(hits=0, misses=1, evicted=0)
        (encoded,) = await self._inner.embed_tokens([question])
        made = _shortened(encoded)
        self._questions[key] = made
        self._memory.set(key, made.vector.tobytes(), self._ttl)
        return made

    async def embed_tokens(self, texts: Sequence[str]) -> list[Encoded]:
        """Return texts' vectors and those of all their tokens, in the order of the texts. Not cached.

        1.5 kB per token, up to 25 MB for 64 texts: not for more than so many. Passages: `embed_packed`.
        """
        return await self._inner.embed_tokens(texts)

    async def embed_packed(self, texts: Sequence[str]) -> list[Packed]:
        """Return passages' vectors and packed token vectors, in the order of the texts. Not cached: a passage is embedded once.

        Any number of texts, best many at once: up to 512 are sorted by length, and a run's token vectors are packed and dropped before the
        next run. Questions are served between two runs.
        """
        return await self._inner.embed_packed(texts)

    @property
    def unavailable_reason(self) -> str | None:
        """Return why no text can be embedded now; None: it can."""
        return self._unavailable_reason()

    @property
    def inner(self) -> TokenEmbedder:
        return self._inner

    def with_inner(self, inner: TokenEmbedder) -> CachedEmbedder:
        """Return a copy that shares this cache, around another embedder of the same model."""
        return CachedEmbedder(inner, self._memory, ttl_seconds=self._ttl, unavailable_reason=self._unavailable_reason)

    def _key(self, text: str) -> bytes:
        return hashlib.blake2b(f"{self.model}\0{text}".encode("utf-8", "surrogatepass"), digest_size=16).digest()

    def _count(self, keys: Sequence[bytes], missing: Collection[bytes]) -> None:
        """Count each distinct missing key as one miss, or as evicted where it was looked up within GHOST_SECONDS; other lookups as hits."""
        now = monotonic()
        evicted = sum(self._last_lookup.get(key, -GHOST_SECONDS) > now - GHOST_SECONDS for key in missing)
        for key in keys:
            self._last_lookup[key] = now
        metrics.looked_up(hits=len(keys) - len(missing), misses=len(missing) - evicted, evicted=evicted)


def _shortened(encoded: Encoded) -> Encoded:
    """Copy the cached part of a question's vectors: a view would keep the whole run's memory alive."""
    first_tokens = slice(MAX_QUESTION_TOKENS)
    vector, tokens = encoded.vector.astype(np.float32, copy=True), encoded.tokens[first_tokens].astype(np.float32, copy=True)
    vector.flags.writeable = tokens.flags.writeable = False
    return Encoded(vector, encoded.pieces[first_tokens], encoded.offsets[first_tokens], tokens)

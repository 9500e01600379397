"""An embedder around an embedder: a text that was embedded before is not embedded again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from time import monotonic

import cachebox
import numpy as np
from numpy.typing import NDArray

from app.cache.memory import Memory
from app.embeddings.embedder import Embedder
from app.telemetry import metrics

VECTOR_BYTES, UNIT_SLACK = 384 * 4, 0.05
REMEMBERED, AGAIN_SECONDS = 2, 3600.0
"""So many times the cache's entries; asked again within the hour."""


def is_vector(key: bytes, value: bytes) -> bool:
    """Tell whether a kept value is a vector of unit length, as every one of the model's is."""
    del key
    if len(value) != VECTOR_BYTES:
        return False
    vector = np.frombuffer(value, np.float32)
    return bool(np.isfinite(vector).all()) and abs(float(vector @ vector) - 1) < UNIT_SLACK


class CachedEmbedder:
    """By a hash of model and content: 384 floats an entry, 1.5 kB.

    Of twice as many it is known when they were last asked: what would a cache of twice the size have spared?
    `away`: says why no text can be embedded now; None where it can.
    """

    def __init__(self, inner: Embedder, memory: Memory, *, ttl_seconds: float, away: Callable[[], str | None] = lambda: None) -> None:
        self._inner = inner
        self._memory = memory
        self._ttl = ttl_seconds
        self._away = away
        self.model = inner.model
        self._asked: cachebox.LRUCache[bytes, float] = cachebox.LRUCache(REMEMBERED * memory.entries)

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        keys = [self._key(text) for text in texts]
        found = {key: np.frombuffer(kept, np.float32) for key in dict.fromkeys(keys) if (kept := self._memory.get(key)) is not None}
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in found}
        self._count(keys, missing)
        if missing:
            for key, vector in zip(missing, await self._inner.embed(list(missing.values())), strict=True):
                found[key] = vector
                self._memory.set(key, vector.astype(np.float32).tobytes(), self._ttl)
        return np.stack([found[key] for key in keys]) if keys else np.zeros((0, 384), dtype=np.float32)

    @property
    def away(self) -> str | None:
        return self._away()

    @property
    def inner(self) -> Embedder:
        return self._inner

    def around(self, inner: Embedder) -> CachedEmbedder:
        """The same cache around another embedder of the same model."""
        return CachedEmbedder(inner, self._memory, ttl_seconds=self._ttl, away=self._away)

    def knows(self, text: str) -> bool:
        """Whether this text's vector is here: no model would be run for it."""
        return self._key(text) in self._memory

    def _key(self, text: str) -> bytes:
        return hashlib.blake2b(f"{self.model}\0{text}".encode("utf-8", "replace"), digest_size=16).digest()

    def _count(self, keys: Sequence[bytes], missing: Collection[bytes]) -> None:
        now = monotonic()
        evicted = sum(self._asked.get(key, -AGAIN_SECONDS) > now - AGAIN_SECONDS for key in missing)
        for key in keys:
            self._asked[key] = now
        metrics.looked_up(hits=len(keys) - len(missing), misses=len(missing), evicted=evicted)

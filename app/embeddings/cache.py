"""An embedder around an embedder: a text that was embedded before is not embedded again."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from time import monotonic

import cachebox
import numpy as np
from numpy.typing import NDArray

from app.embeddings.embedder import Embedder
from app.telemetry import metrics

REMEMBERED, AGAIN_SECONDS = 2, 3600.0
"""So many times the cache's entries; asked again within the hour."""


class CachedEmbedder:
    """By a hash of the content, the least recently used out first: 384 floats an entry, 1.5 kB.

    Of twice as many it is known when they were last asked: what would a cache of twice the size have spared?
    """

    def __init__(self, inner: Embedder, *, entries: int) -> None:
        self._inner = inner
        self.model = inner.model
        self._vectors: cachebox.LRUCache[bytes, NDArray[np.float32]] = cachebox.LRUCache(max(1, entries))
        self._asked: cachebox.LRUCache[bytes, float] = cachebox.LRUCache(REMEMBERED * max(1, entries))

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        keys = [hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).digest() for text in texts]
        found = {key: vector for key in keys if (vector := self._vectors.get(key)) is not None}
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in found}
        self._count(keys, missing)
        if missing:
            for key, vector in zip(missing, await self._inner.embed(list(missing.values())), strict=True):
                found[key] = self._vectors[key] = vector.copy()
        return np.stack([found[key] for key in keys]) if keys else np.zeros((0, 384), dtype=np.float32)

    def _count(self, keys: Sequence[bytes], missing: Collection[bytes]) -> None:
        now = monotonic()
        evicted = sum(self._asked.get(key, -AGAIN_SECONDS) > now - AGAIN_SECONDS for key in missing)
        for key in keys:
            self._asked[key] = now
        metrics.looked_up(hits=len(keys) - len(missing), misses=len(missing), evicted=evicted)

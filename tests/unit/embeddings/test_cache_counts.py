"""The embeddings' cache counts what it answered, and what one of twice the size would have answered too."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from app.cache.memory import MemoryCache
from app.embeddings.cache import MAX_QUESTIONS, CachedEmbedder
from app.embeddings.embedder import Encoded
from app.telemetry import measures


class Inner:
    model = "x"

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.ones((len(texts), 384), dtype=np.float32)

    async def embed_tokens(self, texts: Sequence[str]) -> list[Encoded]:
        vector = np.ones(384, dtype=np.float32)
        return [Encoded(vector, (text,), ((0, len(text)),), vector[None]) for text in texts]


async def counted(entries: int, asked: Sequence[str], *, encoded: bool = False) -> dict[str, float]:
    before = dict(measures.embedding_cache.totals)
    cache = CachedEmbedder(Inner(), MemoryCache("lru", entries=entries, max_bytes=2**20), ttl_seconds=60)
    for text in asked:
        await (cache.embed_question(text) if encoded else cache.embed([text]))
    return {key[0]: total - before.get(key, 0) for key, total in measures.embedding_cache.totals.items() if total != before.get(key, 0)}


async def test_each_lookup_counts_as_a_hit_or_a_miss() -> None:
    assert await counted(10, ["a", "b", "a", "a"]) == {"hit": 2, "miss": 2}


async def test_a_lookup_of_an_evicted_text_is_counted() -> None:
    assert await counted(2, ["a", "b", "c", "a"]) == {"miss": 3, "evicted": 1}


async def test_a_lookup_that_a_cache_of_twice_the_size_would_miss_is_not_counted_as_evicted() -> None:
    assert await counted(2, ["a", "b", "c", "d", "e", "a"]) == {"miss": 6}


async def test_lookups_of_questions_are_counted_like_those_of_other_texts() -> None:
    assert await counted(2, ["a", "b", "a", "c", "b"], encoded=True) == {"hit": 1, "miss": 3, "evicted": 1}


async def test_a_question_whose_token_vectors_alone_were_evicted_is_not_counted_as_evicted() -> None:
    asked = [str(number) for number in range(MAX_QUESTIONS + 1)]
    assert await counted(1000, [*asked, asked[0]], encoded=True) == {"miss": len(asked) + 1}

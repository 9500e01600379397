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


async def test_hits_and_misses() -> None:
    assert await counted(10, ["a", "b", "a", "a"]) == {"hit": 2, "miss": 2}


async def test_what_was_pushed_out_and_is_asked_again_is_told() -> None:
    assert await counted(2, ["a", "b", "c", "a"]) == {"miss": 3, "evicted": 1}


async def test_what_twice_the_size_would_not_have_kept_is_not_told() -> None:
    assert await counted(2, ["a", "b", "c", "d", "e", "a"]) == {"miss": 6}


async def test_questions_are_counted_as_other_texts_are() -> None:
    assert await counted(2, ["a", "b", "a", "c", "b"], encoded=True) == {"hit": 1, "miss": 3, "evicted": 1}


async def test_a_question_pushed_out_of_the_room_for_tokens_alone_does_not_ask_for_a_larger_cache() -> None:
    asked = [str(number) for number in range(MAX_QUESTIONS + 1)]
    assert await counted(1000, [*asked, asked[0]], encoded=True) == {"miss": len(asked) + 1}

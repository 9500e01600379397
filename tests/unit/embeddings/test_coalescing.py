"""Coalescing and caching, around an embedder that can be watched."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from app.cache.memory import MemoryCache
from app.embeddings.cache import CachedEmbedder
from app.embeddings.coalescing import LARGE, MAX_CHARS, MAX_TEXTS, CoalescingEmbedder
from app.embeddings.embedder import Encoded
from app.embeddings.tokenizer import batches
from app.errors import Unavailable


class Watched:
    """Records each run; holds runs back while `gate` is closed."""

    model = "watched"

    def __init__(self) -> None:
        self.runs: list[list[str]] = []
        self.kinds: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.fails: Exception | None = None

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.kinds.append("vectors")
        return await self._run(texts)

    async def embed_tokens(self, texts: Sequence[str]) -> list[Encoded]:
        self.kinds.append("tokens")
        vectors = await self._run(texts)
        return [Encoded(vector, (text,), ((0, len(text)),), vector[None]) for text, vector in zip(texts, vectors, strict=True)]

    async def _run(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.runs.append(list(texts))
        await self.gate.wait()
        if self.fails:
            raise self.fails
        return np.stack([np.full(384, float(len(text)), dtype=np.float32) for text in texts])


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_an_idle_embedder_runs_at_once() -> None:
    inner = Watched()
    vectors = await CoalescingEmbedder(inner).embed(["one"])
    assert inner.runs == [["one"]]
    assert vectors.shape == (1, 384)


async def test_requests_that_arrive_during_a_run_share_the_next_one() -> None:
    inner = Watched()
    inner.gate.clear()
    embedder = CoalescingEmbedder(inner)
    asked = [asyncio.create_task(embedder.embed(["x" * n])) for n in range(1, 6)]
    await settle()
    inner.gate.set()
    answers = await asyncio.gather(*asked)
    assert [len(run) for run in inner.runs] == [5] or [len(run) for run in inner.runs] == [1, 4]
    assert [float(answer[0, 0]) for answer in answers] == [1, 2, 3, 4, 5]


async def test_a_run_is_bounded() -> None:
    inner = Watched()
    embedder = CoalescingEmbedder(inner)
    await asyncio.gather(*(embedder.embed([f"text {n}"]) for n in range(MAX_TEXTS * 2 + 5)))
    assert max(len(run) for run in inner.runs) <= MAX_TEXTS
    assert sum(len(run) for run in inner.runs) == MAX_TEXTS * 2 + 5


@pytest.mark.parametrize(
    ("chars", "texts"), [(100, MAX_TEXTS), (1024, MAX_CHARS // 1024), (8_000, MAX_CHARS // 1024), (600, MAX_CHARS // 600)]
)
async def test_a_run_of_long_questions_holds_fewer(chars: int, texts: int) -> None:
    inner = Watched()
    embedder = CoalescingEmbedder(inner)
    await asyncio.gather(*(embedder.embed([f"{n:03}{'x' * (chars - 3)}"]) for n in range(MAX_TEXTS * 2)))
    assert max(len(run) for run in inner.runs) == texts
    assert sum(len(run) for run in inner.runs) == MAX_TEXTS * 2


async def test_a_cancelled_request_leaves_the_others_of_its_run_alone() -> None:
    inner = Watched()
    inner.gate.clear()
    embedder = CoalescingEmbedder(inner)
    first, second, third = (asyncio.create_task(embedder.embed(["x" * n])) for n in (1, 2, 3))
    await settle()
    second.cancel()
    await settle()
    inner.gate.set()
    assert float((await first)[0, 0]) == 1
    assert float((await third)[0, 0]) == 3
    with pytest.raises(asyncio.CancelledError):
        await second


async def test_an_error_reaches_every_waiter_and_the_next_run_works() -> None:
    inner = Watched()
    inner.fails = Unavailable("away")
    embedder = CoalescingEmbedder(inner)
    results = await asyncio.gather(*(embedder.embed([str(n)]) for n in range(3)), return_exceptions=True)
    assert all(isinstance(result, Unavailable) for result in results)
    inner.fails = None
    assert (await embedder.embed(["again"])).shape == (1, 384)


async def test_a_batch_is_not_coalesced() -> None:
    inner = Watched()
    await CoalescingEmbedder(inner).embed(["x"] * (LARGE + 1))
    assert [len(run) for run in inner.runs] == [LARGE + 1]


async def test_a_request_of_more_characters_than_a_run_holds_is_not_coalesced() -> None:
    inner = Watched()
    inner.gate.clear()
    embedder = CoalescingEmbedder(inner)
    large = asyncio.create_task(embedder.embed_tokens(["x" * 1024] * (MAX_CHARS // 1024 + 1)))
    await settle()
    question = asyncio.create_task(embedder.embed_tokens(["why"]))
    await settle()
    assert [len(run) for run in inner.runs] == [MAX_CHARS // 1024 + 1, 1]  # the question is not behind it here: the runtime takes turns
    inner.gate.set()
    assert (await question)[0].pieces == ("why",)
    assert len(await large) == MAX_CHARS // 1024 + 1


async def test_token_vectors_and_plain_vectors_share_one_run() -> None:
    inner = Watched()
    inner.gate.clear()
    embedder = CoalescingEmbedder(inner)
    first = asyncio.create_task(embedder.embed(["x"]))
    await settle()
    plain = asyncio.create_task(embedder.embed(["xx", "xxx"]))
    tokens = asyncio.create_task(embedder.embed_tokens(["xxxx", "xxxxx"]))
    await settle()
    inner.gate.set()
    await first
    assert [each.pieces for each in await tokens] == [("xxxx",), ("xxxxx",)]
    assert (await plain)[:, 0].tolist() == [2, 3]
    assert list(zip(inner.kinds, map(len, inner.runs), strict=True)) == [("vectors", 1), ("tokens", 4)]


async def test_a_run_without_a_request_for_tokens_makes_none() -> None:
    inner = Watched()
    embedder = CoalescingEmbedder(inner)
    await asyncio.gather(embedder.embed(["a"]), embedder.embed(["b"]))
    assert set(inner.kinds) == {"vectors"}


async def test_a_request_for_tokens_that_is_cancelled_while_waiting_is_not_embedded() -> None:
    inner = Watched()
    inner.gate.clear()
    embedder = CoalescingEmbedder(inner)
    first = asyncio.create_task(embedder.embed_tokens(["first"]))
    await settle()
    leaving, staying = (asyncio.create_task(embedder.embed_tokens([text])) for text in ("leaving", "staying"))
    await settle()
    leaving.cancel()
    await settle()
    inner.gate.set()
    assert [(await task)[0].pieces for task in (first, staying)] == [("first",), ("staying",)]
    assert inner.runs == [["first"], ["staying"]]


async def test_an_error_of_a_shared_run_reaches_requests_with_and_without_tokens() -> None:
    inner = Watched()
    inner.fails = Unavailable("away")
    embedder = CoalescingEmbedder(inner)
    results = await asyncio.gather(embedder.embed(["a"]), embedder.embed_tokens(["b"]), return_exceptions=True)
    assert [type(result) for result in results] == [Unavailable, Unavailable]


def memory(entries: int) -> MemoryCache:
    return MemoryCache("lru", entries=entries, max_bytes=2**20)


async def test_a_text_is_embedded_once_also_within_one_call() -> None:
    inner = Watched()
    embedder = CachedEmbedder(inner, memory(10), ttl_seconds=60)
    first = await embedder.embed(["a", "bb", "a"])
    again = await embedder.embed(["bb", "a"])
    assert inner.runs == [["a", "bb"]]
    assert [row[0] for row in first] == [1, 2, 1]
    assert [row[0] for row in again] == [2, 1]


async def test_the_cache_is_bounded() -> None:
    inner = Watched()
    embedder = CachedEmbedder(inner, memory(2), ttl_seconds=60)
    for text in ("a", "b", "c", "a"):
        await embedder.embed([text])
    assert len(inner.runs) == 4


async def test_no_texts_are_no_run() -> None:
    inner = Watched()
    assert (await CachedEmbedder(inner, memory(2), ttl_seconds=60).embed([])).shape == (0, 384)
    assert inner.runs == []


@given(st.lists(st.integers(1, 256), max_size=80), st.integers(256, 4096))
def test_batches_hold_each_text_once_within_the_bound(lengths: list[int], most: int) -> None:
    made = batches(lengths, padded_tokens=most)
    assert sorted(place for batch in made for place in batch) == list(range(len(lengths)))
    for batch in made:
        assert len(batch) == 1 or len(batch) * max(lengths[place] for place in batch) <= most

"""A question's vector and token vectors: by one run, kept for who asks again, within bounds."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest

from app.cache.memory import MemoryCache
from app.embeddings import late_interaction
from app.embeddings.cache import MAX_QUESTION_TOKENS, MAX_QUESTIONS, CachedEmbedder
from app.embeddings.coalescing import CoalescingEmbedder
from app.embeddings.embedder import Encoded, Floats, Packed
from app.embeddings.lazy import LazyEmbedder
from app.errors import Unavailable


class Spelled:
    """A token a character. Each run's arrays are one block, as a runtime's are."""

    model = "spelled"

    def __init__(self) -> None:
        self.runs: list[list[str]] = []
        self.fails: Exception | None = None
        self.passages = asyncio.Event()
        self.passages.set()
        self.cancelled = 0

    async def embed(self, texts: Sequence[str]) -> Floats:
        return np.stack([each.vector for each in await self.embed_tokens(texts)])

    async def embed_tokens(self, texts: Sequence[str]) -> list[Encoded]:
        self.runs.append(list(texts))
        await asyncio.sleep(0)
        if self.fails:
            raise self.fails
        block = np.stack([_vector(char) for text in texts for char in text or " "])
        made, start = [], 0
        for text in texts:
            rows = slice(start, start + len(text))
            offsets = tuple((place, place + 1) for place in range(len(text)))
            made.append(Encoded(_vector(text), tuple(text), offsets, block[rows]))
            start = rows.stop
        return made

    async def embed_packed(self, texts: Sequence[str]) -> list[Packed]:
        try:
            await self.passages.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return [Packed(each.vector, late_interaction.pack(each.pieces, each.tokens)) for each in await self.embed_tokens(texts)]


def _vector(text: str) -> Floats:
    vector = np.random.default_rng(list(map(ord, text))).normal(size=384)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def cached(inner: Spelled, *, entries: int = 1000) -> tuple[CachedEmbedder, MemoryCache]:
    memory = MemoryCache("lru", entries=entries, max_bytes=2**22)
    return CachedEmbedder(CoalescingEmbedder(inner), memory, ttl_seconds=60), memory


async def test_a_question_is_run_once() -> None:
    inner = Spelled()
    embedder, _ = cached(inner)
    first, again = await embedder.embed_question("why?"), await embedder.embed_question("why?")
    assert inner.runs == [["why?"]]
    assert again is first
    assert first.pieces == ("w", "h", "y", "?")


async def test_a_questions_vector_is_cached_for_embed() -> None:
    inner = Spelled()
    embedder, _ = cached(inner)
    encoded = await embedder.embed_question("why?")
    assert np.array_equal(encoded.vector, (await embedder.embed(["why?"]))[0])
    assert inner.runs == [["why?"]]


async def test_questions_that_arrive_during_a_run_share_the_next_one() -> None:
    inner = Spelled()
    embedder, _ = cached(inner)
    encoded = await asyncio.gather(*(embedder.embed_question(f"question {number}") for number in range(20)))
    assert ["".join(each.pieces) for each in encoded] == [f"question {number}" for number in range(20)]
    assert len(inner.runs) <= 2


async def test_of_a_long_question_a_copy_of_the_first_tokens_is_cached() -> None:
    embedder, _ = cached(Spelled())
    encoded = await embedder.embed_question("x" * 200)
    assert encoded.tokens.shape == (MAX_QUESTION_TOKENS, 384)
    assert len(encoded.pieces) == len(encoded.offsets) == MAX_QUESTION_TOKENS
    assert encoded.tokens.base is None
    assert encoded.vector.base is None


async def test_cached_vectors_are_read_only() -> None:
    embedder, _ = cached(Spelled())
    encoded = await embedder.embed_question("why?")
    for array in (encoded.vector, encoded.tokens):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


async def test_the_cache_of_questions_is_bounded_and_evicts_the_oldest() -> None:
    inner = Spelled()
    embedder, _ = cached(inner)
    for number in range(MAX_QUESTIONS + 1):
        await embedder.embed_question(str(number))
    await embedder.embed_question(str(MAX_QUESTIONS))
    assert len(inner.runs) == MAX_QUESTIONS + 1
    await embedder.embed_question("0")
    assert inner.runs[-1] == ["0"]


async def test_clearing_the_cache_clears_its_questions() -> None:
    inner = Spelled()
    embedder, memory = cached(inner)
    await embedder.embed_question("why?")
    memory.clear()
    await embedder.embed_question("why?")
    assert len(inner.runs) == 2


async def test_a_failure_is_not_cached() -> None:
    inner = Spelled()
    embedder, _ = cached(inner)
    inner.fails = Unavailable("away")
    with pytest.raises(Unavailable):
        await embedder.embed_question("why?")
    inner.fails = None
    assert (await embedder.embed_question("why?")).pieces == tuple("why?")


async def test_an_empty_question_has_a_vector_and_no_tokens() -> None:
    embedder, _ = cached(Spelled())
    encoded = await embedder.embed_question("")
    assert encoded.vector.shape == (384,)
    assert encoded.tokens.shape == (0, 384)


async def test_lone_surrogates_are_distinct_questions() -> None:
    inner = Spelled()
    embedder, _ = cached(inner)
    for text in ("a\ud800", "a\udc00", "a?"):
        await embedder.embed_question(text)
    assert len(inner.runs) == 3


async def test_passages_are_not_cached() -> None:
    inner = Spelled()
    embedder, memory = cached(inner)
    for _ in range(2):
        assert [each.pieces for each in await embedder.embed_tokens(["ab", "c"])] == [("a", "b"), ("c",)]
    assert len(inner.runs) == 2
    assert len(memory) == 0


async def test_a_question_whose_vector_alone_is_cached_is_run_again() -> None:
    inner = Spelled()
    embedder, _ = cached(inner)
    await embedder.embed(["why?"])
    await embedder.embed_question("why?")
    assert len(inner.runs) == 2


async def test_packed_passages_are_in_order_and_not_cached() -> None:
    embedder, memory = cached(Spelled())
    packed = await embedder.embed_packed(["ab", "", "c"])
    assert [len(late_interaction.unpack(each.late)) for each in packed] == [1, 0, 1]
    assert np.array_equal(packed[2].vector, _vector("c"))
    assert len(memory) == 0


async def test_a_question_shares_no_run_with_passages_and_does_not_wait_for_their_end() -> None:
    inner = Spelled()
    inner.passages.clear()
    embedder, _ = cached(inner)
    passages = asyncio.create_task(embedder.embed_packed(["ab", "c"]))
    await asyncio.sleep(0)
    assert (await embedder.embed_question("why?")).pieces == tuple("why?")
    assert not passages.done()
    inner.passages.set()
    assert len(await passages) == 2


async def test_cancelling_a_request_for_passages_cancels_it_through_every_wrapper() -> None:
    inner = Spelled()
    inner.passages.clear()
    embedder, _ = cached(inner)
    passages = asyncio.create_task(embedder.embed_packed(["ab"]))
    await asyncio.sleep(0)
    passages.cancel()
    with pytest.raises(asyncio.CancelledError):
        await passages
    assert inner.cancelled == 1


async def test_token_vectors_without_a_model_are_unavailable() -> None:
    async def load() -> Spelled:
        return Spelled()

    late = LazyEmbedder(load, model="spelled")
    with pytest.raises(Unavailable, match="No text can be embedded"):
        await late.embed_tokens(["why?"])
    with pytest.raises(Unavailable, match="No text can be embedded"):
        await late.embed_packed(["why?"])
    await late.load()
    assert len(await late.embed_packed(["why?"])) == 1
    assert (await late.embed_tokens(["why?"]))[0].pieces == tuple("why?")


async def test_an_error_of_the_runtime_becomes_unavailable() -> None:
    inner = Spelled()
    inner.fails = RuntimeError("oneDNN")

    async def load() -> Spelled:
        return inner

    late = LazyEmbedder(load, model="spelled")
    await late.load()
    with pytest.raises(Unavailable, match="The embedding model failed"):
        await late.embed_tokens(["why?"])
    with pytest.raises(Unavailable, match="The embedding model failed"):
        await late.embed_packed(["why?"])

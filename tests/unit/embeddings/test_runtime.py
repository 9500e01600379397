"""Who gets all threads of the processor, and who has to wait for whom."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Barrier, Event, Lock
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray

from app.embeddings import late_interaction
from app.embeddings.runtime import MAX_UNSORTED_TEXTS, RuntimeEmbedder
from app.embeddings.tokenizer import ROUNDED_TO, Tokenizer
from app.errors import Unavailable
from tests.waiting import patience


@dataclass(frozen=True, slots=True)
class Ids:
    ids: list[int]


class Words:
    """A token a word, of as many letters."""

    def encode(self, texts: Sequence[str]) -> list[Ids]:
        return [Ids([len(word) for word in text.split()]) for text in texts]


class Model:
    """Vectors are a text's first token. Holds each run back until `go` is set; records its shape."""

    def __init__(self) -> None:
        self.runs: list[tuple[int, ...]] = []
        self.begun, self.go = Event(), Event()
        self.go.set()

    def __call__(self, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> NDArray[np.float32]:
        self.runs.append(ids.shape)
        self.begun.set()
        assert self.go.wait(60)
        return np.repeat(ids[:, :1].astype(np.float32), 384, axis=1)


def embedder_of(model: Model, padded_tokens: int = 80) -> RuntimeEmbedder:
    return RuntimeEmbedder(cast("Tokenizer", Words()), model, tokens_of, padded_tokens=padded_tokens, timeout_seconds=60)


async def test_a_question_waits_for_only_one_batch_of_a_large_request() -> None:
    model = Model()
    embedder = embedder_of(model)
    model.go.clear()
    long = asyncio.create_task(embedder.embed(["word " * 8] * (MAX_UNSORTED_TEXTS + 60)))
    await asyncio.to_thread(model.begun.wait, 60)
    question = asyncio.create_task(embedder.embed(["why"]))
    await asyncio.sleep(0)
    model.go.set()
    assert (await question)[0, 0] == 3
    ended = len(model.runs)
    assert (await long).shape == (MAX_UNSORTED_TEXTS + 60, 384)
    assert model.runs[1] == (1, 8)
    assert ended < len(model.runs)


async def test_a_large_requests_vectors_are_in_the_order_of_its_texts() -> None:
    texts = [" ".join(["x" * (1 + number % 7)] * (1 + number % 5)) for number in range(MAX_UNSORTED_TEXTS + 40)]
    found = await embedder_of(Model()).embed(texts)
    assert found[:, 0].tolist() == [1 + number % 7 for number in range(len(texts))]


async def test_a_cancelled_request_ends_after_the_batch_that_runs() -> None:
    model = Model()
    embedder = embedder_of(model)
    model.go.clear()
    long = asyncio.create_task(embedder.embed(["word " * 8] * (MAX_UNSORTED_TEXTS + 60)))
    await asyncio.to_thread(model.begun.wait, 60)
    long.cancel()
    await asyncio.sleep(0)
    model.go.set()
    with pytest.raises(asyncio.CancelledError):
        await long
    assert (await embedder.embed(["why"]))[0, 0] == 3
    assert len(model.runs) == 2


@dataclass(frozen=True, slots=True)
class Marked:
    """An encoding as the real tokenizer makes it: a mark before and after the words."""

    ids: list[int]
    tokens: list[str]
    offsets: list[tuple[int, int]]


class MarkedWords:
    def encode(self, texts: Sequence[str]) -> list[Marked]:
        return [
            Marked([101, *(len(word) for word in text.split()), 102], ["[CLS]", *text.split(), "[SEP]"], [(0, 0)] * (len(text.split()) + 2))
            for text in texts
        ]


def tokens_of(ids: NDArray[np.int64], mask: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A text's vector is its second token; a token's is itself, and 0 beside it."""
    del mask
    states = np.zeros((*ids.shape, 384), dtype=np.float32)
    states[:, :, 0] = ids
    return states[:, 1], states


class TokenModel(Model):
    """The same watched runs, with token vectors."""

    def tokens(self, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        self(ids, mask)
        return tokens_of(ids, mask)


def token_embedder_of(model: TokenModel, padded_tokens: int = 80, timeout_seconds: float = 60, at_once: int = 1) -> RuntimeEmbedder:
    return RuntimeEmbedder(
        cast("Tokenizer", MarkedWords()),
        model,
        model.tokens,
        padded_tokens=padded_tokens,
        timeout_seconds=timeout_seconds,
        at_once=at_once,
    )


async def test_token_vectors_are_in_order_with_the_pooled_one_and_without_markers() -> None:
    long, short = await token_embedder_of(TokenModel(), padded_tokens=8).embed_tokens(["one two three four", "seven"])
    assert (long.pieces, short.pieces) == (("one", "two", "three", "four"), ("seven",))
    assert (long.vector[0], short.vector[0]) == (3, 5)
    assert long.tokens.shape == (4, 384)
    assert np.linalg.norm(short.tokens, axis=1).tolist() == [1.0]


async def test_token_vectors_of_many_texts_keep_their_order_and_fill_their_batches() -> None:
    model = TokenModel()
    texts = [" ".join(["x" * (1 + number % 7)] * (1 + number % 61)) for number in range(10_000)]
    encoded = await token_embedder_of(model, padded_tokens=512).embed_tokens(texts)
    assert [each.vector[0] for each in encoded] == [1 + number % 7 for number in range(len(texts))]
    assert [len(each.tokens) for each in encoded] == [1 + number % 61 for number in range(len(texts))]
    padding = sum(rows * columns for rows, columns in model.runs) / sum(len(each.tokens) + 2 for each in encoded)
    assert padding < 1.3
    assert all(rows * (columns - ROUNDED_TO) < 512 for rows, columns in model.runs)


async def test_no_passages_are_no_token_vectors() -> None:
    assert await token_embedder_of(TokenModel()).embed_tokens([]) == []


async def test_a_question_waits_for_only_one_batch_of_passages() -> None:
    model = TokenModel()
    embedder = token_embedder_of(model)
    model.go.clear()
    passages = asyncio.create_task(embedder.embed_tokens(["word " * 60] * 8))
    await asyncio.to_thread(model.begun.wait, 60)
    question = asyncio.create_task(embedder.embed_tokens(["why"]))
    await asyncio.sleep(0)
    model.go.set()
    assert (await question)[0].pieces == ("why",)
    assert len(await passages) == 8
    assert model.runs[1] == (1, 8)
    assert len(model.runs) == 9


async def test_a_cancelled_request_for_passages_ends_after_the_batch_that_runs() -> None:
    model = TokenModel()
    embedder = token_embedder_of(model)
    model.go.clear()
    passages = asyncio.create_task(embedder.embed_tokens(["word " * 60] * 8))
    await asyncio.to_thread(model.begun.wait, 60)
    passages.cancel()
    await asyncio.sleep(0)
    model.go.set()
    with pytest.raises(asyncio.CancelledError):
        await passages
    assert (await embedder.embed_tokens(["why"]))[0].pieces == ("why",)
    assert len(model.runs) == 2


async def test_passages_that_time_out_do_not_fail_the_next_ones() -> None:
    model = TokenModel()
    embedder = token_embedder_of(model, timeout_seconds=0.05)
    model.go.clear()
    with pytest.raises(Unavailable, match=r"took longer than 0\.05 s"):
        await embedder.embed_tokens(["word " * 60] * 8)
    model.go.set()
    embedder._timeout = 60
    assert (await embedder.embed_tokens(["why"]))[0].pieces == ("why",)


async def test_a_texts_arrays_are_copies_that_do_not_keep_its_batch_in_memory() -> None:
    first, _ = await token_embedder_of(TokenModel()).embed_tokens(["one two", "three"])
    assert first.vector.base is None
    assert first.tokens.base is None


async def test_packed_passages_equal_packed_token_vectors_in_order() -> None:
    texts = ["word " * (1 + number % 7) + str(number) for number in range(90)]
    embedder = token_embedder_of(TokenModel(), padded_tokens=16)
    packed, encoded = await embedder.embed_packed(texts), await embedder.embed_tokens(texts)
    assert [each.late for each in packed] == [late_interaction.pack(each.pieces, each.tokens) for each in encoded]
    assert all(np.array_equal(one.vector, other.vector) for one, other in zip(packed, encoded, strict=True))
    assert await embedder.embed_packed([]) == []


async def test_only_one_batch_of_token_vectors_is_in_memory_at_a_time() -> None:
    alive: set[int] = set()
    most = 0

    class Counted(TokenModel):
        def tokens(self, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
            nonlocal most
            vectors, states = super().tokens(ids, mask)
            weakref.finalize(states, alive.discard, len(self.runs))
            alive.add(len(self.runs))
            most = max(most, len(alive))
            return vectors, states

    model = Counted()
    packed = await token_embedder_of(model, padded_tokens=512).embed_packed(["word " * (1 + number % 20) for number in range(10_000)])
    assert len(packed) == 10_000
    assert len(model.runs) > 100
    assert most <= 2


@pytest.mark.parametrize("at_once", [1, 2])
async def test_a_cancelled_request_for_packed_passages_ends_after_the_batches_that_run(at_once: int) -> None:
    model = TokenModel()
    embedder = token_embedder_of(model, at_once=at_once)
    model.go.clear()
    passages = asyncio.create_task(embedder.embed_packed(["word " * 60] * 8))
    await asyncio.to_thread(model.begun.wait, 60)
    passages.cancel()
    await asyncio.sleep(0)
    model.go.set()
    with pytest.raises(asyncio.CancelledError):
        await passages
    assert len(await embedder.embed_packed(["why"])) == 1
    assert len(model.runs) <= at_once + 1


class Crowded(TokenModel):
    """Counts how many runs there are at once; none ends before `most` of them have begun, or all that are left."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._met = Barrier(most)
        self._lock, self.now, self.most = Lock(), 0, 0

    def tokens(self, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        self._met.wait(60)
        made = super().tokens(ids, mask)
        with self._lock:
            self.now -= 1
        return made


@pytest.mark.parametrize("at_once", [1, 3])
async def test_a_requests_batches_run_concurrently_and_return_in_order(at_once: int) -> None:
    model = Crowded(at_once)
    texts = [" ".join(["x" * (1 + number % 7)] * 60) for number in range(12)]
    packed = await token_embedder_of(model, at_once=at_once).embed_packed(texts)
    assert [each.vector[0] for each in packed] == [1 + number % 7 for number in range(12)]
    assert model.most == at_once


async def test_a_failed_run_fails_its_request_and_releases_its_turn() -> None:
    class Failing(TokenModel):
        def tokens(self, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
            if (ids[:, 1] == 9).any():
                raise RuntimeError("out of memory")
            return super().tokens(ids, mask)

    embedder = token_embedder_of(Failing(), at_once=2)
    with pytest.raises(RuntimeError, match="out of memory"):
        await embedder.embed_packed([" ".join(["x" * (1 + number)] * 60) for number in range(12)])
    async with patience():
        assert len(await embedder.embed_packed(["why", "when " * 60, "who " * 60])) == 3

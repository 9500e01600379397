"""The innermost embedder: tokenizes texts, forms batches and runs them in threads. Knows no runtime (`cpu.py`, `cuda.py` do)."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from time import perf_counter
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding

from app.embeddings.embedder import DIMENSIONS, Encoded, Floats, Packed
from app.embeddings.late_interaction import pack
from app.embeddings.lazy import CODE
from app.embeddings.model import NAME
from app.embeddings.tokenizer import CHARS_PER_TOKEN, Tokenizer, batches, padded, read_chars
from app.errors import Unavailable
from app.telemetry import metrics

Ints = NDArray[np.int64]
Run = Callable[[Ints, Ints], Floats]
"""Maps ids, mask (batch × tokens) to pooled vectors (batch × 384)."""
RunTokens = Callable[[Ints, Ints], tuple[Floats, Floats]]
"""Like Run, and returns the token vectors before the mean (batch × tokens × 384) too."""
MAX_UNSORTED_TEXTS = 32
"""Texts of a request that is tokenized and run in one turn."""
SORTED_TEXTS = 256
"""Texts of a larger request that are sorted by length together."""
SORTED_PASSAGES = 512
"""Like SORTED_TEXTS, for passages, whose lengths vary more: with 32, 64, 256, 512 sorted together, padding takes
40, 27, 10, 7 % more tokens.
"""
MAX_PADDED_WITH_TOKENS = 16_384
"""Padded tokens of a run that returns token vectors: 25 MB. Only a GPU's batches are larger."""
T = TypeVar("T")


class RuntimeEmbedder:
    """An embedder that runs the model on every text. `sorted_texts`: texts that are sorted by length together. `at_once`: concurrent runs.

    A run is one batch of at most `padded_tokens`. Between two batches of a large request, other requests get their turn.
    """

    model = NAME

    def __init__(
        self,
        tokenizer: Tokenizer,
        run: Run,
        run_tokens: RunTokens,
        *,
        padded_tokens: int,
        timeout_seconds: float,
        sorted_texts: int = SORTED_TEXTS,
        at_once: int = 1,
    ) -> None:
        self._tokenizer = tokenizer
        self._run = run
        self._run_tokens = run_tokens
        self._padded_tokens = padded_tokens
        self._padded_with_tokens = min(padded_tokens, MAX_PADDED_WITH_TOKENS)
        self._timeout = timeout_seconds
        self._sorted_texts = sorted_texts
        self._at_once = at_once
        self._turn = asyncio.Semaphore(at_once)

    async def embed(self, texts: Sequence[str]) -> Floats:
        """Return (n, DIMENSIONS), unit length, in the texts' order. Raises Unavailable if a run, with its wait for a turn, times out."""
        if self._is_one_run(texts):
            return await self._timed(lambda: self.embed_blocking(texts), len(texts))
        vectors = np.empty((len(texts), DIMENSIONS), dtype=np.float32)
        batches = self._batch_after_batch(texts, lambda taken: self._run(*padded(taken)), self._sorted_texts, self._padded_tokens)
        async for places, made in batches:
            vectors[places] = made
        return vectors

    def embed_blocking(self, texts: Sequence[str]) -> Floats:
        """Like `embed`, in the calling thread, without a turn or timeout: for a process that does nothing else."""
        return self._embed(list(texts))

    async def embed_tokens(self, texts: Sequence[str]) -> list[Encoded]:
        """Return texts' vectors and token vectors, from the same runs, in the order of the texts. Raises Unavailable as `embed`."""
        if self._is_one_run(texts):
            return await self._timed(lambda: self.embed_tokens_blocking(texts), len(texts))
        return await self._with_tokens(texts, _encoded)

    async def embed_packed(self, texts: Sequence[str]) -> list[Packed]:
        """Like `embed_tokens`, with token vectors packed in each run's thread. Raises Unavailable as `embed`."""
        return await self._with_tokens(texts, _packed)

    def embed_tokens_blocking(self, texts: Sequence[str]) -> list[Encoded]:
        """Like `embed_tokens`, in the calling thread, without a turn or timeout."""
        encodings = self._tokenizer.encode(list(texts))
        made: dict[int, Encoded] = {}
        for places in _batches(encodings, self._padded_with_tokens):
            made.update(zip(places, self._run_with_tokens([encodings[place] for place in places], _encoded), strict=True))
        return [made[place] for place in range(len(texts))]

    async def _with_tokens(self, texts: Sequence[str], make: Callable[[Encoding, Floats, Floats], T]) -> list[T]:
        made: dict[int, T] = {}
        run = partial(self._run_with_tokens, make=make)
        async for places, batch in self._batch_after_batch(texts, run, max(self._sorted_texts, SORTED_PASSAGES), self._padded_with_tokens):
            made.update(zip(places, batch, strict=True))
        return [made[place] for place in range(len(texts))]

    def _run_with_tokens(self, encodings: Sequence[Encoding], make: Callable[[Encoding, Floats, Floats], T]) -> list[T]:
        """Run a batch; `make` converts each text's encoding, vector and token states."""
        vectors, states = self._run_tokens(*padded(encodings))
        return [make(*each) for each in zip(encodings, vectors, states, strict=True)]

    def _is_one_run(self, texts: Sequence[str]) -> bool:
        """Tell whether a request is small enough to be tokenized and run in one turn, so that the next caller waits for one run only."""
        return len(texts) <= MAX_UNSORTED_TEXTS and (len(texts) <= 1 or read_chars(texts) <= CHARS_PER_TOKEN * self._padded_tokens)

    async def _batch_after_batch(
        self, texts: Sequence[str], run: Callable[[list[Encoding]], T], sorted_texts: int, padded_tokens: int
    ) -> AsyncIterator[tuple[list[int], T]]:
        """Run batches of texts of similar length, each in a turn of its own; yield their places and the result of `run`."""
        under_way: deque[tuple[list[int], asyncio.Task[T]]] = deque()
        try:
            for start in range(0, len(texts), sorted_texts):
                encodings = await asyncio.to_thread(self._tokenizer.encode, texts[start : start + sorted_texts])
                for places in _batches(encodings, padded_tokens):
                    taken = [encodings[place] for place in places]
                    batch = asyncio.create_task(self._timed(partial(run, taken), len(taken)), name="embed a batch")
                    under_way.append(([start + place for place in places], batch))
                    if len(under_way) == self._at_once:
                        yield await _first(under_way)
            while under_way:
                yield await _first(under_way)
        finally:
            for _, batch in under_way:
                batch.cancel()
            if under_way:
                await asyncio.wait([batch for _, batch in under_way])

    async def _timed(self, work: Callable[[], T], texts: int) -> T:
        """Run work in a turn. Raises Unavailable when it takes too long, the wait for its turn included."""
        run = asyncio.create_task(self._in_turn(work, texts), name="embed")
        try:
            async with asyncio.timeout(self._timeout):
                return await asyncio.shield(run)
        except TimeoutError:
            raise Unavailable(f"Embedding took longer than {self._timeout:g} s: try again.", code=CODE) from None
        finally:
            run.cancel()

    async def _in_turn(self, work: Callable[[], T], texts: int) -> T:
        """Run work in a thread, holding the turn until the thread ends, even on cancellation: it still uses the runtime."""
        async with self._turn:
            # The tokenizer and both runtimes release the GIL, so the event loop goes on.
            thread, began = asyncio.ensure_future(asyncio.to_thread(work)), perf_counter()
            try:
                made = await asyncio.shield(thread)
            except asyncio.CancelledError:
                await asyncio.wait([thread])
                raise
            metrics.embedded(texts=texts, seconds=perf_counter() - began)
            return made

    def _embed(self, texts: list[str]) -> Floats:
        encodings = self._tokenizer.encode(texts)
        vectors = np.empty((len(texts), DIMENSIONS), dtype=np.float32)
        for places in _batches(encodings, self._padded_tokens):
            vectors[places] = self._run(*padded([encodings[place] for place in places]))
        return vectors


async def _first(under_way: deque[tuple[list[int], asyncio.Task[T]]]) -> tuple[list[int], T]:
    """Wait for the oldest batch. It stays in the queue until done, so that cancellation ends it too."""
    places, batch = under_way[0]
    made = await asyncio.shield(batch)
    under_way.popleft()
    return places, made


def _batches(encodings: Sequence[Encoding], padded_tokens: int) -> list[list[int]]:
    return batches([len(encoding.ids) for encoding in encodings], padded_tokens=padded_tokens)


def _encoded(encoding: Encoding, vector: Floats, states: Floats) -> Encoded:
    """Return a text's part of a run, copied, without padding and the markers around it."""
    inner = slice(1, len(encoding.ids) - 1)
    lengths = np.maximum(np.linalg.norm(states[inner], axis=1, keepdims=True), 1e-9)
    return Encoded(vector.copy(), tuple(encoding.tokens[inner]), tuple(encoding.offsets[inner]), states[inner] / lengths)


def _packed(encoding: Encoding, vector: Floats, states: Floats) -> Packed:
    encoded = _encoded(encoding, vector, states)
    return Packed(encoded.vector, pack(encoded.pieces, encoded.tokens))

"""Batching wrapper of an embedder: requests that arrive during a run are embedded together in the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from app.embeddings.embedder import DIMENSIONS, Encoded, Floats, Packed, TokenEmbedder
from app.embeddings.tokenizer import read_chars

MAX_TEXTS, MAX_CHARS = 32, 8_192
"""Bounds of a run of small requests: in a larger one the first would wait for the last. Characters: those that the model reads."""
LARGE = 16
"""A request with more texts than this, or more characters than a run holds, is a batch already and runs alone."""


@dataclass(frozen=True, slots=True)
class _Made:
    """One request's vectors. `encoded`: with token vectors; empty if no request of the run asked for them."""

    vectors: Floats
    encoded: list[Encoded]


@dataclass(slots=True, eq=False)
class _Request:
    """A waiting request. `tokens`: it asks for token vectors."""

    texts: Sequence[str]
    tokens: bool
    future: asyncio.Future[_Made] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class CoalescingEmbedder:
    """Batches without a timer: an idle embedder runs a request at once; a busy one collects requests for its next run.

    If a request of a run asks for token vectors, the run makes them for all: that costs the others nothing.
    """

    def __init__(self, inner: TokenEmbedder) -> None:
        self._inner = inner
        self.model = inner.model
        self._waiting: list[_Request] = []
        self._running: asyncio.Task[None] | None = None

    async def embed(self, texts: Sequence[str]) -> Floats:
        return await self._inner.embed(texts) if _is_batch(texts) else (await self._enqueue(texts, tokens=False)).vectors

    async def embed_tokens(self, texts: Sequence[str]) -> list[Encoded]:
        return await self._inner.embed_tokens(texts) if _is_batch(texts) else (await self._enqueue(texts, tokens=True)).encoded

    async def embed_packed(self, texts: Sequence[str]) -> list[Packed]:
        """Embed passages directly: they are batches, and share no run with questions."""
        return await self._inner.embed_packed(texts)

    async def _enqueue(self, texts: Sequence[str], *, tokens: bool) -> _Made:
        request = _Request(texts, tokens)
        self._waiting.append(request)
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._drain(), name="embed")
        return await request.future

    async def _drain(self) -> None:
        """Run after run, embed what waits, until nothing does."""
        while self._waiting:
            # Cancelled requests are not embedded.
            live = [each for each in self._waiting if not each.future.done()]
            taken: list[_Request] = []
            count = chars = 0
            while live:
                texts, read = len(live[0].texts), read_chars(live[0].texts)
                if taken and (count + texts > MAX_TEXTS or chars + read > MAX_CHARS):
                    break
                taken.append(live.pop(0))
                count, chars = count + texts, chars + read
            self._waiting = live
            if taken:
                await self._run(taken)

    async def _run(self, taken: list[_Request]) -> None:
        try:
            made = await self._embed([text for request in taken for text in request.texts], tokens=any(request.tokens for request in taken))
        except Exception as error:  # noqa: BLE001 - raised to the waiters
            for request in taken:
                if not request.future.done():
                    request.future.set_exception(error)
            return
        start = 0
        for request in taken:
            part = slice(start, start + len(request.texts))
            if not request.future.done():
                request.future.set_result(_Made(made.vectors[part], made.encoded[part]))
            start = part.stop

    async def _embed(self, texts: list[str], *, tokens: bool) -> _Made:
        if not tokens:
            return _Made(await self._inner.embed(texts), [])
        encoded = await self._inner.embed_tokens(texts)
        return _Made(np.stack([each.vector for each in encoded]) if encoded else np.zeros((0, DIMENSIONS), dtype=np.float32), encoded)


def _is_batch(texts: Sequence[str]) -> bool:
    return len(texts) > LARGE or (len(texts) > 1 and read_chars(texts) > MAX_CHARS)

"""An embedder around an embedder: what is asked while a run is under way goes together in the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from app.embeddings.embedder import Embedder
from app.embeddings.tokens import MOST_TOKENS

MOST_TEXTS, MAX_CHARS = 32, 8_192
"""Of single requests in one run: more would make the first wait for the last. Characters: of those that the model reads."""
LARGE = 16
"""A request with more texts than this is a batch of its own already."""


_Waiting: TypeAlias = tuple[Sequence[str], asyncio.Future[NDArray[np.float32]]]


class CoalescingEmbedder:
    """No timer: an idle embedder runs at once what it is asked; a busy one gathers what comes meanwhile."""

    def __init__(self, inner: Embedder) -> None:
        self._inner = inner
        self.model = inner.model
        self._waiting: list[_Waiting] = []
        self._running: asyncio.Task[None] | None = None

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if len(texts) > LARGE:
            return await self._inner.embed(texts)
        future: asyncio.Future[NDArray[np.float32]] = asyncio.get_running_loop().create_future()
        self._waiting.append((texts, future))
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._drain(), name="embed")
        return await future

    async def _drain(self) -> None:
        while self._waiting:
            # One that left while it waited is not embedded.
            live = [each for each in self._waiting if not each[1].done()]
            taken: list[_Waiting] = []
            count = chars = 0
            while live and (not taken or (count + len(live[0][0]) <= MOST_TEXTS and chars + _read(live[0][0]) <= MAX_CHARS)):
                taken.append(live.pop(0))
                count += len(taken[-1][0])
                chars += _read(taken[-1][0])
            self._waiting = live
            if taken:
                await self._run(taken)

    async def _run(self, taken: list[_Waiting]) -> None:
        try:
            vectors = await self._inner.embed([text for texts, _ in taken for text in texts])
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to those who wait
            for _, future in taken:
                if not future.done():
                    future.set_exception(error)
            return
        start = 0
        for texts, future in taken:
            if not future.done():
                future.set_result(vectors[start : start + len(texts)])
            start += len(texts)


def _read(texts: Sequence[str]) -> int:
    """Characters that the model reads, about four a token."""
    return sum(min(len(text), 4 * MOST_TOKENS) for text in texts)

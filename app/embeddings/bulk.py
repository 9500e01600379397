"""The bulk lane: batches of many callers through one embedder, a slice of one caller, then one of the next. Knows no process and no HTTP.

Questions don't pass here (`runtime.py`). A slice is as large as takes `slice_seconds`, by what the slices before it took.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from time import perf_counter
from typing import Protocol

import numpy as np

from app.embeddings.embedder import Encoded, Floats, Packed, TokenEmbedder
from app.errors import RateLimited, Unavailable

MAX_READ_CHARS = 1024
"""The model reads 256 tokens: what follows costs nothing."""
TEXT_COST = 32
"""Characters that a text costs whatever its length."""
MAX_SLICE_TEXTS = 256
FIRST_SLICE_COST = 4 * (MAX_READ_CHARS + TEXT_COST)
MAX_RETRY_SECONDS = 60.0
MAX_QUESTION_TEXTS, MAX_QUESTION_CHARS = 4, 1_000
"""A request of no more is as small as a question, and goes with them: one of each caller at a time."""

_caller: ContextVar[Hashable] = ContextVar("bulk caller", default="unnamed")
_until: ContextVar[float | None] = ContextVar("bulk deadline", default=None)
"""By the loop's clock. Only what was admitted has one."""


class SliceEmbedder(Protocol):
    """Embeds one slice at a time. `start` is what the first slice would wait for."""

    model: str

    async def start(self) -> None:
        """Return when it can embed. Unavailable when it can't be started."""

    async def embed(self, texts: Sequence[str]) -> Floats:
        """(n, 384) in the order of the texts. Unavailable when it fails."""


@dataclass(slots=True, eq=False)
class _Request:
    """One request's texts, the shortest first. `done`: how many of them have their vector."""

    texts: Sequence[str]
    future: asyncio.Future[Floats]
    vectors: Floats
    order: list[int] = field(default_factory=list)
    done: int = 0


class BulkLane:
    """First come, first served within a caller; round robin, slice by slice, among callers."""

    def __init__(self, inner: SliceEmbedder, *, slice_seconds: float) -> None:
        self.model = inner.model
        self._inner = inner
        self._slice_seconds = slice_seconds
        self._queues: dict[Hashable, deque[_Request]] = {}
        self._turns: deque[Hashable] = deque()
        self._running: asyncio.Task[None] | None = None
        self.seconds_a_cost = 0.0
        """Measured; 0: not yet."""

    async def embed(self, texts: Sequence[str]) -> Floats:
        """(n, 384) in the order of the texts. Whoever is cancelled has no slice embedded any more but the one under way.

        Unavailable when it takes longer than what was admitted may.
        """
        if not texts:
            return np.zeros((0, 384), dtype=np.float32)
        caller = _caller.get()
        order = sorted(range(len(texts)), key=lambda place: len(texts[place]))  # texts of one length waste no padding
        vectors = np.empty((len(texts), 384), dtype=np.float32)
        request = _Request(texts, asyncio.get_running_loop().create_future(), vectors, order)
        if caller not in self._queues:
            self._queues[caller] = deque()
            self._turns.append(caller)
        self._queues[caller].append(request)
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._drain(), name="bulk embeddings")
        try:
            async with asyncio.timeout_at(_until.get()):
                return await request.future
        except TimeoutError:
            raise Unavailable(
                f"{request.done:,} of {len(texts):,} texts were embedded in time: the machine is busy. Send fewer, or try later.",
                retry_after=MAX_RETRY_SECONDS,
                code="embeddings_busy",
            ) from None
        finally:
            self._drop(caller, request)

    async def close(self) -> None:
        """Stop; whoever waits is told so."""
        if self._running is not None:
            self._running.cancel()
            with suppress(asyncio.CancelledError):
                await self._running
        for request in [each for queue in self._queues.values() for each in queue]:
            if not request.future.done():
                request.future.set_exception(Unavailable("Cairn is stopping: try again.", code="embeddings_unavailable"))

    async def _drain(self) -> None:
        while self._turns:
            caller = self._turns.popleft()
            queue = self._queues[caller]
            while queue and queue[0].future.done():
                queue.popleft()
            if queue:
                await self._run(queue[0])
                self._turns.append(caller)  # behind those who came meanwhile
            else:
                del self._queues[caller]

    async def _run(self, request: _Request) -> None:
        places, cost = self._slice(request)
        try:
            await self._inner.start()
            began = perf_counter()
            request.vectors[places] = await self._inner.embed([request.texts[place] for place in places])
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to whoever waits for this slice
            if not request.future.done():
                request.future.set_exception(error)
            return
        self._measured(cost, perf_counter() - began)
        request.done += len(places)
        if request.done == len(request.order) and not request.future.done():
            request.future.set_result(request.vectors)

    def _slice(self, request: _Request) -> tuple[list[int], int]:
        """Places of the next texts, and what they cost: one at least."""
        most = self._slice_seconds / self.seconds_a_cost if self.seconds_a_cost else FIRST_SLICE_COST
        places: list[int] = []
        total = 0
        for place in request.order[request.done : request.done + MAX_SLICE_TEXTS]:
            cost = cost_of(request.texts[place])
            if places and total + cost > most:
                break
            places.append(place)
            total += cost
        return places, total

    def _measured(self, cost: int, seconds: float) -> None:
        each = seconds / cost
        self.seconds_a_cost = each if not self.seconds_a_cost else 0.8 * self.seconds_a_cost + 0.2 * each

    def _drop(self, caller: Hashable, request: _Request) -> None:
        """At its end, whichever: nothing of it waits any more."""
        with suppress(KeyError, ValueError):
            self._queues[caller].remove(request)


class Admission:
    """How much may wait in the lane: of one caller by number and by time, of all by number. Counted from admission to the answer."""

    def __init__(self, lane: BulkLane, *, max_texts_a_caller: int, max_texts: int, max_wait_seconds: float) -> None:
        self._lane = lane
        self._max_texts_a_caller = max_texts_a_caller
        self._max_texts = max_texts
        self._max_wait_seconds = max_wait_seconds
        self._waiting: dict[Hashable, _Load] = {}

    @contextmanager
    def admitted(self, caller: Hashable, texts: Sequence[str]) -> Iterator[None]:
        """Count a request while it lasts, and name its caller to the lane. RateLimited: it has too much waiting; Unavailable: all do.

        A caller with nothing under way is never refused for what it alone asks.
        """
        asked = _Load(len(texts), sum(map(cost_of, texts)))
        self._check(caller, asked)
        load = self._waiting.setdefault(caller, _Load())
        load.texts, load.cost, load.requests = load.texts + asked.texts, load.cost + asked.cost, load.requests + 1
        named = _caller.set(caller)
        until = _until.set(asyncio.get_running_loop().time() + self._max_wait_seconds)
        try:
            yield
        finally:
            _until.reset(until)
            _caller.reset(named)
            load.texts, load.cost, load.requests = load.texts - asked.texts, load.cost - asked.cost, load.requests - 1
            if not load.requests:
                del self._waiting[caller]

    def _check(self, caller: Hashable, asked: _Load) -> None:
        total = sum(each.texts for each in self._waiting.values())
        if total and total + asked.texts > self._max_texts:
            busiest = max(each.cost for each in self._waiting.values())
            raise Unavailable(
                f"{total:,} texts of all callers wait to be embedded, and no more than {self._max_texts:,} may: try again later.",
                retry_after=self._retry_after(busiest),
                code="embeddings_busy",
            )
        own = self._waiting.get(caller)
        if own is None:
            return
        seconds = self._seconds(own.cost + asked.cost)
        if own.texts + asked.texts > self._max_texts_a_caller or seconds > self._max_wait_seconds:
            raise RateLimited(
                f"{own.texts:,} texts of yours wait to be embedded, and {asked.texts:,} more would make too many"
                f" (embeddings.bulk_texts_a_caller, bulk_wait_seconds). Wait for the first ones, or send fewer at once.",
                retry_after=self._retry_after(own.cost),
            )

    def _seconds(self, cost: int) -> float:
        """Until so much of one caller is embedded, beside those who wait now."""
        return cost * self._lane.seconds_a_cost * max(1, len(self._waiting))

    def _retry_after(self, cost: int) -> float:
        return min(MAX_RETRY_SECONDS, max(1.0, self._seconds(cost) / 2))


@dataclass(slots=True)
class _Load:
    texts: int = 0
    cost: int = 0
    requests: int = 0


class TwoLanes:
    """An embedder around two: what is as small as a question goes with them, one request of a caller at a time; the rest is bulk."""

    def __init__(self, questions: TokenEmbedder, bulk: BulkLane) -> None:
        self.model = bulk.model
        self._questions = questions
        self._bulk = bulk
        self._asking: set[Hashable] = set()

    async def embed(self, texts: Sequence[str]) -> Floats:
        caller = _caller.get()
        if caller in self._asking or len(texts) > MAX_QUESTION_TEXTS or sum(map(len, texts)) > MAX_QUESTION_CHARS:
            return await self._bulk.embed(texts)
        self._asking.add(caller)
        try:
            return await self._questions.embed(texts)
        finally:
            self._asking.discard(caller)

    async def embed_tokens(self, texts: Sequence[str]) -> list[Encoded]:
        """By the questions' embedder: only searches ask a server for token vectors, and batches of other callers have none."""
        return await self._questions.embed_tokens(texts)

    async def embed_packed(self, texts: Sequence[str]) -> list[Packed]:
        """By the questions' embedder, as `embed_tokens`."""
        return await self._questions.embed_packed(texts)


def cost_of(text: str) -> int:
    """What a text costs, in characters that are read."""
    return min(len(text), MAX_READ_CHARS) + TEXT_COST

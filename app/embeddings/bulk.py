"""The bulk lane: many callers' batches share one embedder, in time slices, round robin among callers. Knows no process and no HTTP.

Searches' questions don't wait here: they have an embedder of their own. A slice is sized to take about `slice_seconds`, by the measured
speed of earlier slices.
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

from app.embeddings.embedder import DIMENSIONS, Encoded, Floats, Packed, TokenEmbedder
from app.errors import RateLimited, Unavailable

MAX_READ_CHARS = 1024
"""The model reads 256 tokens, so further characters cost nothing."""
TEXT_COST = 32
"""Fixed cost of a text, in characters."""
MAX_SLICE_TEXTS = 256
FIRST_SLICE_COST = 4 * (MAX_READ_CHARS + TEXT_COST)
MAX_RETRY_SECONDS = 60.0
"""Upper bound of the `retry_after` that a refused caller is told."""
MAX_QUESTION_TEXTS, MAX_QUESTION_CHARS = 4, 1_000
"""Size up to which a request is embedded along with the questions, one per caller at a time."""

_caller: ContextVar[Hashable] = ContextVar("bulk caller", default="unnamed")
_until: ContextVar[float | None] = ContextVar("bulk deadline", default=None)
"""Deadline by the event loop's clock; set only for admitted requests."""


class SliceEmbedder(Protocol):
    """Embeds one slice at a time. `start` is separate, since the first slice would wait for it."""

    model: str

    async def start(self) -> None:
        """Return when ready. Raises Unavailable if it can't be started."""

    async def embed(self, texts: Sequence[str]) -> Floats:
        """Return (n, DIMENSIONS) float32, in the order of the texts. Raises Unavailable."""


@dataclass(slots=True, eq=False)
class _Request:
    """One request's texts, shortest first. `done`: how many have their vector."""

    texts: Sequence[str]
    future: asyncio.Future[Floats]
    vectors: Floats
    order: list[int] = field(default_factory=list)
    done: int = 0


class BulkLane:
    """A fair queue: round robin among callers, slice by slice; first come, first served within a caller."""

    def __init__(self, inner: SliceEmbedder, *, slice_seconds: float) -> None:
        self.model = inner.model
        self._inner = inner
        self._slice_seconds = slice_seconds
        self._queues: dict[Hashable, deque[_Request]] = {}
        self._turns: deque[Hashable] = deque()
        self._running: asyncio.Task[None] | None = None
        self.seconds_per_cost = 0.0
        """Measured seconds per unit of cost; 0 before the first slice."""

    async def embed(self, texts: Sequence[str]) -> Floats:
        """Return (n, DIMENSIONS) float32, in the order of the texts. On cancellation only the slice in progress is finished.

        Raises Unavailable if the admitted deadline passes first.
        """
        if not texts:
            return np.zeros((0, DIMENSIONS), dtype=np.float32)
        caller = _caller.get()
        order = sorted(range(len(texts)), key=lambda place: len(texts[place]))  # equal lengths need no padding
        vectors = np.empty((len(texts), DIMENSIONS), dtype=np.float32)
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
                f"Only {request.done:,} of {len(texts):,} texts were embedded in time: the machine is busy. Send fewer, or"
                f" try again later.",
                retry_after=MAX_RETRY_SECONDS,
                code="embeddings_busy",
            ) from None
        finally:
            self._drop(caller, request)

    async def close(self) -> None:
        """Stop; waiting requests raise Unavailable."""
        if self._running is not None:
            self._running.cancel()
            with suppress(asyncio.CancelledError):
                await self._running
        for request in [each for queue in self._queues.values() for each in queue]:
            if not request.future.done():
                request.future.set_exception(Unavailable("The server is stopping: try again.", code="embeddings_unavailable"))

    async def _drain(self) -> None:
        """Embed slice after slice until no request waits."""
        while self._turns:
            caller = self._turns.popleft()
            queue = self._queues[caller]
            while queue and queue[0].future.done():
                queue.popleft()
            if queue:
                await self._run(queue[0])
                self._turns.append(caller)  # to the end of the queue
            else:
                del self._queues[caller]

    async def _run(self, request: _Request) -> None:
        """Embed a request's next slice."""
        places, cost = self._slice(request)
        try:
            await self._inner.start()
            began = perf_counter()
            request.vectors[places] = await self._inner.embed([request.texts[place] for place in places])
        except Exception as error:  # noqa: BLE001 - raised to the request's waiter
            if not request.future.done():
                request.future.set_exception(error)
            return
        self._update_speed(cost, perf_counter() - began)
        request.done += len(places)
        if request.done == len(request.order) and not request.future.done():
            request.future.set_result(request.vectors)

    def _slice(self, request: _Request) -> tuple[list[int], int]:
        """Return the places of the next texts to embed (at least one) and their total cost."""
        budget = self._slice_seconds / self.seconds_per_cost if self.seconds_per_cost else FIRST_SLICE_COST
        places: list[int] = []
        total = 0
        for place in request.order[request.done : request.done + MAX_SLICE_TEXTS]:
            cost = cost_of(request.texts[place])
            if places and total + cost > budget:
                break
            places.append(place)
            total += cost
        return places, total

    def _update_speed(self, cost: int, seconds: float) -> None:
        each = seconds / cost
        self.seconds_per_cost = each if not self.seconds_per_cost else 0.8 * self.seconds_per_cost + 0.2 * each

    def _drop(self, caller: Hashable, request: _Request) -> None:
        """Remove a request from its queue, if it is still there."""
        with suppress(KeyError, ValueError):
            self._queues[caller].remove(request)


class BulkAdmission:
    """Admission control of the bulk lane: bounds waiting texts per caller (number and time) and in total, from admission to answer."""

    def __init__(self, lane: BulkLane, *, max_texts_a_caller: int, max_texts: int, max_wait_seconds: float) -> None:
        self._lane = lane
        self._max_texts_a_caller = max_texts_a_caller
        self._max_texts = max_texts
        self._max_wait_seconds = max_wait_seconds
        self._waiting: dict[Hashable, _Load] = {}

    @contextmanager
    def admitted(self, caller: Hashable, texts: Sequence[str]) -> Iterator[None]:
        """Admit a request for its duration. Raises RateLimited if its caller has too much waiting, Unavailable if all together have.

        A caller with nothing waiting is never rejected for the size of its own request.
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
                f"{total:,} texts of all callers wait to be embedded; the limit is {self._max_texts:,} (embeddings.bulk_texts)."
                f" Try again later.",
                retry_after=self._retry_after(busiest),
                code="embeddings_busy",
            )
        own = self._waiting.get(caller)
        if own is None:
            return
        seconds = self._seconds(own.cost + asked.cost)
        if own.texts + asked.texts > self._max_texts_a_caller or seconds > self._max_wait_seconds:
            raise RateLimited(
                f"{own.texts:,} of your texts wait to be embedded; {asked.texts:,} more would exceed the limit"
                f" (embeddings.bulk_texts_a_caller, bulk_wait_seconds). Wait for the first ones, or send fewer at once.",
                retry_after=self._retry_after(own.cost),
            )

    def _seconds(self, cost: int) -> float:
        """Estimate the seconds until a caller's texts are embedded, given the number of callers now waiting."""
        return cost * self._lane.seconds_per_cost * max(1, len(self._waiting))

    def _retry_after(self, cost: int) -> float:
        return min(MAX_RETRY_SECONDS, max(1.0, self._seconds(cost) / 2))


@dataclass(slots=True)
class _Load:
    """Waiting work: texts, their cost and the number of requests."""

    texts: int = 0
    cost: int = 0
    requests: int = 0


class TwoLanes:
    """An embedder that routes small requests to the questions' embedder, one per caller at a time, and others to the bulk lane."""

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
        """Embed with token vectors, on the questions' embedder: only searches need them in a server."""
        return await self._questions.embed_tokens(texts)

    async def embed_packed(self, texts: Sequence[str]) -> list[Packed]:
        """Embed with packed token vectors, on the questions' embedder."""
        return await self._questions.embed_packed(texts)


def cost_of(text: str) -> int:
    """Return a text's cost, in characters that the model reads."""
    return min(len(text), MAX_READ_CHARS) + TEXT_COST

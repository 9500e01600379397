"""Caching wrapper of the engine: exact and semantic cache, and single flight for equal prompts that are asked at the same time.

Correctness before speed: keeps only whole, successful answers without a secret, per team; creative ones (temperature, several choices)
only if the caller asks for it; a coding agent's only where they are deterministic, and a turn with tools only for its own session.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from time import perf_counter

from app.budget.requests import RequestOutcome
from app.cache.tiers import TieredCache
from app.inference import cached_answer as answers
from app.inference.allowed_models import AllowedModels
from app.inference.cacheability import CachePlan, bypass_of, keepable, plan
from app.inference.cached_answer import CachedAnswer
from app.inference.catalog import Catalog
from app.inference.chat_engine import ChunkStream
from app.inference.fanout import ReaderPosition
from app.inference.in_flight import FoundAnswer, InFlightRequest, StreamReading, shared
from app.inference.logged import LoggedEngine, RequestRecorder
from app.inference.outcomes import outcome_of
from app.inference.replay import Replay
from app.inference.request import CallContext, ChatRequest, CompletionAnswer, EmbeddingRequest, Receipt, Vectors
from app.inference.semantic import Semantic
from app.inference.stream import BrokenStream, Stream
from app.settings import CompletionsCacheSettings
from app.telemetry import measures

MAX_FOLLOWED = 2
"""Number of other requests' in-flight answers to wait for in vain; then ask alone, or fail if their streams broke."""


@dataclass(slots=True)
class _Asked:
    """One request on its way through the cache."""

    request: ChatRequest
    asker: CallContext
    plan: CachePlan
    began: float
    followed: int = 0


class CachedEngine:
    """The engine's operations, answered from the cache where the rules allow it."""

    def __init__(
        self,
        engine: LoggedEngine,
        recorder: RequestRecorder,
        catalog: Catalog,
        tiers: TieredCache,
        options: CompletionsCacheSettings,
        *,
        by_meaning: Semantic | None = None,
    ) -> None:
        self._engine = engine
        self._recorder = recorder
        self._catalog = catalog
        self._tiers = tiers
        self._options = options
        self._in_flight: dict[bytes, InFlightRequest] = {}
        self._work: set[asyncio.Task[None]] = set()
        self.by_meaning = by_meaning

    async def complete(self, request: ChatRequest, asker: CallContext) -> CompletionAnswer:
        """Answer from the cache if allowed, else as `InferenceEngine.complete`, with the same errors."""
        if (bypass := bypass_of(request, asker, self._options)) is not None:
            answer = await self._engine.complete(request, asker)
            answer.receipt.bypass = bypass
            return answer
        asked = self._plan(request, asker)
        while asked.followed < MAX_FOLLOWED:
            if (found := await self._exact_hit(asked)) is not None:
                return CompletionAnswer(found.stored.body, self._hit(asked, found))
            if (flight := self._join(asked)) is None:
                return await self._lead(asked)
            if not await self._can_pay(asked, flight):
                await self._wait_for_end(asked, flight)
                continue
            if (found := await self._follow(asked, flight)) is not None:
                return CompletionAnswer(found.stored.body, self._hit(asked, found, waited=True))
        return await self._engine.complete(request, asker)

    async def open_stream(self, request: ChatRequest, asker: CallContext, *, usage_asked: bool = False) -> ChunkStream:
        """Like `complete`, streamed: replays a cached answer, or joins an in-flight stream from its beginning."""
        if (bypass := bypass_of(request, asker, self._options)) is not None:
            stream = await self._engine.open_stream(request, asker, usage_asked=usage_asked)
            stream.receipt.bypass = bypass
            return stream
        asked = self._plan(request, asker)
        while asked.followed < MAX_FOLLOWED:
            if (found := await self._exact_hit(asked)) is not None:
                return Replay(found.stored, self._hit(asked, found), usage_asked=usage_asked)
            if (flight := self._join(asked)) is None:
                return await self._lead_stream(asked, usage_asked=usage_asked)
            if not await self._can_pay(asked, flight):
                await self._wait_for_end(asked, flight)
                continue
            if (reading := await self._read_along(asked, flight, usage_asked=usage_asked)) is not None:
                return reading
        return await self._engine.open_stream(request, asker, usage_asked=usage_asked)

    async def embed(self, request: EmbeddingRequest, asker: CallContext) -> Vectors:
        return await self._engine.embed(request, asker)

    async def covers(self, request: ChatRequest, asker: CallContext) -> bool:
        return await self._engine.covers(request, asker)

    async def input_tokens(self, request: ChatRequest, allowed: AllowedModels) -> int:
        return await self._engine.input_tokens(request, allowed)

    async def prepare(self) -> None:
        await self._engine.prepare()

    async def close(self) -> None:
        """Cancel in-flight requests (they are charged for what was produced), then close the engine and the cache."""
        for task in self._work:
            task.cancel()
        if self._work:
            await asyncio.wait(self._work)
        await self._engine.close()
        await self._tiers.close()

    def _plan(self, request: ChatRequest, asker: CallContext) -> _Asked:
        """Plan the use of the cache for a request that may use it."""
        request = self._catalog.resolve(request, asker.models)
        return _Asked(request, asker, plan(request, asker, self._options, by_meaning=self.by_meaning is not None), perf_counter())

    async def _exact_hit(self, asked: _Asked) -> FoundAnswer | None:
        """Look the prompt up in the exact tiers."""
        entry = await self._tiers.get(asked.plan.key) if asked.plan.read else None
        stored = None if entry is None else answers.unpacked(entry.value)
        return None if entry is None or stored is None else FoundAnswer(stored, entry.tier)

    async def _semantic_hit(self, plan: CachePlan) -> FoundAnswer | None:
        """Look up the answer of a prompt with the same meaning; None if there is none."""
        if self.by_meaning is None or plan.question is None or not plan.read:
            return None
        for key, similarity in await self.by_meaning.near(plan.question):
            entry = await self._tiers.get(key)
            if entry is not None and (stored := answers.unpacked(entry.value)) is not None:
                self.by_meaning.used(key)
                return FoundAnswer(stored, "semantic", similarity)
            self.by_meaning.forget(key)
        self.by_meaning.counts.misses += 1
        return None

    def _join(self, asked: _Asked) -> InFlightRequest | None:
        """Join an in-flight request for the same prompt; None if there is none, so that the caller must ask."""
        flight = self._in_flight.get(asked.plan.key) if asked.plan.read else None
        if flight is None or not flight.open:
            return None
        flight.join()
        return flight

    async def _lead(self, asked: _Asked) -> CompletionAnswer:
        flight = self._start(asked, self._ask)
        try:
            found = await asyncio.shield(flight.answer_ready)
        finally:
            await flight.leave()
        if flight.answer is not None:
            return flight.answer
        assert found is not None
        return CompletionAnswer(found.stored.body, self._hit(asked, found))

    async def _lead_stream(self, asked: _Asked, *, usage_asked: bool) -> Replay | StreamReading:
        flight = self._start(asked, self._ask_streamed)
        reading = None
        try:
            stream = await asyncio.shield(flight.opened)
            if stream is not None:
                place = flight.leading
                reading = StreamReading(flight, stream, stream.receipt, place, usage_asked=usage_asked, ended=lambda _, __: None)
                return reading
            found = await asyncio.shield(flight.answer_ready)
        finally:
            if reading is None:
                flight.detach_leader()
                await flight.leave()
        assert found is not None
        return Replay(found.stored, self._hit(asked, found), usage_asked=usage_asked)

    async def _can_pay(self, asked: _Asked, flight: InFlightRequest) -> bool:
        """Tell whether the follower could pay for this answer itself: an exhausted budget gets no answers that others pay for."""
        try:
            return await self._engine.covers(asked.request, asked.asker)
        except BaseException as error:
            await flight.leave()
            self._recorder.record(asked.request, asked.asker, Receipt(), asked.began, outcome=outcome_of(error))
            raise

    async def _wait_for_end(self, asked: _Asked, flight: InFlightRequest) -> None:
        """Leave the in-flight request and wait until it has ended; a stored answer of it may then be used."""
        asked.followed += 1
        try:
            await flight.leave()
            await flight.over()
        except asyncio.CancelledError as error:
            self._recorder.record(asked.request, asked.asker, Receipt(), asked.began, outcome=outcome_of(error))
            raise

    async def _follow(self, asked: _Asked, flight: InFlightRequest) -> FoundAnswer | None:
        """Wait for the whole in-flight answer; None if it can't be used for this request."""
        try:
            found = await flight.whole()
        except BaseException as error:  # noqa: BLE001 - raised again, unless it concerned only another request
            self._retry_or_raise(asked, error)
            return None
        finally:
            await flight.leave()
        if found is None or flight.private:
            asked.followed += 1
            return None
        return found

    async def _read_along(self, asked: _Asked, flight: InFlightRequest, *, usage_asked: bool) -> Replay | StreamReading | None:
        """Read the in-flight stream from its beginning, or replay an answer that came whole; None if it can't be used."""
        reading = None
        try:
            stream = await asyncio.shield(flight.opened)
            if stream is not None and not flight.private and not flight.answer_ready.done():
                receipt = self._follower(asked, stream)
                reading = StreamReading(
                    flight, stream, receipt, ReaderPosition(), usage_asked=usage_asked, ended=partial(self._read, asked)
                )
                return reading
            found = None if flight.private else await asyncio.shield(flight.answer_ready)
        except BaseException as error:  # noqa: BLE001 - raised again, unless it concerned only another request
            self._retry_or_raise(asked, error)
            return None
        finally:
            if reading is None:
                await flight.leave()
        if found is None or flight.private:
            asked.followed += 1
            return None
        return Replay(found.stored, self._hit(asked, found, waited=True), usage_asked=usage_asked)

    def _retry_or_raise(self, asked: _Asked, error: BaseException) -> None:
        """Raise the error if it concerns this request too, or if others' answers failed too often; else return, to ask again."""
        asked.followed += isinstance(error, BrokenStream)
        if shared(error) or asked.followed >= MAX_FOLLOWED or not isinstance(error, Exception):
            self._recorder.record(asked.request, asked.asker, Receipt(), asked.began, outcome=outcome_of(error))
            raise error

    def _start(self, asked: _Asked, ask: Callable[[_Asked, InFlightRequest], Coroutine[object, object, None]]) -> InFlightRequest:
        """Start the request's work and register it, so that equal requests can join."""
        key, flight = asked.plan.key, InFlightRequest()
        flight.join()
        if (standing := self._in_flight.get(key)) is None or not standing.open:
            self._in_flight[key] = flight
        task = flight.begin(ask(asked, flight))
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        task.add_done_callback(lambda _: self._forget(key, flight))
        return flight

    async def _ask(self, asked: _Asked, flight: InFlightRequest) -> None:
        """Ask the engine for a whole answer and land it."""
        if (near := await self._semantic_hit(asked.plan)) is not None:
            flight.publish_answer(near)
            return
        began = perf_counter()
        answer = flight.answer = await self._engine.complete(asked.request, asked.asker)
        receipt = answer.receipt
        flight.private = receipt.shrunk_to is not None or receipt.disputed
        stored = CachedAnswer(answer.body, receipt.provider, receipt.model, receipt.nanousd, perf_counter() - began)
        flight.publish_answer(FoundAnswer(stored, "memory"))
        await self._keep(asked.plan, flight, stored)

    async def _ask_streamed(self, asked: _Asked, flight: InFlightRequest) -> None:
        """Ask the engine for a stream and read it here, not in the first caller's task: a slow or leaving caller holds up nobody else."""
        if (near := await self._semantic_hit(asked.plan)) is not None:
            flight.publish_answer(near)
            return
        began = perf_counter()
        stream = await self._engine.open_stream(asked.request, asked.asker, usage_asked=True)
        receipt = stream.receipt
        flight.private = receipt.shrunk_to is not None
        await flight.stream(stream)
        flight.private = flight.private or receipt.disputed
        body = stream.whole()
        stored = None if body is None else CachedAnswer(body, receipt.provider, receipt.model, receipt.nanousd, perf_counter() - began)
        flight.publish_answer(None if stored is None else FoundAnswer(stored, "memory"))
        if stored is not None:
            await self._keep(asked.plan, flight, stored)

    async def _keep(self, plan: CachePlan, flight: InFlightRequest, stored: CachedAnswer) -> None:
        """Store the answer if it may be kept; until then the request stays registered as in flight."""
        keep = not flight.private and await keepable(stored)
        if keep:
            self._tiers.set(plan.key, answers.packed(stored), plan.ttl_seconds)
        self._forget(plan.key, flight)
        if keep and self.by_meaning is not None and plan.question is not None:
            await self.by_meaning.remember(plan.question, plan.key, plan.ttl_seconds)

    def _forget(self, key: bytes, flight: InFlightRequest) -> None:
        if self._in_flight.get(key) is flight:
            del self._in_flight[key]

    def _hit(self, asked: _Asked, found: FoundAnswer, *, waited: bool = False) -> Receipt:
        stored, seconds = found.stored, perf_counter() - asked.began
        receipt = Receipt(stored.provider, stored.model, cache=found.tier, saved=stored.nanousd, similarity=found.similarity)
        receipt.asked_model = next((each.model for each in asked.request.chain if each.name == stored.provider), "")
        receipt.dropped = asked.request.lost
        receipt.upstream_seconds = seconds if waited else 0.0
        self._spared(receipt, max(0.0, stored.seconds - seconds))
        self._recorder.record(asked.request, asked.asker, receipt, asked.began, outcome=RequestOutcome.ANSWERED)
        return receipt

    def _follower(self, asked: _Asked, stream: Stream) -> Receipt:
        """Return the receipt of a follower of a stream; `saved` is filled in at the end of the stream."""
        source = stream.receipt
        waited = perf_counter() - asked.began
        return Receipt(
            source.provider,
            source.model,
            asked_model=source.asked_model,
            cache="memory",
            dropped=source.dropped,
            upstream_seconds=waited,
            input_tokens=source.input_tokens,
        )

    def _read(self, asked: _Asked, receipt: Receipt, outcome: RequestOutcome) -> None:
        self._spared(receipt, 0.0)  # no time was saved: it came at the provider's pace
        self._recorder.record(asked.request, asked.asker, receipt, asked.began, outcome=outcome)

    def _spared(self, receipt: Receipt, seconds: float) -> None:
        saved = receipt.saved or 0
        measures.saved.add((), saved)
        self._tiers.record_saved(receipt.cache, seconds=seconds, nanousd=saved)

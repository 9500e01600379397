"""An engine around an engine: a prompt that was answered before costs nothing, and of many who ask the same at once one asks a provider.

Right before fast: only whole, successful answers without a secret are kept; per team; creative ones only where they are asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter

import msgspec

from app.budget.requests import RequestOutcome
from app.cache.tiers import Tiers
from app.errors import CairnError
from app.inference import semantic
from app.inference import stored as answers
from app.inference.catalog import Catalog
from app.inference.engine import Engine
from app.inference.fanout import Place
from app.inference.flight import Flight, Found, Reading, shared
from app.inference.keeping import keepable
from app.inference.outcomes import outcome_of
from app.inference.request import Answer, Asker, ChatRequest, EmbeddingRequest, Receipt, Vectors
from app.inference.semantic import Question, Semantic
from app.inference.stored import Stored
from app.inference.stream import Broken, Stream, summary
from app.settings import CompletionsCache
from app.telemetry import metrics

FOLLOWED = 2
"""So many answers of others one waits for in vain; then one asks alone, or gives up where they broke."""


@dataclass(frozen=True, slots=True)
class _Plan:
    key: bytes
    read: bool
    ttl_seconds: float
    question: Question | None = None


@dataclass(slots=True)
class _Asked:
    """One request on its way through here."""

    request: ChatRequest
    asker: Asker
    plan: _Plan
    began: float
    followed: int = 0


class Replay:
    """A stored answer as a stream."""

    def __init__(self, kept: Stored, receipt: Receipt, *, usage_asked: bool) -> None:
        self.receipt = receipt
        self._kept = kept
        self._usage_asked = usage_asked

    async def events(self) -> AsyncGenerator[bytes]:
        for chunk in answers.chunks(self._kept):
            yield chunk
        if self._usage_asked:
            whole = msgspec.json.decode(self._kept.body)
            head = {"id": whole.get("id"), "object": "chat.completion.chunk", "created": whole.get("created"), "model": whole.get("model")}
            usage = {**(whole.get("usage") or {}), **summary(self.receipt)}
            yield msgspec.json.encode({**head, "choices": [], "usage": usage})

    async def abandon(self) -> None:
        return None


class CachedEngine:
    """The same doors as `Engine`."""

    def __init__(
        self, engine: Engine, catalog: Catalog, tiers: Tiers, options: CompletionsCache, *, by_meaning: Semantic | None = None
    ) -> None:
        self._engine = engine
        self._catalog = catalog
        self._tiers = tiers
        self._options = options
        self._under_way: dict[bytes, Flight] = {}
        self._work: set[asyncio.Task[None]] = set()
        self.by_meaning = by_meaning

    async def complete(self, request: ChatRequest, asker: Asker) -> Answer:
        """From the cache where the rules allow it; `Engine.complete` else, with its errors."""
        asked = self._asked(request, asker)
        if asked is None:
            return await self._engine.complete(request, asker)
        while asked.followed < FOLLOWED:
            if (found := await self._kept(asked)) is not None:
                return Answer(found.stored.body, self._hit(asked, found))
            if (flight := self._joined(asked)) is None:
                return await self._lead(asked)
            if not await self._can_pay(asked, flight):
                await self._wait_for_end(asked, flight)
                continue
            if (found := await self._follow(asked, flight)) is not None:
                return Answer(found.stored.body, self._hit(asked, found, waited=True))
        return await self._engine.complete(request, asker)

    async def open_stream(self, request: ChatRequest, asker: Asker, *, usage_asked: bool = False) -> Stream | Replay | Reading:
        """The same, streamed: a stored answer in pieces; one that is under way from its beginning, and then as it comes."""
        asked = self._asked(request, asker)
        if asked is None:
            return await self._engine.open_stream(request, asker, usage_asked=usage_asked)
        while asked.followed < FOLLOWED:
            if (found := await self._kept(asked)) is not None:
                return Replay(found.stored, self._hit(asked, found), usage_asked=usage_asked)
            if (flight := self._joined(asked)) is None:
                return await self._lead_stream(asked, usage_asked=usage_asked)
            if not await self._can_pay(asked, flight):
                await self._wait_for_end(asked, flight)
                continue
            if (reading := await self._read_along(asked, flight, usage_asked=usage_asked)) is not None:
                return reading
        return await self._engine.open_stream(request, asker, usage_asked=usage_asked)

    async def embed(self, request: EmbeddingRequest, asker: Asker) -> Vectors:
        return await self._engine.embed(request, asker)

    async def infer_batch(self, requests: Sequence[ChatRequest], asker: Callable[[int], Asker]) -> list[Answer | CairnError]:
        return await self._engine.infer_batch(requests, asker, complete=self.complete)

    async def prepare(self) -> None:
        await self._engine.prepare()

    async def close(self) -> None:
        """What is still under way ends here, and is paid."""
        for task in self._work:
            task.cancel()
        if self._work:
            await asyncio.wait(self._work)
        await self._engine.close()
        await self._tiers.close()

    def _asked(self, request: ChatRequest, asker: Asker) -> _Asked | None:
        """None: this one is neither read from the cache nor kept."""
        given, options = request.parameters, self._options
        temperature = given.get("temperature")
        creative = request.choices > 1 or (temperature is not None and temperature > 0)
        if not options.enabled or request.cache == "never" or any(given.get(name) for name in answers.NEVER_KEPT):
            return None
        if creative and request.cache != "always":
            return None
        candidates = self._catalog.candidates(request.model)
        ttl = options.deterministic_ttl_seconds if temperature == 0 else options.ttl_seconds
        question = None if self.by_meaning is None else semantic.question_of(request, asker, candidates)
        plan = _Plan(answers.key_of(request, asker, candidates), request.cache != "refresh", ttl, question)
        return _Asked(request, asker, plan, perf_counter())

    async def _kept(self, asked: _Asked) -> Found | None:
        """In the exact tiers."""
        kept = await self._tiers.get(asked.plan.key) if asked.plan.read else None
        stored = None if kept is None else answers.unpacked(kept.value)
        return None if kept is None or stored is None else Found(stored, kept.tier)

    async def _near(self, plan: _Plan) -> Found | None:
        """Of a prompt that asks the same in other words."""
        if self.by_meaning is None or plan.question is None or not plan.read:
            return None
        for key, similarity in await self.by_meaning.near(plan.question):
            kept = await self._tiers.get(key)
            if kept is not None and (stored := answers.unpacked(kept.value)) is not None:
                self.by_meaning.used(key)
                return Found(stored, "semantic", similarity)
            self.by_meaning.forget(key)
        self.by_meaning.counts.misses += 1
        return None

    def _joined(self, asked: _Asked) -> Flight | None:
        """Somebody asks the same already: then we have joined. None: ask yourself."""
        flight = self._under_way.get(asked.plan.key) if asked.plan.read else None
        if flight is None or not flight.open:
            return None
        flight.join()
        return flight

    async def _lead(self, asked: _Asked) -> Answer:
        flight = self._begun(asked, self._ask)
        try:
            found = await asyncio.shield(flight.landed)
        finally:
            await flight.leave()
        if flight.answer is not None:
            return flight.answer
        assert found is not None
        return Answer(found.stored.body, self._hit(asked, found))

    async def _lead_stream(self, asked: _Asked, *, usage_asked: bool) -> Replay | Reading:
        flight = self._begun(asked, self._ask_streamed)
        reading = None
        try:
            stream = await asyncio.shield(flight.opened)
            if stream is not None:
                place = flight.leading
                reading = Reading(flight, stream, stream.receipt, place, usage_asked=usage_asked, ended=lambda _, __: None)
                return reading
            found = await asyncio.shield(flight.landed)
        finally:
            if reading is None:
                flight.unled()
                await flight.leave()
        assert found is not None
        return Replay(found.stored, self._hit(asked, found), usage_asked=usage_asked)

    async def _can_pay(self, asked: _Asked, flight: Flight) -> bool:
        """Say whether the follower could pay for the answer itself: who has nothing left doesn't get what another pays for."""
        try:
            return await self._engine.covers(asked.request, asked.asker)
        except BaseException as error:
            await flight.leave()
            self._engine.note(asked.request, asked.asker, Receipt(), asked.began, outcome=outcome_of(error))
            raise

    async def _wait_for_end(self, asked: _Asked, flight: Flight) -> None:
        """Leave, and wait until the answer has ended without us: what was kept of it is then anybody's."""
        asked.followed += 1
        try:
            await flight.leave()
            await flight.over()
        except asyncio.CancelledError as error:
            self._engine.note(asked.request, asked.asker, Receipt(), asked.began, outcome=outcome_of(error))
            raise

    async def _follow(self, asked: _Asked, flight: Flight) -> Found | None:
        """The whole answer. None: that one was of no use to us."""
        try:
            found = await flight.whole()
        except BaseException as error:  # noqa: BLE001 - raised again, unless it was another's
            self._in_vain(asked, error)
            return None
        finally:
            await flight.leave()
        if found is None or flight.private:
            asked.followed += 1
            return None
        return found

    async def _read_along(self, asked: _Asked, flight: Flight, *, usage_asked: bool) -> Replay | Reading | None:
        """The stream from its beginning; what comes in one piece, in pieces. None: that one was of no use to us."""
        reading = None
        try:
            stream = await asyncio.shield(flight.opened)
            if stream is not None and not flight.private and not flight.landed.done():
                receipt = self._follower(asked, stream)
                reading = Reading(flight, stream, receipt, Place(), usage_asked=usage_asked, ended=partial(self._read, asked))
                return reading
            found = None if flight.private else await asyncio.shield(flight.landed)
        except BaseException as error:  # noqa: BLE001 - raised again, unless it was another's
            self._in_vain(asked, error)
            return None
        finally:
            if reading is None:
                await flight.leave()
        if found is None or flight.private:
            asked.followed += 1
            return None
        return Replay(found.stored, self._hit(asked, found, waited=True), usage_asked=usage_asked)

    def _in_vain(self, asked: _Asked, error: BaseException) -> None:
        """Raises what happened to us, or would, or has happened to others before. Else it is no reason not to ask."""
        asked.followed += isinstance(error, Broken)
        if shared(error) or asked.followed >= FOLLOWED or not isinstance(error, Exception):
            self._engine.note(asked.request, asked.asker, Receipt(), asked.began, outcome=outcome_of(error))
            raise error

    def _begun(self, asked: _Asked, ask: Callable[[_Asked, Flight], Coroutine[object, object, None]]) -> Flight:
        """From now on others may join."""
        key, flight = asked.plan.key, Flight()
        flight.join()
        if (standing := self._under_way.get(key)) is None or not standing.open:
            self._under_way[key] = flight
        task = flight.begin(ask(asked, flight))
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        task.add_done_callback(lambda _: self._forget(key, flight))
        return flight

    async def _ask(self, asked: _Asked, flight: Flight) -> None:
        """The work of an answer in one piece."""
        if (near := await self._near(asked.plan)) is not None:
            flight.land(near)
            return
        began = perf_counter()
        answer = flight.answer = await self._engine.complete(asked.request, asked.asker)
        receipt = answer.receipt
        flight.private = receipt.shrunk_to is not None or receipt.disputed
        made = Stored(answer.body, receipt.provider, receipt.model, receipt.nanousd, perf_counter() - began)
        flight.land(Found(made, "memory"))
        await self._keep(asked.plan, flight, made)

    async def _ask_streamed(self, asked: _Asked, flight: Flight) -> None:
        """The same of a stream. It is read here, not by whoever asked first: who is slow or leaves is nobody else's trouble."""
        if (near := await self._near(asked.plan)) is not None:
            flight.land(near)
            return
        began = perf_counter()
        stream = await self._engine.open_stream(asked.request, asked.asker, usage_asked=True)
        receipt = stream.receipt
        flight.private = receipt.shrunk_to is not None
        await flight.stream(stream)
        flight.private = flight.private or receipt.disputed
        body = stream.whole()
        made = None if body is None else Stored(body, receipt.provider, receipt.model, receipt.nanousd, perf_counter() - began)
        flight.land(None if made is None else Found(made, "memory"))
        if made is not None:
            await self._keep(asked.plan, flight, made)

    async def _keep(self, plan: _Plan, flight: Flight, made: Stored) -> None:
        """Until it is kept others find it under way."""
        keep = not flight.private and await keepable(made)
        if keep:
            self._tiers.set(plan.key, answers.packed(made), plan.ttl_seconds)
        self._forget(plan.key, flight)
        if keep and self.by_meaning is not None and plan.question is not None:
            await self.by_meaning.remember(plan.question, plan.key, plan.ttl_seconds)

    def _forget(self, key: bytes, flight: Flight) -> None:
        if self._under_way.get(key) is flight:
            del self._under_way[key]

    def _hit(self, asked: _Asked, found: Found, *, waited: bool = False) -> Receipt:
        stored, seconds = found.stored, perf_counter() - asked.began
        receipt = Receipt(stored.provider, stored.model, cache=found.tier, saved=stored.nanousd, similarity=found.similarity)
        candidates = self._catalog.candidates(asked.request.model)
        receipt.asked_model = next((each.model for each in candidates if each.name == stored.provider), "")
        receipt.upstream_seconds = seconds if waited else 0.0
        self._spared(receipt, max(0.0, stored.seconds - seconds))
        self._engine.note(asked.request, asked.asker, receipt, asked.began, outcome=RequestOutcome.ANSWERED)
        return receipt

    def _follower(self, asked: _Asked, stream: Stream) -> Receipt:
        """What it saved is known at its end."""
        told = stream.receipt
        waited = perf_counter() - asked.began
        return Receipt(
            told.provider, told.model, asked_model=told.asked_model, cache="memory", dropped=told.dropped, upstream_seconds=waited
        )

    def _read(self, asked: _Asked, receipt: Receipt, outcome: RequestOutcome) -> None:
        self._spared(receipt, 0.0)  # it came no sooner
        self._engine.note(asked.request, asked.asker, receipt, asked.began, outcome=outcome)

    def _spared(self, receipt: Receipt, seconds: float) -> None:
        saved = receipt.saved or 0
        metrics.saved.add((), saved)
        self._tiers.spared(receipt.cache, seconds=seconds, nanousd=saved)

"""A prompt goes through. For each provider of the chain: breaker closed? → hold its worst case → call → settle the real price → answer.

The hallway, to be read from top to bottom. Who is next is decided in `chain.py`, the money in `meter.py`, streams in `stream.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter
from typing import TypeVar

import msgspec
import structlog

from app.budget.prices import Usage
from app.budget.requests import Request, RequestLog, RequestOutcome
from app.errors import (
    BudgetExceeded,
    CairnError,
)
from app.inference import allowance, answers, chain, faults
from app.inference.allowance import OutputCount
from app.inference.answers import Completion
from app.inference.breaker import Refusal, Ticket
from app.inference.catalog import OWN, Catalog
from app.inference.chain import Candidate, Trail
from app.inference.faults import Fault
from app.inference.gather import Gather
from app.inference.meter import Held, Meter
from app.inference.outcomes import outcome_of
from app.inference.parameters import call_for, check
from app.inference.request import Answer, Asker, ChatRequest, EmbeddingRequest, Receipt, Vectors
from app.inference.stream import Opened, Stream
from app.inference.upstream import Upstream
from app.inference.wires.wire import Embedded
from app.redaction import redact
from app.settings import Inference
from app.telemetry import metrics, traces

log = structlog.get_logger()

Got = TypeVar("Got")
EMBEDDED_AT_ONCE = 256
LATE_SECONDS = 0.01
"""Beyond a provider's own `retry-after`: clocks differ."""
ALARMING = frozenset({"key", "quota", "model"})
"""Faults that only an operator can mend."""


class Engine:
    """The one door. Every call of a model passes `_walk`, and in it a breaker and a hold."""

    def __init__(self, catalog: Catalog, meter: Meter, requests: RequestLog, options: Inference) -> None:
        self._catalog = catalog
        self._meter = meter
        self._requests = requests
        self._options = options
        self._gathers: dict[tuple[str, int | None], Gather] = {}

    async def complete(self, request: ChatRequest, asker: Asker) -> Answer:
        """A whole answer. NotFound, Refused, BudgetExceeded, RateLimited, AllProvidersFailed, DeadlineExceeded, DatabaseUnavailable."""
        receipt = Receipt()

        async def attempt(candidate: Candidate, ticket: Ticket, number: int) -> Answer:
            return await self._complete_once(request, asker, candidate, ticket, number, receipt)

        began = perf_counter()
        with self._noted(request, asker, receipt), _span(request):
            answer = await self._walk(self._catalog.candidates(request.model), receipt, attempt, deadline=self._deadline())
            metrics.answer_seconds.observe(perf_counter() - began, (receipt.provider,))
            return answer

    async def open_stream(self, request: ChatRequest, asker: Asker, *, usage_asked: bool = False) -> Stream:
        """A stream whose first token has come: until then falling back is free. The same errors as `complete`, before it begins."""
        receipt, began, deadline = Receipt(), perf_counter(), self._deadline()

        async def proceed(request: ChatRequest, candidates: Sequence[Candidate]) -> Opened:
            async def attempt(candidate: Candidate, ticket: Ticket, number: int) -> Upstream:
                return await self._begin_once(request, asker, candidate, ticket, number, receipt, deadline)

            left = list(candidates)
            return Opened(await self._walk(left, receipt, attempt, deadline=deadline), left)

        spoke: float | None = None

        def ended(outcome: RequestOutcome) -> None:
            if outcome is RequestOutcome.ANSWERED and spoke is not None and receipt.produced > 1:
                each = (perf_counter() - spoke) / (receipt.produced - 1)
                metrics.per_token_seconds.observe(each, ("chat", receipt.provider, receipt.asked_model))
            self.note(request, asker, receipt, began, outcome=outcome)

        try:
            with _span(request):
                opened = await proceed(request, self._catalog.candidates(request.model))
        except BaseException as error:
            ended(outcome_of(error))
            raise
        spoke = perf_counter()
        metrics.first_token(receipt.provider, receipt.asked_model, spoke - began)
        return Stream(opened, request, receipt, usage_asked=usage_asked, proceed=proceed if self._options.rescue else None, ended=ended)

    async def infer_batch(
        self,
        requests: Sequence[ChatRequest],
        asker: Callable[[int], Asker],
        *,
        complete: Callable[[ChatRequest, Asker], Awaitable[Answer]] | None = None,
    ) -> list[Answer | CairnError]:
        """Many at once: in groups by first provider, so many of a group at a time; in order; an item that fails is its error."""
        gates: dict[str, asyncio.Semaphore] = {}

        async def one(place: int, request: ChatRequest) -> Answer | CairnError:
            try:
                first = self._catalog.candidates(request.model)[0].name
                async with gates.setdefault(first, asyncio.Semaphore(self._options.batch_concurrency)):
                    return await (complete or self.complete)(request, asker(place))
            except CairnError as error:
                return error

        return list(await asyncio.gather(*(one(place, request) for place, request in enumerate(requests))))

    async def embed(self, request: EmbeddingRequest, asker: Asker) -> Vectors:
        """One model's vectors: no other provider is asked for them. The same errors as `complete`."""
        receipt, candidate = Receipt(), self._catalog.embedder(request.model)

        async def attempt(candidate: Candidate, ticket: Ticket, number: int) -> Vectors:
            return await self._embed_once(request, asker, candidate, ticket, number, receipt)

        with self._noted(request, asker, receipt), traces.span("engine embeddings", gen_ai__operation__name="embeddings"):
            return await self._walk([candidate], receipt, attempt, deadline=self._deadline())

    async def covers(self, request: ChatRequest, asker: Asker) -> bool:
        """Say whether the payer could pay for an answer of any provider of the chain. Holds nothing, asks nobody."""
        for candidate in self._catalog.candidates(request.model):
            if await self._meter.covers(request, asker, candidate):
                return True
        return False

    async def prepare(self) -> None:
        """What the first request would wait for: tokenizers, libraries. Off the loop, and not where there is no provider."""
        await self._catalog.prepare()

    async def close(self) -> None:
        """Ends that are being written, then connections."""
        await self._meter.close()
        await self._catalog.close()

    async def _walk(
        self,
        left: list[Candidate],
        receipt: Receipt,
        attempt: Callable[[Candidate, Ticket, int], Awaitable[Got]],
        *,
        deadline: float,
    ) -> Got:
        """The first attempt that succeeds. Each has a ticket of its provider's breaker, which the fault that it raises ends.

        `left` is used up from its front: who stands in it afterwards wasn't asked.
        """
        trail = Trail()
        try:
            async with asyncio.timeout_at(deadline):
                while left:
                    candidate, tries = left.pop(0), 0
                    while True:
                        ticket = self._catalog.breaker(candidate).admit()
                        if isinstance(ticket, Refusal):
                            trail.refusals.append((candidate, ticket))
                            break
                        receipt.attempts += 1
                        try:
                            with traces.span(f"attempt {candidate.name}", "client", **_attributes(candidate, receipt.attempts)):
                                return await attempt(candidate, ticket, receipt.attempts)
                        except BudgetExceeded as error:
                            receipt.attempts -= 1
                            trail.unaffordable.append((candidate, error))
                            break
                        except Fault as fault:
                            trail.faults.append((candidate, fault))
                            if candidate.kind == OWN:
                                ticket.dropped()  # it can't be out of order: what takes too long is one caller's own bulk
                            else:
                                ticket.failed(fault)
                            _tell(candidate, fault)
                            step = chain.after(fault, retries_left=self._options.retries - tries)
                            if step.to == "stop":
                                raise chain.refused(fault) from fault
                            if fault.kind == "context_too_long":
                                left[:] = chain.larger(left, candidate)
                            if step.to == "next":
                                break
                            tries += 1
                            await asyncio.sleep(step.seconds + LATE_SECONDS)
                        finally:
                            ticket.dropped()  # unless it has ended otherwise
        except TimeoutError:
            raise trail.out_of_time() from None
        raise trail.error()

    async def _complete_once(
        self, request: ChatRequest, asker: Asker, candidate: Candidate, ticket: Ticket, number: int, receipt: Receipt
    ) -> Answer:
        check(candidate, request)
        held = await self._meter.hold(request, asker, candidate, number, receipt, ticket)
        began = perf_counter()
        try:
            call, receipt.dropped = call_for(candidate, request, held.estimate.max_tokens)
            try:
                async with asyncio.timeout(self._options.timeouts.answer):
                    found = await candidate.wire.complete(call)
            except TimeoutError:
                raise faults.timeout("no answer in time") from None
            finally:
                receipt.upstream_seconds += perf_counter() - began
        except BaseException as error:
            await held.fail(error)
            raise
        ticket.passed()
        metrics.provider_attempted(candidate.name, "ok")
        receipt.provider, receipt.asked_model = candidate.name, candidate.model
        receipt.model = found.model or candidate.model
        return Answer(await self._paid(found, held, candidate), receipt)

    async def _paid(self, found: Completion, held: Held, candidate: Candidate) -> bytes:
        """End the hold of a whole answer, and return the answer: cut where it is longer than was held, with a usage that can be true."""
        raw, limit = found.raw, allowance.max_output(held.estimate)
        try:
            if await OutputCount(limit, model=candidate.model).passed(found.text):
                reason = f"Its answer was longer than the {held.estimate.max_tokens:,} tokens that were asked for: it was cut."
                await held.dispute(reason, kind="output", model=found.model)
                raw = await asyncio.to_thread(answers.shortened, raw, allowance.Truncator(limit, model=candidate.model).cut)
            else:
                await held.settle(found.usage, found.text, model=found.model)
        except BaseException:
            held.abandon(found.usage, found.text, model=found.model)  # whoever leaves meanwhile: an end there must be
            raise
        return raw if found.usage == held.charged else answers.with_usage(raw, held.charged)

    async def _embed_once(
        self, request: EmbeddingRequest, asker: Asker, candidate: Candidate, ticket: Ticket, number: int, receipt: Receipt
    ) -> Vectors:
        texts = list(request.texts)
        held = await self._meter.hold_texts(texts, asker, candidate, number, receipt, ticket)
        began = perf_counter()
        seat = self._gathered(candidate, request.dimensions).seat(texts, most_tokens=held.estimate.input_tokens)
        try:
            try:
                # Our own model's lane bounds what it takes; the request's total time holds for both.
                async with asyncio.timeout(None if candidate.kind == OWN else self._options.timeouts.answer):
                    share = await seat.future
            except TimeoutError:
                raise faults.timeout("no vectors in time") from None
            finally:
                receipt.upstream_seconds += perf_counter() - began
        except BaseException as error:
            await held.fail(error if seat.sent else faults.unreachable("it was never sent"))
            raise
        ticket.passed()
        metrics.provider_attempted(candidate.name, "ok")
        receipt.provider, receipt.asked_model = candidate.name, candidate.model
        receipt.model = share.model or candidate.model
        await held.settle(None if share.tokens is None else Usage(input=share.tokens), "", model=share.model)
        return Vectors(share.vectors, held.charged.input, receipt)

    def _gathered(self, candidate: Candidate, dimensions: int | None) -> Gather:
        """Those who ask for the same share calls."""
        key = candidate.model, dimensions
        if key not in self._gathers:
            parameters = {} if dimensions is None else {"dimensions": dimensions}

            async def call(texts: list[str]) -> Embedded:
                return await in_parts(candidate, texts, parameters)

            options = self._options
            # Our own model shares runs by itself, and must know whose they are.
            most = 1 if candidate.kind == OWN else options.embeddings_requests
            self._gathers[key] = Gather(call, most=most, seconds=options.embeddings_milliseconds / 1000)
        return self._gathers[key]

    async def _begin_once(
        self, request: ChatRequest, asker: Asker, candidate: Candidate, ticket: Ticket, number: int, receipt: Receipt, deadline: float
    ) -> Upstream:
        check(candidate, request)
        held = await self._meter.hold(request, asker, candidate, number, receipt, ticket)
        call, receipt.dropped = call_for(candidate, request, held.estimate.max_tokens)
        choices = int(call.parameters.get("n") or 1)
        stream = candidate.wire.stream(call)
        upstream = Upstream(candidate, held, stream, self._options.timeouts, deadline, choices=choices)  # it ends the hold
        try:
            await upstream.begin()
        finally:
            receipt.upstream_seconds += upstream.waited
        ticket.passed()
        metrics.provider_attempted(candidate.name, "ok")
        receipt.provider, receipt.asked_model = candidate.name, candidate.model
        receipt.model = upstream.produced.model or candidate.model
        return upstream

    def _deadline(self) -> float:
        return asyncio.get_running_loop().time() + self._options.timeouts.total

    @contextmanager
    def _noted(self, request: ChatRequest | EmbeddingRequest, asker: Asker, receipt: Receipt) -> Iterator[None]:
        """A row of the request log, whatever comes of it."""
        began = perf_counter()
        try:
            yield
        except BaseException as error:
            self.note(request, asker, receipt, began, outcome=outcome_of(error))
            raise
        self.note(request, asker, receipt, began, outcome=RequestOutcome.ANSWERED)

    def note(
        self, request: ChatRequest | EmbeddingRequest, asker: Asker, receipt: Receipt, began: float, *, outcome: RequestOutcome
    ) -> None:
        seconds = perf_counter() - began
        if outcome is RequestOutcome.ANSWERED:
            operation = "chat" if isinstance(request, ChatRequest) else "embeddings"
            metrics.answered(operation, receipt.provider, receipt.asked_model, cache=receipt.cache, seconds=seconds)
        self._requests.add(
            Request(
                request_id=asker.request_id,
                developer_id=asker.developer_id,
                team_id=asker.team_id,
                purpose=asker.purpose,
                project=asker.project,
                model_asked=request.model if request.model.isprintable() else "",
                provider=receipt.provider or None,
                model_answered=receipt.model or None,
                attempts=receipt.attempts,
                cache=receipt.cache,
                nanousd=receipt.nanousd,
                saved_nanousd=receipt.saved or 0,
                milliseconds=round(seconds * 1000),
                status=outcome,
            )
        )


async def in_parts(candidate: Candidate, texts: list[str], parameters: dict[str, int]) -> Embedded:
    """So many at a time: a reply with all vectors would be too large to read."""
    vectors: list[Sequence[float]] = []
    tokens: int | None = 0
    model: str | None = None
    for start in range(0, len(texts), EMBEDDED_AT_ONCE):
        try:
            part = await candidate.wire.embed(candidate.model, texts[start : start + EMBEDDED_AT_ONCE], parameters)
        except Fault as fault:
            if start:  # the parts before it were answered, and are billed
                fault.unknown, fault.usage = True, None if tokens is None else Usage(input=tokens)
            raise
        vectors += part.vectors
        model = part.model or model
        tokens = None if tokens is None or part.usage is None else tokens + part.usage.total
    return Embedded(vectors, model, None if tokens is None else Usage(input=tokens))


def _span(request: ChatRequest) -> traces.Span:
    span = traces.span("engine chat", gen_ai__operation__name="chat")
    if traces.content():
        words = msgspec.json.encode(request.messages).decode()[: traces.MOST_CONTENT_CHARS]
        span.set(gen_ai__input__messages=redact(words).text)
    return span


def _attributes(candidate: Candidate, number: int) -> dict[str, str | int]:
    if not traces.on():
        return {}
    return {"gen_ai__provider__name": candidate.name, "gen_ai__request__model": candidate.model, "cairn__attempt": number}


def _tell(candidate: Candidate, fault: Fault) -> None:
    metrics.provider_attempted(candidate.name, fault.kind)
    say = log.error if fault.kind in ALARMING else log.warning if fault.counts else log.info
    reason = fault.message if fault.counts else fault.kind
    say("provider.failed", provider=candidate.name, model=candidate.model, kind=fault.kind, reason=reason)

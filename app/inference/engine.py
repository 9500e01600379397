"""Run a request: for each provider of the chain, ask its breaker, hold the worst-case price, call, settle the real price, answer.

Reads top to bottom. Which provider is next: `chain.py`; money: `meter.py`; streams: `stream.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter
from typing import TypeVar

import msgspec
import structlog

from app.budget.prices import TokenUsage
from app.budget.requests import RequestLog, RequestOutcome, RequestRecord
from app.errors import (
    BudgetExceeded,
    CairnError,
)
from app.inference import allowance, answers, chain, provider_errors
from app.inference.allowance import OutputCount
from app.inference.answers import Completion
from app.inference.breaker import Refusal, Ticket
from app.inference.catalog import OWN, Catalog
from app.inference.chain import AttemptLog, ChainProvider
from app.inference.embedding_batcher import EmbeddingBatcher
from app.inference.meter import Meter, OpenHold
from app.inference.outcomes import outcome_of
from app.inference.parameters import call_for, check
from app.inference.provider_errors import ProviderError
from app.inference.request import CallContext, ChatRequest, CompletionAnswer, EmbeddingRequest, Receipt, Vectors
from app.inference.stream import Opened, Stream
from app.inference.upstream import Upstream
from app.inference.wires.wire import EmbeddingResult
from app.redaction import redact
from app.settings import InferenceSettings
from app.telemetry import measures, metrics, traces

log = structlog.get_logger()

Got = TypeVar("Got")
MAX_TEXTS_PER_CALL = 256
RETRY_MARGIN_SECONDS = 0.01
"""Added to a provider's `retry-after`: clocks differ."""
OPERATOR_FAULTS = frozenset({"key", "quota", "model"})
"""Kinds of fault that only an operator can fix: logged as errors."""


class InferenceEngine:
    """The only way to a model: every call passes through `_walk`, and there through a breaker and a hold."""

    def __init__(self, catalog: Catalog, meter: Meter, requests: RequestLog, options: InferenceSettings) -> None:
        self._catalog = catalog
        self._meter = meter
        self._requests = requests
        self._options = options
        self._gathers: dict[tuple[str, int | None], EmbeddingBatcher] = {}

    async def complete(self, request: ChatRequest, asker: CallContext) -> CompletionAnswer:
        """Return a whole answer.

        Raises NotFound, Refused, BudgetExceeded, RateLimited, AllProvidersFailed, DeadlineExceeded or DatabaseUnavailable.
        """
        receipt = Receipt()

        async def attempt(candidate: ChainProvider, ticket: Ticket, number: int) -> CompletionAnswer:
            return await self._complete_once(request, asker, candidate, ticket, number, receipt)

        began = perf_counter()
        with self._request_logged(request, asker, receipt), _span(request):
            answer = await self._walk(self._catalog.candidates(request.model), receipt, attempt, deadline=self._deadline())
            measures.answer_seconds.observe(perf_counter() - began, (receipt.provider,))
            return answer

    async def open_stream(self, request: ChatRequest, asker: CallContext, *, usage_asked: bool = False) -> Stream:
        """Open a stream and wait for its first token: until then fallback is free. Raises the same errors as `complete`."""
        receipt, began, deadline = Receipt(), perf_counter(), self._deadline()

        async def proceed(request: ChatRequest, candidates: Sequence[ChainProvider]) -> Opened:
            async def attempt(candidate: ChainProvider, ticket: Ticket, number: int) -> Upstream:
                return await self._begin_once(request, asker, candidate, ticket, number, receipt, deadline)

            left = list(candidates)
            return Opened(await self._walk(left, receipt, attempt, deadline=deadline), left)

        spoke: float | None = None

        def ended(outcome: RequestOutcome) -> None:
            if outcome is RequestOutcome.ANSWERED and spoke is not None and receipt.produced > 1:
                each = (perf_counter() - spoke) / (receipt.produced - 1)
                measures.per_token_seconds.observe(each, ("chat", receipt.provider, receipt.asked_model))
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
        asker: Callable[[int], CallContext],
        *,
        complete: Callable[[ChatRequest, CallContext], Awaitable[CompletionAnswer]] | None = None,
    ) -> list[CompletionAnswer | CairnError]:
        """Answer many requests concurrently, bounded per first provider; results in order, with an error in the place of a failed one."""
        gates: dict[str, asyncio.Semaphore] = {}

        async def one(place: int, request: ChatRequest) -> CompletionAnswer | CairnError:
            try:
                first = self._catalog.candidates(request.model)[0].name
                async with gates.setdefault(first, asyncio.Semaphore(self._options.batch_concurrency)):
                    return await (complete or self.complete)(request, asker(place))
            except CairnError as error:
                return error

        return list(await asyncio.gather(*(one(place, request) for place, request in enumerate(requests))))

    async def embed(self, request: EmbeddingRequest, asker: CallContext) -> Vectors:
        """Embed texts with one model, without fallback. Raises the same errors as `complete`."""
        receipt, candidate = Receipt(), self._catalog.embedder(request.model)

        async def attempt(candidate: ChainProvider, ticket: Ticket, number: int) -> Vectors:
            return await self._embed_once(request, asker, candidate, ticket, number, receipt)

        with self._request_logged(request, asker, receipt), traces.span("engine embeddings", gen_ai__operation__name="embeddings"):
            return await self._walk([candidate], receipt, attempt, deadline=self._deadline())

    async def covers(self, request: ChatRequest, asker: CallContext) -> bool:
        """Tell whether the payer's budget covers an answer of any provider of the chain, without holding or calling anything."""
        for candidate in self._catalog.candidates(request.model):
            if await self._meter.covers(request, asker, candidate):
                return True
        return False

    async def input_tokens(self, request: ChatRequest) -> int:
        """Return the most tokens that the prompt may have at any provider of its chain. Calls nothing, costs nothing."""
        return max([await self._meter.input_tokens(request, each) for each in self._catalog.candidates(request.model)])

    async def prepare(self) -> None:
        """Load tokenizers and libraries off the event loop, so that the first request needn't wait for them."""
        await self._catalog.prepare()

    async def close(self) -> None:
        """Wait for settlements that are being written, then close connections."""
        await self._meter.close()
        await self._catalog.close()

    async def _walk(
        self,
        left: list[ChainProvider],
        receipt: Receipt,
        attempt: Callable[[ChainProvider, Ticket, int], Awaitable[Got]],
        *,
        deadline: float,
    ) -> Got:
        """Return the result of the first attempt that succeeds. Each attempt has a ticket of its provider's breaker, ended here on a fault.

        Consumes `left` from its front: what remains afterwards wasn't asked.
        """
        trail = AttemptLog()
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
                        except ProviderError as fault:
                            trail.faults.append((candidate, fault))
                            if candidate.kind == OWN:
                                ticket.dropped()  # the built-in model can't be down: a timeout means that one caller's batch is large
                            else:
                                ticket.failed(fault)
                            _report_fault(candidate, fault)
                            step = chain.next_step(fault, retries_left=self._options.retries - tries)
                            if step.to == "stop":
                                raise chain.refused(fault) from fault
                            if fault.kind == "context_too_long":
                                left[:] = chain.with_larger_context(left, candidate)
                            if step.to == "next":
                                break
                            tries += 1
                            await asyncio.sleep(step.seconds + RETRY_MARGIN_SECONDS)
                        finally:
                            ticket.dropped()  # no effect if it has ended already
        except TimeoutError:
            raise trail.out_of_time() from None
        raise trail.error()

    async def _complete_once(
        self, request: ChatRequest, asker: CallContext, candidate: ChainProvider, ticket: Ticket, number: int, receipt: Receipt
    ) -> CompletionAnswer:
        check(candidate, request)
        held = await self._meter.hold(request, asker, candidate, number, receipt, ticket)
        began = perf_counter()
        try:
            call, receipt.dropped = call_for(candidate, request, held.bounds.max_tokens)
            try:
                async with asyncio.timeout(self._options.timeouts.answer):
                    found = await candidate.wire.complete(call)
            except TimeoutError:
                raise provider_errors.timeout("no answer in time") from None
            finally:
                receipt.upstream_seconds += perf_counter() - began
        except BaseException as error:
            await held.fail(error)
            raise
        ticket.passed()
        metrics.provider_attempted(candidate.name, "ok")
        receipt.provider, receipt.asked_model = candidate.name, candidate.model
        receipt.model = found.model or candidate.model
        return CompletionAnswer(await self._settled(found, held, candidate), receipt)

    async def _settled(self, found: Completion, held: OpenHold, candidate: ChainProvider) -> bytes:
        """Settle a whole answer and return its JSON: truncated if longer than the hold allows, with a corrected usage if needed."""
        raw, limit = found.raw, allowance.max_output(held.bounds)
        try:
            if await OutputCount(limit, model=candidate.model).passed(found.text):
                reason = f"Its answer was longer than the {held.bounds.max_tokens:,} tokens that were asked for: it was truncated."
                await held.dispute(reason, kind="output", model=found.model)
                raw = await asyncio.to_thread(answers.shortened, raw, allowance.Truncator(limit, model=candidate.model).cut)
            else:
                await held.settle(found.usage, found.text, model=found.model)
        except BaseException:
            held.abandon(found.usage, found.text, model=found.model)  # also on cancellation: every hold must end
            raise
        return raw if found.usage == held.charged else answers.with_usage(raw, held.charged)

    async def _embed_once(
        self, request: EmbeddingRequest, asker: CallContext, candidate: ChainProvider, ticket: Ticket, number: int, receipt: Receipt
    ) -> Vectors:
        texts = list(request.texts)
        held = await self._meter.hold_texts(texts, asker, candidate, number, receipt, ticket)
        began = perf_counter()
        seat = self._batcher(candidate, request.dimensions).seat(texts, held_tokens=held.bounds.input_tokens)
        try:
            try:
                # The built-in model bounds its own queue; the request's total deadline applies to both.
                async with asyncio.timeout(None if candidate.kind == OWN else self._options.timeouts.answer):
                    share = await seat.future
            except TimeoutError:
                raise provider_errors.timeout("no vectors in time") from None
            finally:
                receipt.upstream_seconds += perf_counter() - began
        except BaseException as error:
            await held.fail(error if seat.sent else provider_errors.unreachable("it was never sent"))
            raise
        ticket.passed()
        metrics.provider_attempted(candidate.name, "ok")
        receipt.provider, receipt.asked_model = candidate.name, candidate.model
        receipt.model = share.model or candidate.model
        await held.settle(None if share.tokens is None else TokenUsage(input=share.tokens), "", model=share.model)
        return Vectors(share.vectors, held.charged.input, receipt)

    def _batcher(self, candidate: ChainProvider, dimensions: int | None) -> EmbeddingBatcher:
        """Return the batcher for this provider, model and dimensions."""
        key = candidate.model, dimensions
        if key not in self._gathers:
            parameters = {} if dimensions is None else {"dimensions": dimensions}

            async def call(texts: list[str]) -> EmbeddingResult:
                return await in_parts(candidate, texts, parameters)

            options = self._options
            # The built-in model batches by itself, fairly between requesters, so it must see each request alone.
            max_requests = 1 if candidate.kind == OWN else options.embeddings_requests
            self._gathers[key] = EmbeddingBatcher(call, max_requests=max_requests, seconds=options.embeddings_milliseconds / 1000)
        return self._gathers[key]

    async def _begin_once(
        self,
        request: ChatRequest,
        asker: CallContext,
        candidate: ChainProvider,
        ticket: Ticket,
        number: int,
        receipt: Receipt,
        deadline: float,
    ) -> Upstream:
        check(candidate, request)
        held = await self._meter.hold(request, asker, candidate, number, receipt, ticket)
        call, receipt.dropped = call_for(candidate, request, held.bounds.max_tokens)
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
    def _request_logged(self, request: ChatRequest | EmbeddingRequest, asker: CallContext, receipt: Receipt) -> Iterator[None]:
        """Write a row of the request log, whatever the outcome."""
        began = perf_counter()
        try:
            yield
        except BaseException as error:
            self.note(request, asker, receipt, began, outcome=outcome_of(error))
            raise
        self.note(request, asker, receipt, began, outcome=RequestOutcome.ANSWERED)

    def note(
        self, request: ChatRequest | EmbeddingRequest, asker: CallContext, receipt: Receipt, began: float, *, outcome: RequestOutcome
    ) -> None:
        seconds = perf_counter() - began
        if outcome is RequestOutcome.ANSWERED:
            operation = "chat" if isinstance(request, ChatRequest) else "embeddings"
            metrics.answered(operation, receipt.provider, receipt.asked_model, cache=receipt.cache, seconds=seconds)
        self._requests.add(
            RequestRecord(
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


async def in_parts(candidate: ChainProvider, texts: list[str], parameters: dict[str, int]) -> EmbeddingResult:
    """Embed in calls of at most 256 texts: a reply with all vectors would be too large to read."""
    vectors: list[Sequence[float]] = []
    tokens: int | None = 0
    model: str | None = None
    for start in range(0, len(texts), MAX_TEXTS_PER_CALL):
        try:
            part = await candidate.wire.embed(candidate.model, texts[start : start + MAX_TEXTS_PER_CALL], parameters)
        except ProviderError as fault:
            if start:  # earlier calls were answered, and are billed
                fault.unknown, fault.usage = True, None if tokens is None else TokenUsage(input=tokens)
            raise
        vectors += part.vectors
        model = part.model or model
        tokens = None if tokens is None or part.usage is None else tokens + part.usage.total
    return EmbeddingResult(vectors, model, None if tokens is None else TokenUsage(input=tokens))


def _span(request: ChatRequest) -> traces.Span:
    span = traces.span("engine chat", gen_ai__operation__name="chat")
    if traces.content():
        words = msgspec.json.encode(request.messages).decode()[: traces.MAX_CONTENT_CHARS]
        span.set(gen_ai__input__messages=redact(words).text)
    return span


def _attributes(candidate: ChainProvider, number: int) -> dict[str, str | int]:
    if not traces.on():
        return {}
    return {"gen_ai__provider__name": candidate.name, "gen_ai__request__model": candidate.model, "cairn__attempt": number}


def _report_fault(candidate: ChainProvider, fault: ProviderError) -> None:
    metrics.provider_attempted(candidate.name, fault.kind)
    say = log.error if fault.kind in OPERATOR_FAULTS else log.warning if fault.counts else log.info
    reason = fault.message if fault.counts else fault.kind
    say("provider.failed", provider=candidate.name, model=candidate.model, kind=fault.kind, reason=reason)

"""Run a request: for each provider of the chain, ask its breaker, hold the worst-case price, call, settle the real price, answer.

Reads top to bottom. Which provider is next: `attempts.py` and `chain.py`; money: `meter.py`; streams: `stream.py`. Around it stand, from
the outside, `cached.py` and `logged.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from time import perf_counter
from typing import TypeVar

import msgspec

from app.budget.requests import RequestOutcome
from app.inference import allowance, answers, provider_errors
from app.inference.allowance import OutputCount
from app.inference.allowed_models import AllowedModels
from app.inference.answer_events import WholeAnswer
from app.inference.answers import Completion
from app.inference.assembly import Assembly
from app.inference.attempts import ChainWalk, ProviderAttempt
from app.inference.breaker import CircuitOpen, Ticket
from app.inference.catalog import Catalog
from app.inference.chain import ChainProvider
from app.inference.connections import ConnectionLimit, ProviderConnection
from app.inference.embedding_calls import EmbeddingCalls
from app.inference.meter import Meter, OpenHold
from app.inference.parameters import check
from app.inference.provider_calls import provider_call
from app.inference.provider_errors import ProviderError
from app.inference.request import CallContext, ChatRequest, CompletionAnswer, EmbeddingRequest, Receipt, Vectors
from app.inference.stream import Opened, Stream
from app.inference.upstream import Upstream
from app.inference.usage import tells
from app.redaction import redact
from app.settings import InferenceSettings
from app.telemetry import traces

Got = TypeVar("Got")


def unwatched(outcome: RequestOutcome) -> None:
    del outcome


class InferenceEngine:
    """The only way to a model: every call passes through `_walk`, and there through a breaker and a hold.

    `receipt`, where given, is filled in as the request goes on, so that a failed request's attempts and costs are known too.
    """

    def __init__(self, catalog: Catalog, meter: Meter, options: InferenceSettings) -> None:
        self._catalog = catalog
        self._meter = meter
        self._options = options
        self._embeddings = EmbeddingCalls(meter, options)
        self._unstreamed: set[str] = set()
        """Providers that refused a stream since the start."""
        self._limits: dict[str, ConnectionLimit] = {}

    async def complete(self, request: ChatRequest, asker: CallContext, *, receipt: Receipt | None = None) -> CompletionAnswer:
        """Return a whole answer.

        Raises NotFound, ContentRejected, BudgetExceeded, RateLimited, AllProvidersFailed, DeadlineExceeded or DatabaseUnavailable.
        """
        deadline = self._deadline()

        async def attempt(made: ProviderAttempt) -> CompletionAnswer:
            with await self._connection(made, deadline):
                if self._listens(made):
                    try:
                        return await self._assemble_once(request, asker, made, deadline)
                    except ProviderError as fault:
                        if not _refuses_streams(fault):
                            raise
                    self._unstreamed.add(made.candidate.name)
                    made = made.again()
                return await self._complete_once(request, asker, made)

        with _span(request):
            request = self._catalog.resolve(request, asker.models)
            return await self._walk(list(request.chain), receipt or Receipt(), attempt, deadline=deadline)

    async def open_stream(
        self,
        request: ChatRequest,
        asker: CallContext,
        *,
        usage_asked: bool = False,
        receipt: Receipt | None = None,
        ended: Callable[[RequestOutcome], None] = unwatched,
    ) -> Stream:
        """Open a stream and wait for its first token: until then fallback is free. Raises the same errors as `complete`.

        `ended`: called once with the outcome of a stream that began.
        """
        bill, deadline = receipt or Receipt(), self._deadline()

        async def proceed(request: ChatRequest, candidates: Sequence[ChainProvider]) -> Opened:
            async def attempt(made: ProviderAttempt) -> Upstream:
                return await self._begin_once(request, asker, made, deadline)

            left = list(candidates)
            return Opened(await self._walk(left, bill, attempt, deadline=deadline), left)

        with _span(request):
            request = self._catalog.resolve(request, asker.models)
            opened = await proceed(request, request.chain)
        return Stream(opened, request, bill, usage_asked=usage_asked, proceed=proceed if self._options.rescue else None, ended=ended)

    async def embed(self, request: EmbeddingRequest, asker: CallContext, *, receipt: Receipt | None = None) -> Vectors:
        """Embed texts with one model, without fallback. Raises the same errors as `complete`."""

        async def attempt(made: ProviderAttempt) -> Vectors:
            return await self._embeddings.attempt(request, asker, made)

        with traces.span("engine embeddings", gen_ai__operation__name="embeddings"):
            candidate = self._catalog.embedder(request.model, asker.models)
            return await self._walk([candidate], receipt or Receipt(), attempt, deadline=self._deadline())

    async def covers(self, request: ChatRequest, asker: CallContext) -> bool:
        """Tell whether the payer's budget covers an answer of any provider of the chain, without holding or calling anything."""
        for candidate in self._catalog.resolve(request, asker.models).chain:
            if await self._meter.covers(request, asker, candidate):
                return True
        return False

    async def input_tokens(self, request: ChatRequest, allowed: AllowedModels) -> int:
        """Return the most tokens that the prompt may have at any provider of its chain that is allowed. Calls nothing, costs nothing."""
        return max([await self._meter.input_tokens(request, each) for each in self._catalog.resolve(request, allowed).chain])

    async def prepare(self) -> None:
        """Load tokenizers and libraries off the event loop, so that the first request needn't wait for them."""
        await self._catalog.prepare()

    async def close(self) -> None:
        """Wait for settlements that are being written, then close connections."""
        await self._meter.close()
        await self._catalog.close()

    async def _walk(
        self, left: list[ChainProvider], receipt: Receipt, attempt: Callable[[ProviderAttempt], Awaitable[Got]], *, deadline: float
    ) -> Got:
        """Return the result of the first attempt that succeeds; `left` keeps the providers that weren't asked."""
        return await ChainWalk(left, receipt, attempt, admit=self._admit, retries=self._options.retries).run(deadline=deadline)

    def _admit(self, candidate: ChainProvider) -> Ticket | CircuitOpen:
        return self._catalog.breaker(candidate).admit()

    def _listens(self, attempt: ProviderAttempt) -> bool:
        """Tell whether a whole answer should be asked for as a stream, which costs more: a few at a time do, to notice silence."""
        candidate = attempt.candidate
        if not candidate.streams or candidate.name in self._unstreamed:
            return False
        return attempt.ticket.listens(seconds=self._options.timeouts.first_token)

    async def _assemble_once(self, request: ChatRequest, asker: CallContext, attempt: ProviderAttempt, deadline: float) -> CompletionAnswer:
        """Ask for a whole answer as a stream, so that a silent provider is noticed after `first_token`, not after `answer`."""
        upstream, assembly, receipt = await self._begin(request, asker, attempt, deadline), Assembly(), attempt.receipt
        began = perf_counter()
        try:
            async with aclosing(upstream.chunks()) as chunks:
                async for chunk in chunks:
                    assembly.add(chunk)
        finally:
            receipt.upstream_seconds += perf_counter() - began
        attempt.succeeded(upstream.produced.model)
        raw, typed = assembly.body(), assembly.typed()
        if not tells(assembly.reported, upstream.charged):
            raw = answers.with_usage(raw, upstream.charged)
        return CompletionAnswer(raw, receipt, None if typed is None else replace(typed, usage=upstream.charged))

    async def _complete_once(self, request: ChatRequest, asker: CallContext, attempt: ProviderAttempt) -> CompletionAnswer:
        candidate, receipt = attempt.candidate, attempt.receipt
        check(candidate, request)
        held = await self._meter.hold(request, asker, attempt)
        began = perf_counter()
        try:
            call, receipt.dropped = provider_call(candidate, request, held.bounds.max_tokens)
            try:
                async with attempt.waiting(asyncio.get_running_loop().time() + self._options.timeouts.answer):
                    found = await candidate.wire.complete(call)
            except TimeoutError:
                raise provider_errors.timeout("no answer in time") from None
            finally:
                receipt.upstream_seconds += perf_counter() - began
        except BaseException as error:
            await held.fail(error)
            raise
        attempt.succeeded(found.model)
        raw, typed = await self._settled(found, held, candidate)
        return CompletionAnswer(raw, receipt, typed)

    async def _settled(self, found: Completion, held: OpenHold, candidate: ChainProvider) -> tuple[bytes, WholeAnswer | None]:
        """Settle a whole answer and return it: truncated if longer than the hold allows, with a corrected usage if needed."""
        raw, typed, limit = found.raw, found.answer, allowance.max_output(held.bounds)
        try:
            if await OutputCount(limit, model=candidate.model).passed(found.text):
                reason = f"Its answer was longer than the {held.bounds.max_tokens:,} tokens that the request allowed: it was truncated."
                await held.dispute(reason, kind="output", model=found.model)
                raw = await asyncio.to_thread(answers.shortened, raw, allowance.Truncator(limit, model=candidate.model).cut)
                typed = None  # the shorter one is to be read
            else:
                await held.settle(found.usage, found.text, model=found.model)
        except BaseException:
            held.abandon(found.usage, found.text, model=found.model)  # also on cancellation: every hold must end
            raise
        if not tells(found.reported, held.charged):
            raw = answers.with_usage(raw, held.charged)
        return raw, None if typed is None else replace(typed, usage=held.charged)

    async def _begin_once(self, request: ChatRequest, asker: CallContext, attempt: ProviderAttempt, deadline: float) -> Upstream:
        connection = await self._connection(attempt, deadline)
        attempt.ticket.listens(seconds=self._options.timeouts.first_token)  # a stream always does: it counts among the few
        try:
            upstream = await self._begin(request, asker, attempt, deadline)
        except BaseException:
            connection.release()
            raise
        upstream.closed = connection.release
        attempt.succeeded(upstream.produced.model)
        return upstream

    async def _connection(self, attempt: ProviderAttempt, deadline: float) -> ProviderConnection:
        """Take a connection to the attempt's provider, before anything is held or sent."""
        candidate = attempt.candidate
        if (limit := self._limits.get(candidate.name)) is None:
            limit = self._limits[candidate.name] = ConnectionLimit(candidate.connections)
        until = asyncio.get_running_loop().time() + self._options.timeouts.first_token
        return await limit.take(attempt, until=min(until, deadline))

    async def _begin(self, request: ChatRequest, asker: CallContext, attempt: ProviderAttempt, deadline: float) -> Upstream:
        """Open a provider's stream and read up to its first token. The stream ends the hold."""
        candidate, receipt = attempt.candidate, attempt.receipt
        check(candidate, request)
        held = await self._meter.hold(request, asker, attempt)
        try:
            call, receipt.dropped = provider_call(candidate, request, held.bounds.max_tokens)
        except BaseException as error:
            await held.fail(error)  # from the stream's making on, it ends the hold
            raise
        choices = int(call.parameters.get("n") or 1)
        stream = candidate.wire.stream(call)
        upstream = Upstream(attempt, held, stream, self._options.timeouts, deadline, choices=choices)
        try:
            await upstream.begin()
        finally:
            receipt.upstream_seconds += upstream.waited
        return upstream

    def _deadline(self) -> float:
        return asyncio.get_running_loop().time() + self._options.timeouts.total


def _refuses_streams(fault: ProviderError) -> bool:
    return fault.kind == "caller" and (fault.param == "stream" or "stream" in fault.message.lower())


def _span(request: ChatRequest) -> traces.Span:
    span = traces.span("engine chat", gen_ai__operation__name="chat")
    if traces.content():
        words = msgspec.json.encode(request.messages).decode()[: traces.MAX_CONTENT_CHARS]
        span.set(gen_ai__input__messages=redact(words).text)
    return span

"""One provider's embedding calls: requests at the same time share one, each with a hold of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import perf_counter

from app.budget.prices import TokenUsage
from app.inference import provider_errors
from app.inference.attempts import ProviderAttempt
from app.inference.chain import ChainProvider
from app.inference.embedding_batcher import BatchShare, BatchSlot, EmbeddingBatcher
from app.inference.meter import Meter
from app.inference.provider_errors import ProviderError
from app.inference.request import CallContext, EmbeddingRequest, Vectors
from app.inference.wires.wire import EmbeddingResult
from app.settings import InferenceSettings

MAX_TEXTS_PER_CALL = 256


class EmbeddingCalls:
    """Makes attempts at embedding. `batchers`: by model and dimensions."""

    def __init__(self, meter: Meter, options: InferenceSettings) -> None:
        self._meter = meter
        self._options = options
        self.batchers: dict[tuple[str, int | None], EmbeddingBatcher] = {}

    async def attempt(self, request: EmbeddingRequest, asker: CallContext, attempt: ProviderAttempt) -> Vectors:
        """Return the texts' vectors. Raises ProviderError, BudgetExceeded or DatabaseUnavailable."""
        texts, candidate = list(request.texts), attempt.candidate
        held = await self._meter.hold_texts(texts, asker, attempt)
        slot = self._batcher(candidate, request.dimensions).seat(texts, held_tokens=held.bounds.input_tokens)
        try:
            share = await self._share(slot, attempt)
        except BaseException as error:
            await held.fail(error if slot.sent else provider_errors.unreachable("it was never sent"))
            raise
        attempt.succeeded(share.model)
        await held.settle(None if share.tokens is None else TokenUsage(input=share.tokens), "", model=share.model)
        return Vectors(share.vectors, held.charged.input, attempt.receipt)

    async def _share(self, slot: BatchSlot, attempt: ProviderAttempt) -> BatchShare:
        began = perf_counter()
        try:
            # The built-in model bounds its own queue; the request's total deadline applies to both.
            async with asyncio.timeout(None if attempt.candidate.profile.runs_here else self._options.timeouts.answer):
                return await slot.future
        except TimeoutError:
            raise provider_errors.timeout("no vectors in time") from None
        finally:
            attempt.receipt.upstream_seconds += perf_counter() - began

    def _batcher(self, candidate: ChainProvider, dimensions: int | None) -> EmbeddingBatcher:
        """Return the batcher for this provider, model and dimensions."""
        key = candidate.model, dimensions
        if key not in self.batchers:
            parameters = {} if dimensions is None else {"dimensions": dimensions}

            async def call(texts: list[str]) -> EmbeddingResult:
                return await in_parts(candidate, texts, parameters)

            options = self._options
            # The built-in model batches by itself, fairly between requesters, so it must see each request alone.
            max_requests = 1 if candidate.profile.runs_here else options.embeddings_requests
            self.batchers[key] = EmbeddingBatcher(call, max_requests=max_requests, seconds=options.embeddings_milliseconds / 1000)
        return self.batchers[key]


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

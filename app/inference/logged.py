"""Recording wrapper of the engine: a row of the request log for each request, and the metrics of its answer, whatever the outcome.

It stands inside the cache, not around it: an answer that several wait for is one call, paid by the first, and goes on if the first leaves.
What the cache answers by itself it records by itself, with the same recorder.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from app.budget.requests import RequestLog, RequestOutcome, RequestRecord
from app.inference.allowed_models import AllowedModels
from app.inference.engine import InferenceEngine
from app.inference.outcomes import outcome_of
from app.inference.request import CallContext, ChatRequest, CompletionAnswer, EmbeddingRequest, Receipt, Vectors
from app.inference.stream import Stream
from app.telemetry import measures, metrics


class RequestRecorder:
    """Writes one row of the request log per request, and counts its answer."""

    def __init__(self, requests: RequestLog) -> None:
        self._requests = requests

    def record(
        self, request: ChatRequest | EmbeddingRequest, asker: CallContext, receipt: Receipt, began: float, *, outcome: RequestOutcome
    ) -> None:
        """Record a request's end; where its cost is still being settled, once that is known. `began`: by `perf_counter`."""
        seconds = perf_counter() - began
        if outcome is RequestOutcome.ANSWERED:
            operation = "chat" if isinstance(request, ChatRequest) else "embeddings"
            metrics.answered(operation, receipt.provider, receipt.asked_model, cache=receipt.cache, seconds=seconds)
        if receipt.settling is None or receipt.settling.done():
            self._requests.add(_record(request, asker, receipt, seconds, outcome))
        else:
            receipt.settling.add_done_callback(lambda _: self._requests.add(_record(request, asker, receipt, seconds, outcome)))

    @contextmanager
    def recording(self, request: ChatRequest | EmbeddingRequest, asker: CallContext, receipt: Receipt) -> Iterator[None]:
        """Record a request as the block ends."""
        began = perf_counter()
        try:
            yield
        except BaseException as error:
            self.record(request, asker, receipt, began, outcome=outcome_of(error))
            raise
        self.record(request, asker, receipt, began, outcome=RequestOutcome.ANSWERED)


def _record(
    request: ChatRequest | EmbeddingRequest, asker: CallContext, receipt: Receipt, seconds: float, outcome: RequestOutcome
) -> RequestRecord:
    tokens, origin = receipt.charged, asker.origin
    return RequestRecord(
        request_id=asker.request_id,
        developer_id=asker.developer_id,
        team_id=asker.team_id,
        purpose=asker.purpose,
        project=asker.project,
        session=origin.session,
        agent=origin.agent,
        parent_agent=origin.parent_agent,
        model_asked=request.model if request.model.isprintable() else "",
        provider=receipt.provider or None,
        model_answered=receipt.model or None,
        attempts=receipt.attempts,
        cache=receipt.cache,
        input_tokens=tokens.input,
        output_tokens=tokens.output,
        cached_input_tokens=tokens.cached_input,
        nanousd=receipt.nanousd,
        saved_nanousd=receipt.saved or 0,
        milliseconds=round(seconds * 1000),
        status=outcome,
    )


class LoggedEngine:
    """The engine's operations, each recorded."""

    def __init__(self, engine: InferenceEngine, recorder: RequestRecorder) -> None:
        self._engine = engine
        self._recorder = recorder

    async def complete(self, request: ChatRequest, asker: CallContext) -> CompletionAnswer:
        receipt, began = Receipt(), perf_counter()
        with self._recorder.recording(request, asker, receipt):
            answer = await self._engine.complete(request, asker, receipt=receipt)
            measures.answer_seconds.observe(perf_counter() - began, (receipt.provider,))
            return answer

    async def open_stream(self, request: ChatRequest, asker: CallContext, *, usage_asked: bool = False) -> Stream:
        """Open a stream; its row is written as it ends."""
        receipt, began = Receipt(), perf_counter()
        spoke: float | None = None

        def ended(outcome: RequestOutcome) -> None:
            if outcome is RequestOutcome.ANSWERED and spoke is not None and receipt.charged.output > 1:
                each = (perf_counter() - spoke) / (receipt.charged.output - 1)
                measures.per_token_seconds.observe(each, ("chat", receipt.provider, receipt.asked_model))
            self._recorder.record(request, asker, receipt, began, outcome=outcome)

        try:
            stream = await self._engine.open_stream(request, asker, usage_asked=usage_asked, receipt=receipt, ended=ended)
        except BaseException as error:
            ended(outcome_of(error))
            raise
        spoke = perf_counter()
        metrics.first_token(receipt.provider, receipt.asked_model, spoke - began)
        return stream

    async def embed(self, request: EmbeddingRequest, asker: CallContext) -> Vectors:
        receipt = Receipt()
        with self._recorder.recording(request, asker, receipt):
            return await self._engine.embed(request, asker, receipt=receipt)

    async def covers(self, request: ChatRequest, asker: CallContext) -> bool:
        return await self._engine.covers(request, asker)

    async def input_tokens(self, request: ChatRequest, allowed: AllowedModels) -> int:
        return await self._engine.input_tokens(request, allowed)

    async def prepare(self) -> None:
        await self._engine.prepare()

    async def close(self) -> None:
        await self._engine.close()

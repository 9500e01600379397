"""The stream that a caller reads: one provider's chunks and, if it breaks, the next provider's answer joined to them, or an error."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import msgspec
import structlog

from app.budget.prices import TokenUsage
from app.budget.requests import RequestOutcome
from app.errors import AllProvidersFailed, CairnError
from app.inference import answers, cached_answer
from app.inference.answers import Chunk
from app.inference.chain import ChainProvider
from app.inference.provider_errors import ProviderError
from app.inference.request import ChatRequest, Receipt
from app.inference.stream_joining import MIN_CONTINUED_CHARS, AnswerMismatch, StreamJoiner
from app.inference.upstream import Upstream
from app.money import to_usd
from app.telemetry import metrics
from app.tokens import count_text

log = structlog.get_logger()


class BrokenStream(AllProvidersFailed):
    """A stream broke after its first token, and could not be continued."""

    code = "stream_broken"


class StreamPiece(NamedTuple):
    """One event. `text`: all of its content, if it is text only; then it may be re-sent in another chunk. None otherwise."""

    raw: bytes
    text: str | None


@dataclass(frozen=True, slots=True)
class Opened:
    """A stream that has begun, and the providers that could continue it."""

    upstream: Upstream
    left: Sequence[ChainProvider]


Continue = Callable[[ChatRequest, Sequence[ChainProvider]], Awaitable[Opened]]
"""Open a stream at one of these candidates."""


class Stream:
    """A stream that has begun, so its headers are known. Yields each chunk's JSON, and last the usage if asked for."""

    def __init__(
        self,
        opened: Opened,
        request: ChatRequest,
        receipt: Receipt,
        *,
        usage_asked: bool,
        proceed: Continue | None,
        ended: Callable[[RequestOutcome], None],
    ) -> None:
        self.receipt = receipt
        self._opened = opened
        self._request = request
        self._usage_asked = usage_asked
        self._proceed = proceed
        self._ended = ended
        self._delivered: list[str] = []
        self.head: dict[str, Any] = {}
        """Fields common to its chunks (id, model …), known from the first one on."""
        self._bare = True
        self._totals = TokenUsage()

    async def events(self) -> AsyncGenerator[bytes]:
        """Yield each chunk's JSON. Raises BrokenStream if it can't be completed: what was delivered stays, and was paid."""
        async with aclosing(self.pieces()) as pieces:
            async for piece in pieces:
                yield piece.raw
        if self._usage_asked:
            yield self.usage(self.receipt)

    async def pieces(self) -> AsyncGenerator[StreamPiece]:
        """Yield the pieces without the final usage event."""
        outcome = RequestOutcome.CALLER_LEFT
        try:
            async with aclosing(self._chunks()) as chunks:
                async for piece in chunks:
                    yield piece
            outcome = RequestOutcome.ANSWERED
        except CairnError:
            outcome = RequestOutcome.PROVIDERS_FAILED
            raise
        finally:
            self._ended(outcome)

    async def abandon(self) -> None:
        """End the stream unread: it is settled from what was produced."""
        await self._opened.upstream.abandon()
        self._ended(RequestOutcome.CALLER_LEFT)

    def usage(self, receipt: Receipt) -> bytes:
        """Return the usage event: the tokens of all attempts, and this receipt's cost. Known once the pieces are exhausted."""
        return msgspec.json.encode({**self.head, "choices": [], "usage": {**self._tokens(), **summary(receipt)}})

    def whole(self) -> bytes | None:
        """Return the answer whole, once the pieces are exhausted; None if it was cut short or is more than text."""
        finish = self._opened.upstream.produced.finish
        return cached_answer.whole(self.head, "".join(self._delivered), finish, self._tokens()) if self._bare and finish else None

    async def _chunks(self) -> AsyncGenerator[StreamPiece]:
        joiner: StreamJoiner | None = None
        while True:
            upstream = self._opened.upstream
            try:
                async with aclosing(upstream.chunks()) as chunks:
                    async for chunk in chunks:
                        piece = self._passed_on(chunk) if joiner is None else self._joined(chunk, joiner)
                        if piece is not None:
                            yield piece
            except ProviderError as fault:
                self._count(upstream)
                log.warning("stream.broke", provider=upstream.candidate.name, kind=fault.kind, reason=fault.message)
                joiner = await self._rescue(fault)
            except AnswerMismatch:
                metrics.stream_rescued("different")
                raise self._broken("The stream broke, and the next provider's answer differs from what was delivered") from None
            else:
                self._count(upstream)
                return

    async def _rescue(self, fault: ProviderError) -> StreamJoiner:
        """Open a stream at the next provider, and return how to join it. Raises BrokenStream if that can't be done."""
        whole = self._opened.upstream.produced
        text = "".join(self._delivered)
        if self._proceed is None or not whole.plain or self._request.choices > 1 or not text or not self._opened.left:
            raise self._broken(f"The provider's stream broke: {fault.message}") from fault
        left = self._opened.left
        try:
            if left[0].prefill and len(text.strip()) >= MIN_CONTINUED_CHARS:
                try:
                    self._opened = await self._proceed(self._continuing(text), left[:1])
                except CairnError as error:
                    log.info("stream.no_continuation", provider=left[0].name, code=error.code)
                else:
                    self._opened = replace(self._opened, left=left[1:])
                    metrics.stream_rescued("continued")
                    return StreamJoiner(text, prefilled=True)
            self._opened = await self._proceed(self._request, left)
        except CairnError as error:
            metrics.stream_rescued("failed")
            raise self._broken(f"The provider's stream broke, and no other provider continued it: {error.message}") from fault
        metrics.stream_rescued("restarted")
        return StreamJoiner(text, prefilled=False)

    def _continuing(self, text: str) -> ChatRequest:
        """Return the request with the partial answer as prefill, for the tokens that remain."""
        partial = {"role": "assistant", "content": text.rstrip()}
        max_tokens = self._request.max_tokens
        return replace(
            self._request,
            messages=[*self._request.messages, partial],
            max_tokens=None if max_tokens is None else max(1, max_tokens - count_text(text)),
            bytes=self._request.bytes + len(text),
        )

    def _passed_on(self, chunk: Chunk) -> StreamPiece | None:
        """Pass a chunk on as the provider sent it, without its usage: ours comes at the end."""
        if not self.head:
            self.head = {name: chunk.data.get(name) for name in ("id", "object", "created", "model")}
        if chunk.text:
            self._delivered.append(chunk.text)
        if chunk.usage is not None and not chunk.data.get("choices"):
            return None
        bare = chunk.bare
        self._bare = self._bare and bare
        return StreamPiece(answers.without_usage(chunk), chunk.text if bare and chunk.finish is None else None)

    def _joined(self, chunk: Chunk, joiner: StreamJoiner) -> StreamPiece | None:
        """Return what of the next provider's chunk follows the delivered text, under the first stream's id."""
        text = joiner.feed(chunk.text) if chunk.text else ""
        if chunk.finish is not None:
            text += joiner.end()
        if not chunk.plain:
            raise AnswerMismatch
        if text:
            self._delivered.append(text)
        if not text and chunk.finish is None:
            return None
        delta = {"content": text} if text else {}
        choice = {"index": 0, "delta": delta, "finish_reason": chunk.finish}
        return StreamPiece(msgspec.json.encode({**self.head, "choices": [choice]}), text if chunk.finish is None else None)

    def _count(self, upstream: Upstream) -> None:
        """Add a charged attempt's tokens to the final usage."""
        self._totals += upstream.charged

    def _tokens(self) -> dict[str, Any]:
        return answers.usage_object(self._totals)

    def _broken(self, message: str) -> BrokenStream:
        return BrokenStream(f"{message}. The text delivered so far was charged. Send the request again for a whole answer.")


def summary(receipt: Receipt) -> dict[str, Any]:
    """Return the cost fields of a stream's final usage event."""
    return {
        "cost_usd": to_usd(receipt.nanousd),
        "budget_remaining_usd": None if receipt.left is None else to_usd(max(0, receipt.left)),
        "provider": receipt.provider,
        "attempts": receipt.attempts,
        **({} if receipt.saved is None else {"saved_usd": to_usd(receipt.saved)}),
    }

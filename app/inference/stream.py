"""What the caller of a stream reads: one provider's chunks, and if it breaks in the middle the next one's, joined or not at all."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import msgspec
import structlog

from app.budget.prices import Usage
from app.budget.requests import RequestOutcome
from app.errors import AllProvidersFailed, CairnError
from app.inference import answers, stored
from app.inference.answers import Chunk
from app.inference.chain import Candidate
from app.inference.faults import Fault
from app.inference.request import ChatRequest, Receipt
from app.inference.rescue import LEAST_CONTINUED_CHARS, Different, Joiner
from app.inference.upstream import Upstream
from app.money import to_usd
from app.telemetry import metrics
from app.tokens import count_text

log = structlog.get_logger()


class Broken(AllProvidersFailed):
    """A stream broke after its first token, and could not be continued."""

    code = "stream_broken"


class Piece(NamedTuple):
    """One event. `text`: all that it says, where that is text and nothing else; so it can be said in another chunk."""

    raw: bytes
    text: str | None


@dataclass(frozen=True, slots=True)
class Opened:
    """A stream that has begun, and who could continue it."""

    upstream: Upstream
    left: Sequence[Candidate]


Continue = Callable[[ChatRequest, Sequence[Candidate]], Awaitable[Opened]]
"""Open the next stream, at one of these."""


class Stream:
    """Begun: the headers are known. `events` are the JSON of each chunk; the last one holds the usage, where it was asked for."""

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
        """What its chunks have in common: id, model …; known with the first one."""
        self._bare = True
        self._totals = Usage()

    async def events(self) -> AsyncGenerator[bytes]:
        """Broken, when it can't be brought to its end: what was delivered stays, and was paid."""
        async with aclosing(self.pieces()) as pieces:
            async for piece in pieces:
                yield piece.raw
        if self._usage_asked:
            yield self.usage(self.receipt)

    async def pieces(self) -> AsyncGenerator[Piece]:
        """The same without the usage, each with its text."""
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
        """Nobody will read it."""
        await self._opened.upstream.abandon()
        self._ended(RequestOutcome.CALLER_LEFT)

    def usage(self, receipt: Receipt) -> bytes:
        """The last event: the tokens of all attempts, and what they cost whom the receipt is for. Known once the pieces are over."""
        return msgspec.json.encode({**self.head, "choices": [], "usage": {**self._tokens(), **summary(receipt)}})

    def whole(self) -> bytes | None:
        """The answer in one piece, once the pieces are over. None: it isn't whole, or more than text."""
        finish = self._opened.upstream.produced.finish
        return stored.whole(self.head, "".join(self._delivered), finish, self._tokens()) if self._bare and finish else None

    async def _chunks(self) -> AsyncGenerator[Piece]:
        joiner: Joiner | None = None
        while True:
            upstream = self._opened.upstream
            try:
                async with aclosing(upstream.chunks()) as chunks:
                    async for chunk in chunks:
                        piece = self._first(chunk) if joiner is None else self._joined(chunk, joiner)
                        if piece is not None:
                            yield piece
            except Fault as fault:
                self._count(upstream)
                log.warning("stream.broke", provider=upstream.candidate.name, kind=fault.kind, reason=fault.message)
                joiner = await self._rescue(fault)
            except Different:
                metrics.stream_rescued("different")
                raise self._broken("The next provider gave another answer") from None
            else:
                self._count(upstream)
                return

    async def _rescue(self, fault: Fault) -> Joiner:
        """The next provider's stream, and how it is to be joined."""
        whole = self._opened.upstream.produced
        text = "".join(self._delivered)
        if self._proceed is None or not whole.plain or self._request.choices > 1 or not text or not self._opened.left:
            raise self._broken(f"The provider's stream broke: {fault.message}") from fault
        left = self._opened.left
        try:
            if left[0].prefill and len(text.strip()) >= LEAST_CONTINUED_CHARS:
                try:
                    self._opened = await self._proceed(self._continuing(text), left[:1])
                except CairnError as error:
                    log.info("stream.no_continuation", provider=left[0].name, code=error.code)
                else:
                    self._opened = replace(self._opened, left=left[1:])
                    metrics.stream_rescued("continued")
                    return Joiner(text, prefilled=True)
            self._opened = await self._proceed(self._request, left)
        except CairnError as error:
            metrics.stream_rescued("failed")
            raise self._broken(f"The provider's stream broke, and no other continued it: {error.message}") from fault
        metrics.stream_rescued("restarted")
        return Joiner(text, prefilled=False)

    def _continuing(self, text: str) -> ChatRequest:
        """The same prompt with the partial answer at its end, for as many tokens as are left."""
        partial = {"role": "assistant", "content": text.rstrip()}
        most = self._request.max_tokens
        return replace(
            self._request,
            messages=[*self._request.messages, partial],
            max_tokens=None if most is None else max(1, most - count_text(text)),
            bytes=self._request.bytes + len(text),
        )

    def _first(self, chunk: Chunk) -> Piece | None:
        """As the provider sent it; its usage comes at the end, from us."""
        if not self.head:
            self.head = {name: chunk.data.get(name) for name in ("id", "object", "created", "model")}
        if chunk.text:
            self._delivered.append(chunk.text)
        if chunk.usage is not None and not chunk.data.get("choices"):
            return None
        bare = chunk.bare
        self._bare = self._bare and bare
        return Piece(answers.unbilled(chunk), chunk.text if bare and chunk.finish is None else None)

    def _joined(self, chunk: Chunk, joiner: Joiner) -> Piece | None:
        """Of another provider's answer: what follows what was delivered, under the first one's id."""
        text = joiner.feed(chunk.text) if chunk.text else ""
        if chunk.finish is not None:
            text += joiner.end()
        if not chunk.plain:
            raise Different
        if text:
            self._delivered.append(text)
        if not text and chunk.finish is None:
            return None
        delta = {"content": text} if text else {}
        choice = {"index": 0, "delta": delta, "finish_reason": chunk.finish}
        return Piece(msgspec.json.encode({**self.head, "choices": [choice]}), text if chunk.finish is None else None)

    def _count(self, upstream: Upstream) -> None:
        """Tokens of every attempt that was charged, for the usage at the end."""
        each, so_far = upstream.charged, self._totals
        self._totals = Usage(
            input=so_far.input + each.input, output=so_far.output + each.output, cached_input=so_far.cached_input + each.cached_input
        )

    def _tokens(self) -> dict[str, Any]:
        return answers.usage_object(self._totals)

    def _broken(self, message: str) -> Broken:
        return Broken(f"{message}. What came before it was delivered and paid.")


def summary(receipt: Receipt) -> dict[str, Any]:
    """What of a receipt stands in the usage of a stream's last chunk."""
    return {
        "cost_usd": to_usd(receipt.nanousd),
        "budget_remaining_usd": None if receipt.left is None else to_usd(max(0, receipt.left)),
        "provider": receipt.provider,
        "attempts": receipt.attempts,
        **({} if receipt.saved is None else {"saved_usd": to_usd(receipt.saved)}),
    }

"""What the caller of a stream reads: one provider's chunks, and if it breaks in the middle the next one's, joined or not at all."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import structlog

from app.errors import AllProvidersFailed, CairnError
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
        ended: Callable[[int], None],
    ) -> None:
        self.receipt = receipt
        self._opened = opened
        self._request = request
        self._usage_asked = usage_asked
        self._proceed = proceed
        self._ended = ended
        self._delivered: list[str] = []
        self._head: dict[str, Any] = {}
        self._totals = [0, 0, 0]

    async def events(self) -> AsyncGenerator[bytes]:
        """Broken, when it can't be brought to its end: what was delivered stays, and was paid."""
        status = 499
        try:
            async with aclosing(self._chunks()) as chunks:
                async for raw in chunks:
                    yield raw
            status = 200
            if self._usage_asked:
                yield self._usage()
        except CairnError:
            status = 502
            raise
        finally:
            self._ended(status)

    async def abandon(self) -> None:
        """Nobody will read it."""
        await self._opened.upstream.abandon()
        self._ended(499)

    async def _chunks(self) -> AsyncGenerator[bytes]:
        joiner: Joiner | None = None
        while True:
            upstream = self._opened.upstream
            try:
                async with aclosing(upstream.chunks()) as chunks:
                    async for chunk in chunks:
                        raw = self._first(chunk) if joiner is None else self._joined(chunk, joiner)
                        if raw is not None:
                            yield raw
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

    def _first(self, chunk: Chunk) -> bytes | None:
        """As the provider sent it; its usage comes at the end, from us."""
        if not self._head:
            self._head = {name: chunk.data.get(name) for name in ("id", "object", "created", "model")}
        if chunk.text:
            self._delivered.append(chunk.text)
        return None if chunk.usage is not None and not chunk.data.get("choices") else chunk.raw

    def _joined(self, chunk: Chunk, joiner: Joiner) -> bytes | None:
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
        return msgspec.json.encode({**self._head, "choices": [choice]})

    def _count(self, upstream: Upstream) -> None:
        """Tokens of every attempt that was charged, for the usage at the end."""
        usage = upstream.charged
        self._totals = [self._totals[0] + usage.input, self._totals[1] + usage.output, self._totals[2] + usage.cached_input]

    def _usage(self) -> bytes:
        prompt, produced, cached = self._totals
        usage = {
            "prompt_tokens": prompt,
            "completion_tokens": produced,
            "total_tokens": prompt + produced,
            "prompt_tokens_details": {"cached_tokens": cached},
            **summary(self.receipt),
        }
        return msgspec.json.encode({**self._head, "choices": [], "usage": usage})

    def _broken(self, message: str) -> Broken:
        return Broken(f"{message}. What came before it was delivered and paid.")


def summary(receipt: Receipt) -> dict[str, Any]:
    """What of a receipt stands in the usage of a stream's last chunk."""
    return {
        "cost_usd": to_usd(receipt.nanousd),
        "budget_remaining_usd": None if receipt.left is None else to_usd(max(0, receipt.left)),
        "provider": receipt.provider,
        "attempts": receipt.attempts,
    }

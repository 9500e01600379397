"""A cached answer, replayed as a stream."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import msgspec

from app.budget.prices import TokenUsage
from app.inference import cached_answer
from app.inference.cached_answer import CachedAnswer
from app.inference.request import Receipt
from app.inference.stream import StreamPiece, summary
from app.inference.usage import reply_usage


class Replay:
    """Yields the chunks of a cached answer, and last its usage if asked for."""

    def __init__(self, kept: CachedAnswer, receipt: Receipt, *, usage_asked: bool) -> None:
        self.receipt = receipt
        self._whole = msgspec.json.decode(kept.body)
        self._usage_asked = usage_asked
        receipt.input_tokens = self.charged.input

    @property
    def charged(self) -> TokenUsage:
        """The tokens that were charged when the answer was made."""
        return reply_usage(self._whole) or TokenUsage()

    async def pieces(self) -> AsyncGenerator[StreamPiece]:
        for chunk in cached_answer.chunks(self._whole):
            yield StreamPiece(chunk, None)

    async def events(self) -> AsyncGenerator[bytes]:
        for chunk in cached_answer.chunks(self._whole):
            yield chunk
        if self._usage_asked:
            whole = self._whole
            head = {"id": whole.get("id"), "object": "chat.completion.chunk", "created": whole.get("created"), "model": whole.get("model")}
            usage = {**(whole.get("usage") or {}), **summary(self.receipt)}
            yield msgspec.json.encode({**head, "choices": [], "usage": usage})

    async def abandon(self) -> None:
        return None

"""The interfaces that the engine, its wrappers and their streams share: whoever calls one needn't know how many stand behind it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from app.budget.prices import TokenUsage
from app.inference.allowed_models import AllowedModels
from app.inference.request import CallContext, ChatRequest, CompletionAnswer, EmbeddingRequest, Receipt, Vectors
from app.inference.stream import StreamPiece


class ChunkStream(Protocol):
    """A stream that has begun, so its receipt tells who answers. Read it to its end, close it, or call `abandon` unread."""

    receipt: Receipt

    @property
    def charged(self) -> TokenUsage:
        """The tokens that were charged, of all attempts; known once the stream is exhausted."""

    def events(self) -> AsyncGenerator[bytes]:
        """Yield each chunk of Chat Completions as JSON, and last the usage if asked for. Raises BrokenStream: what came was paid."""

    def pieces(self) -> AsyncGenerator[StreamPiece]:
        """Yield the same without the usage, and with the typed events of providers of other dialects."""

    async def abandon(self) -> None:
        """End the stream unread: it is settled from what was produced."""


class ChatEngine(Protocol):
    """The engine, or a wrapper of it."""

    async def complete(self, request: ChatRequest, asker: CallContext) -> CompletionAnswer: ...

    async def open_stream(self, request: ChatRequest, asker: CallContext, *, usage_asked: bool = False) -> ChunkStream: ...

    async def embed(self, request: EmbeddingRequest, asker: CallContext) -> Vectors: ...

    async def covers(self, request: ChatRequest, asker: CallContext) -> bool: ...

    async def input_tokens(self, request: ChatRequest, allowed: AllowedModels) -> int: ...

    async def prepare(self) -> None: ...

    async def close(self) -> None: ...

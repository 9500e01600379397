"""Answer typed conversations: each is written as Chat Completions for the engine, with the typed one beside it, and what comes back is read
into the typed answer where it isn't typed already.

Money, chain, breakers, caches, the log and the rescue of streams are the engine's own, so they are the same for every dialect. Knows no
caller's dialect.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import msgspec

from app.budget.prices import TokenUsage
from app.errors import AllProvidersFailed, InvalidInput
from app.inference.allowance import off_the_loop
from app.inference.allowed_models import AllowedModels
from app.inference.answer_events import AnswerEvent, WholeAnswer
from app.inference.chat_engine import ChatEngine, ChunkStream
from app.inference.conversation import Conversation
from app.inference.dialects.chat import CHAT
from app.inference.piece_reading import PieceReader
from app.inference.provider_errors import ProviderError
from app.inference.request import CacheMode, CallContext, ChatRequest, OriginalRequest, Receipt
from app.inference.stream import BrokenStream, StreamPiece
from app.inference.transform import AnswerTransform, ConversationTransform, apply_all

MAX_PRODUCED_TOKENS = 2**20
"""The sum over all choices: the budget hold before the call covers this many."""
OPTIONAL = frozenset({"reasoning_effort", "verbosity"})
"""Parameters that agents always send, whatever the model: left out where it isn't known to take them."""


class AnswerStream(Protocol):
    """A stream that has begun, so its receipt tells who answers. Read `events` to its end, close it, or call `abandon` unread."""

    receipt: Receipt

    @property
    def charged(self) -> TokenUsage:
        """The tokens that were charged, of all attempts; known once the events are exhausted."""

    def events(self) -> AsyncGenerator[AnswerEvent]:
        """Yield the answer's events. Raises BrokenStream if it can't be completed: what was delivered was paid."""

    async def abandon(self) -> None:
        """End the stream unread."""


class ConversationEngine:
    """The engine's operations on typed conversations. `transforms` change each request in order, and its answer in reverse."""

    def __init__(self, engine: ChatEngine, transforms: Sequence[ConversationTransform] = ()) -> None:
        self._engine = engine
        self._transforms = transforms

    async def complete(
        self,
        conversation: Conversation,
        context: CallContext,
        *,
        size: int = 0,
        cache: CacheMode = "auto",
        original: OriginalRequest | None = None,
    ) -> tuple[WholeAnswer, Receipt]:
        """Return a whole answer. `size`: of the request as received, in bytes; 0: unknown. `original`: the request as received.

        Raises InvalidInput for what can't be sent, else the same errors as `InferenceEngine.complete`.
        """
        sent = await self._written(conversation, size=size, cache=cache, original=original)
        answer = await self._engine.complete(sent.request, context)
        if answer.typed is not None:
            return sent.undoing.answer(answer.typed), answer.receipt
        try:
            return sent.undoing.answer(CHAT.read_answer(msgspec.json.decode(answer.body), sent.conversation)), answer.receipt
        except ProviderError as fault:
            said = f"The answer of {answer.receipt.provider} can't be read: {fault.message}."
            raise AllProvidersFailed(f"{said} Send the request again.") from fault

    async def open_stream(
        self,
        conversation: Conversation,
        context: CallContext,
        *,
        size: int = 0,
        cache: CacheMode = "auto",
        original: OriginalRequest | None = None,
    ) -> AnswerStream:
        """Open a stream and wait for its first token. Raises the same errors as `complete`."""
        sent = await self._written(conversation, size=size, cache=cache, original=original)
        return ConversationStream(await self._engine.open_stream(sent.request, context), PieceReader(sent.conversation), sent.undoing)

    async def input_tokens(
        self, conversation: Conversation, *, size: int = 0, original: OriginalRequest | None = None, allowed: AllowedModels = None
    ) -> int:
        """Return the most tokens that the prompt may have, by our own count. Costs nothing. InvalidInput for what can't be sent.

        `allowed`: the models that the key may ask for; NotPermitted for any other.
        """
        sent = await self._written(conversation, size=size, cache="never", original=original)
        return await self._engine.input_tokens(sent.request, allowed)

    async def _written(self, conversation: Conversation, *, size: int, cache: CacheMode, original: OriginalRequest | None = None) -> _Sent:
        return await off_the_loop(partial(_write, self._transforms, conversation, size=size, cache=cache, original=original), size)


class ConversationStream:
    """The typed view of one of the engine's streams."""

    def __init__(self, stream: ChunkStream, reader: PieceReader, undoing: AnswerTransform) -> None:
        self.receipt = stream.receipt
        self._stream = stream
        self._reader = reader
        self._undoing = undoing

    @property
    def charged(self) -> TokenUsage:
        return self._stream.charged

    async def events(self) -> AsyncGenerator[AnswerEvent]:
        async with aclosing(self._stream.pieces()) as pieces:
            async for piece in pieces:
                for event in self._read(self._piece(piece)):
                    yield event
        for event in self._read(self._reader.end()):
            yield event
        for event in self._undoing.end():
            yield event

    async def abandon(self) -> None:
        await self._stream.abandon()

    def _piece(self, piece: StreamPiece) -> Iterator[AnswerEvent]:
        return self._reader.plain(msgspec.json.decode(piece.raw)) if piece.events is None else self._reader.typed(piece.events)

    def _read(self, events: Iterator[AnswerEvent]) -> Iterator[AnswerEvent]:
        try:
            for event in events:
                yield from self._undoing.event(event)
        except ProviderError as fault:
            said = f"The stream of {self.receipt.provider} can't be read: {fault.message}."
            raise BrokenStream(f"{said} What was delivered so far was charged. Send the request again for a whole answer.") from fault


@dataclass(frozen=True, slots=True)
class _Sent:
    """A conversation as it is sent, the engine's request for it, and what undoes the transforms."""

    conversation: Conversation
    request: ChatRequest
    undoing: AnswerTransform


def _write(
    transforms: Sequence[ConversationTransform],
    conversation: Conversation,
    *,
    size: int,
    cache: CacheMode,
    original: OriginalRequest | None,
) -> _Sent:
    sent, undoing = apply_all(transforms, conversation)
    if sent is not conversation:  # a hold is bounded by the size of what is sent, which may have grown
        size, original = 0, original and original.rewritten()
    return _Sent(sent, chat_request(sent, size=size, cache=cache, original=original), undoing)


def chat_request(conversation: Conversation, *, size: int, cache: CacheMode, original: OriginalRequest | None = None) -> ChatRequest:
    """Return the engine's request, which also names what Chat Completions can't say. Raises InvalidInput for what can't be sent."""
    options = conversation.options
    if options.choices * (options.max_tokens or 1) > MAX_PRODUCED_TOKENS:
        raise InvalidInput(
            f"max_tokens, times n where that is given, is above {MAX_PRODUCED_TOKENS:,}: ask for less at a time.", param="max_tokens"
        )
    written = CHAT.write_request(conversation)
    body: Mapping[str, Any] = written.body
    return ChatRequest(
        model=conversation.model,
        messages=body["messages"],
        parameters=body,
        max_tokens=options.max_tokens,
        choices=options.choices,
        bytes=size or len(msgspec.json.encode(body)),
        cache=cache,
        optional=frozenset() if conversation.dialect == "chat" else OPTIONAL,
        conversation=conversation,
        original=original,
        lost=written.dropped,
    )

"""Client for providers of another dialect than Chat Completions, over one pooled HTTP client: requests come written, answers leave typed.

What differs from vendor to vendor is a `VendorFormat`: its dialect, addresses and headers. Nothing is asked twice, and nothing is made up.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import replace
from typing import Any, Protocol

import aiohttp
import msgspec

from app import clock
from app.inference import answers, provider_errors
from app.inference.answer_events import AnswerEvent, WholeAnswer, events_of
from app.inference.answers import Chunk, Completion
from app.inference.dialects.chat import CHAT
from app.inference.dialects.dialect import EventReader, ProviderDialect
from app.inference.provider_errors import ProviderError, malformed
from app.inference.wires.pool import Pool
from app.inference.wires.split_characters import decode_event
from app.inference.wires.sse import Events
from app.inference.wires.typed_chunks import TypedChunks
from app.inference.wires.wire import EmbeddingResult, ProviderCall, WrittenCall

EVENT_STREAM = "text/event-stream"


class VendorFormat(Protocol):
    """One vendor's HTTP interface, beyond its dialect."""

    dialect: ProviderDialect

    def headers(self, key: str | None) -> Mapping[str, str]:
        """Return the headers of every request, the key among them."""

    def url(self, base: str | None, model: str, *, stream: bool) -> str:
        """Return where to post. `base`: as configured, without a slash at its end; None: the vendor's own."""

    def body(self, written: Mapping[str, Any], model: str, max_tokens: int, *, stream: bool) -> Mapping[str, Any]:
        """Return the body to post: what was written, with the model and the bound of the answer, which the hold decided."""

    async def embed(self, pool: Pool, base: str | None, model: str, texts: Sequence[str], parameters: Mapping[str, Any]) -> EmbeddingResult:
        """Return one vector per text. Raises ProviderError; for a vendor without embeddings always."""


class DialectWire:
    """Speaks one vendor's dialect to one provider. Takes calls that are written (`ProviderCall.written`) only."""

    def __init__(
        self, vendor: VendorFormat, *, api_base: str | None, api_key: str | None, connect_seconds: float, connections: int
    ) -> None:
        self._vendor = vendor
        self._base = api_base.rstrip("/") if api_base else None
        headers = {"content-type": "application/json", **vendor.headers(api_key)}
        self._pool = Pool(headers=headers, key=api_key, connect_seconds=connect_seconds, connections=connections)

    async def complete(self, call: ProviderCall) -> Completion:
        async with self._posted(call, stream=False) as reply:
            raw = await self._pool.read(reply, max_bytes=call.max_bytes)
            return self._completion(self._whole(answers.decoded(raw), call))

    async def stream(self, call: ProviderCall) -> AsyncGenerator[Chunk]:
        async with self._posted(call, stream=True) as reply:
            chunks = TypedChunks(call.model)
            try:
                async with aclosing(self._read(reply, call)) as read:
                    async for events, size in read:
                        for made in chunks.feed(events, size):
                            yield made
                        if chunks.ended:
                            await self._pool.finish(reply)
                            break
            except ProviderError as fault:
                if not chunks.finished or fault.kind != "cut":
                    raise
            for made in chunks.end():
                yield made

    async def embed(self, model: str, texts: Sequence[str], parameters: Mapping[str, Any]) -> EmbeddingResult:
        return await self._vendor.embed(self._pool, self._base, model, texts, parameters)

    def supports(self, parameter: str) -> bool:
        """Tell that no parameter of Chat Completions is sent as such: requests come written."""
        del parameter
        return False

    async def close(self) -> None:
        await self._pool.close()

    async def _read(self, reply: aiohttp.ClientResponse, call: ProviderCall) -> AsyncGenerator[tuple[Iterator[AnswerEvent], int]]:
        """Yield each event's typed events and its size; also if the server sent a whole answer instead of a stream."""
        reader = self._vendor.dialect.event_reader(_written(call).asked)
        if reply.content_type != EVENT_STREAM:
            raw = await self._pool.read(reply, max_bytes=call.max_bytes)
            match answers.decoded(raw):
                case [_, _, *_] as events:  # a stream as one list, as Google sends it to who asks for no server-sent events
                    for each in events:
                        yield reader.feed(_object(each)), len(raw) // len(events)
                    yield reader.end(), 0
                case whole:
                    yield events_of(self._whole(whole, call)), len(raw)
            return
        async with aclosing(read_events(self._pool.pieces(reply), reader)) as read:
            async for made in read:
                yield made

    def _whole(self, data: object, call: ProviderCall) -> WholeAnswer:
        """Read a whole answer. Raises ProviderError if it is none."""
        answer = self._vendor.dialect.read_answer(_object(data), _written(call).asked)
        return replace(answer, model=answer.model or call.model, created=answer.created or int(clock.now().timestamp()))

    def _completion(self, answer: WholeAnswer) -> Completion:
        data = CHAT.write_answer(answer, extra={})
        return replace(answers.completion(data, msgspec.json.encode(data)), usage=answer.usage, answer=answer)

    def _posted(self, call: ProviderCall, *, stream: bool) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        written = _written(call)
        body = self._vendor.body(written.body, call.model, call.parameters["max_tokens"], stream=stream)
        try:
            raw = msgspec.json.encode(body)
        except (UnicodeEncodeError, OverflowError, RecursionError) as error:
            raise ProviderError(
                "caller", ("The request contains a number or character that JSON can't represent: remove it."), 400
            ) from error
        return self._pool.posted(self._vendor.url(self._base, call.model, stream=stream), raw, written.headers)


def no_embeddings(vendor: str) -> ProviderError:
    """Return the refusal of a vendor without embedding models."""
    message = f"{vendor} has no embedding models: use another provider."
    return ProviderError("caller", message, 400, code="model_not_supported", param="model")


def _written(call: ProviderCall) -> WrittenCall:
    assert call.written is not None, "a call for a provider of another dialect must be written"
    return call.written


def _object(data: object) -> Mapping[str, Any]:
    """Return an answer's or event's object. Some servers send a list of one. Raises ProviderError for anything else."""
    found = data[0] if isinstance(data, list) and data else data
    if not isinstance(found, dict):
        raise malformed("its answer is not an object")
    if found.get("error") and not isinstance(found["error"], dict):
        raise provider_errors.of_error_object(found["error"])
    return found


async def read_events(pieces: AsyncIterator[bytes], reader: EventReader) -> AsyncGenerator[tuple[Iterator[AnswerEvent], int]]:
    """Yield what each server-sent event tells, and its size, however the bytes are split; at last what is due at the end."""
    events = Events()
    async for piece in pieces:
        for raw in events.feed(piece):
            yield reader.feed(_object(decode_event(raw))), len(raw)
    for raw in events.end():
        yield reader.feed(_object(decode_event(raw))), len(raw)
    yield reader.end(), 0

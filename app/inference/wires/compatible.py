"""Client for OpenAI's own format, over one pooled HTTP client: OpenAI, Groq, any compatible server. An SDK costs 90 % of the throughput."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Any

import aiohttp
import msgspec

from app.errors import ConfigurationError
from app.inference import answers, provider_errors, vendor_fields
from app.inference.answers import Chunk, Completion
from app.inference.profiles import profile_of
from app.inference.provider_errors import ProviderError, malformed
from app.inference.usage import parse_usage
from app.inference.wires import unstreamed
from app.inference.wires.pool import Pool
from app.inference.wires.split_characters import SplitCharacters
from app.inference.wires.sse import Events
from app.inference.wires.wire import EmbeddingResult, ProviderCall

DONE = b"[DONE]"


class CompatibleWire:
    """Speaks OpenAI's format to one provider, without an SDK."""

    def __init__(self, *, kind: str, api_base: str | None, api_key: str | None, connect_seconds: float, connections: int) -> None:
        profile, at_vendor = profile_of(kind), api_base is None
        if (base := api_base or profile.api_base) is None:
            raise ConfigurationError(f"A section [providers.…] has kind {kind!r} and no address: set its api_base.")
        self._base = base.rstrip("/")
        self._not_taken = profile.not_taken or frozenset()
        self._bound_name = profile.bound_name if at_vendor else "max_tokens"
        self._takes_developer = at_vendor and profile.takes_developer
        headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {api_key}"} if api_key else {})
        self._pool = Pool(headers=headers, key=api_key, connect_seconds=connect_seconds, connections=connections)

    async def complete(self, call: ProviderCall) -> Completion:
        async with self._posted("/chat/completions", self._body(call)) as reply:
            return answers.completion(*answers.decoded_whole(await self._pool.read(reply, max_bytes=call.max_bytes)))

    async def stream(self, call: ProviderCall) -> AsyncGenerator[Chunk]:
        body = self._body(call) | {"stream": True, "stream_options": {"include_usage": True}}
        async with self._posted("/chat/completions", body) as reply:
            finish: str | None = None
            last: Chunk | None = None
            try:
                async with aclosing(self._chunks(reply, call)) as chunks:
                    async for made in chunks:
                        finish = made.finish or finish
                        if last is not None:  # not the last: some send a running usage in every chunk, and only the final one counts
                            last.usage = last.usage if made.usage is None else None
                            yield last
                            last = None
                        if finish is not None and made.usage is not None:
                            last = made  # a reader may stop once it has the usage, so read the end of the stream first
                        else:
                            yield made
            except ProviderError as fault:
                if finish is None or fault.kind != "cut":
                    raise
            answers.check_end(finish)
            if last is not None:
                yield last

    async def embed(self, model: str, texts: Sequence[str], parameters: Mapping[str, Any]) -> EmbeddingResult:
        body = {"model": model, "input": list(texts), **parameters, "encoding_format": "float"}
        async with self._posted("/embeddings", body) as reply:
            return embedded(answers.decoded(await self._pool.read(reply)), len(texts))

    def supports(self, parameter: str) -> bool:
        return parameter not in self._not_taken

    async def close(self) -> None:
        await self._pool.close()

    async def _chunks(self, reply: aiohttp.ClientResponse, call: ProviderCall) -> AsyncGenerator[Chunk]:
        """Yield a reply's chunks, also if the server sent a whole answer instead. Raises ProviderError for an error object or HTML."""
        if not reply.content_type.startswith("text/event-stream"):
            for made in unstreamed.chunks(answers.decoded(await self._pool.read(reply, max_bytes=call.max_bytes))):
                yield made
            return
        split = SplitCharacters()
        async for event in _events(self._pool.pieces(reply)):
            if event == DONE:
                await self._pool.finish(reply)
                return
            data, raw = split.event(event)
            if unstreamed.holds_whole(data):
                for made in unstreamed.chunks(data):
                    yield made
            elif not answers.is_foreign(data):
                yield answers.chunk(data, raw)

    def _body(self, call: ProviderCall) -> dict[str, Any]:
        """Return the request's JSON, with `max_tokens` and the roles under the names that this server knows."""
        parameters = dict(call.parameters)
        parameters[self._bound_name] = parameters.pop("max_tokens")
        messages = call.messages if self._takes_developer else vendor_fields.as_system(call.messages)
        return {"model": call.model, "messages": messages, **parameters}

    def _posted(self, path: str, body: Mapping[str, Any]) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        return self._pool.posted(self._base + path, msgspec.json.encode(body))


def embedded(found: object, count: int) -> EmbeddingResult:
    """Parse an embeddings reply. Raises ProviderError unless it has `count` vectors."""
    if isinstance(found, dict) and found.get("error"):
        raise provider_errors.of_error_object(found["error"])
    rows = found.get("data") if isinstance(found, dict) else None
    if not isinstance(found, dict) or not isinstance(rows, list) or len(rows) != count:
        raise malformed("its answer doesn't have one vector per text")
    try:
        rows = sorted(rows, key=lambda row: row["index"])
        vectors = [msgspec.convert(row["embedding"], list[float], strict=False) for row in rows]
    except (KeyError, TypeError, msgspec.ValidationError) as error:
        raise malformed("its answer has invalid vectors") from error
    return EmbeddingResult(vectors, answers.model(found), parse_usage(found.get("usage"), output=0))


async def _events(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    events = Events()
    async for piece in pieces:
        for data in events.feed(piece):
            yield data
    for data in events.end():
        yield data

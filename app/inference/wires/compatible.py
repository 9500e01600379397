"""OpenAI's own format over one pooled HTTP client: OpenAI, Groq, any compatible server. An SDK between costs nine tenths of the speed."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec

from app.inference import answers, faults
from app.inference.answers import Chunk, Completion
from app.inference.faults import Fault, malformed
from app.inference.wires.sse import Events
from app.inference.wires.wire import Call, Embedded

BASES = {"openai": "https://api.openai.com/v1", "groq": "https://api.groq.com/openai/v1"}
KINDS = frozenset({*BASES, "local"})
KEEP_ALIVE_SECONDS = 30
MOST_ANSWER_BYTES = 64 * 2**20
NOT_TAKEN: Mapping[str, frozenset[str]] = {
    "groq": frozenset({"logit_bias", "logprobs", "top_logprobs", "n", "modalities", "store", "verbosity"}),
}
DONE = b"[DONE]"


class CompatibleWire:
    def __init__(self, *, kind: str, api_base: str | None, api_key: str | None, connect_seconds: float, connections: int) -> None:
        self._kind = kind
        self._base = (api_base or BASES[kind]).rstrip("/")
        self._key = api_key
        self._ours = kind == "openai" and api_base is None
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_seconds)
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None

    async def complete(self, call: Call) -> Completion:
        async with self._posted("/chat/completions", self._body(call)) as reply:
            raw = await self._read(reply)
        return answers.completion(_decoded(raw), raw)

    async def stream(self, call: Call) -> AsyncGenerator[Chunk]:
        body = self._body(call) | {"stream": True, "stream_options": {"include_usage": True}}
        async with self._posted("/chat/completions", body) as reply:
            if not reply.content_type.startswith("text/event-stream"):
                answers.completion(_decoded(await self._read(reply)), b"")  # an error object, or HTML
                raise malformed("it answered a stream with something that is none")
            finished, nothing = False, True
            async for data in _events(reply):
                if data == DONE:
                    break
                made = answers.chunk(_decoded(data), data)
                finished = finished or made.finish is not None
                nothing = nothing and not made.said and made.finish in {None, "stop"}
                yield made
            if not finished:
                raise Fault("cut", "its stream ended without a finish", unknown=True)
            if nothing:
                raise Fault("empty", "its stream had nothing in it", unknown=True)

    async def embed(self, model: str, texts: Sequence[str], parameters: Mapping[str, Any]) -> Embedded:
        body = {"model": model, "input": list(texts), **parameters, "encoding_format": "float"}
        async with self._posted("/embeddings", body) as reply:
            found = _decoded(await self._read(reply))
        return embedded(found, len(texts))

    def supports(self, parameter: str) -> bool:
        return parameter not in NOT_TAKEN.get(self._kind, ())

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _body(self, call: Call) -> dict[str, Any]:
        """`max_tokens` by the name that the server knows."""
        parameters = dict(call.parameters)
        if self._ours:
            parameters["max_completion_tokens"] = parameters.pop("max_tokens")
        return {"model": call.model, "messages": call.messages, **parameters}

    @asynccontextmanager
    async def _posted(self, path: str, body: Mapping[str, Any]) -> AsyncIterator[aiohttp.ClientResponse]:
        """A reply with status 200. Every way in which it may fail to come is a Fault."""
        try:
            async with self._client().post(self._base + path, data=msgspec.json.encode(body), allow_redirects=False) as reply:
                if reply.status != 200:
                    raise self._clean(faults.of_status(reply.status, await self._read(reply), reply.headers))
                yield reply
        except Fault:
            raise
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, ssl.SSLError) as error:
            raise faults.unreachable(f"no connection ({_short(error)})") from error
        except aiohttp.ClientPayloadError as error:
            raise Fault("cut", "its answer broke off", unknown=True) from error
        except (aiohttp.ClientError, OSError) as error:
            raise faults.reset(f"the connection broke ({_short(error)})") from error
        except ValueError as error:  # a line longer than aiohttp takes, a header that is none
            raise malformed("its answer can't be read") from error

    async def _read(self, reply: aiohttp.ClientResponse) -> bytes:
        raw = await reply.content.read(MOST_ANSWER_BYTES) if reply.content_length is None else await reply.read()
        while reply.content_length is None and not reply.content.at_eof():
            if len(raw) >= MOST_ANSWER_BYTES:
                raise malformed("its answer is larger than any should be")
            raw += await reply.content.read(MOST_ANSWER_BYTES)
        return raw

    def _clean(self, fault: Fault) -> Fault:
        """No message ever holds our key, however the provider quotes it."""
        if self._key:
            fault.message = fault.message.replace(self._key, "…")
        return fault

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            headers = {"content-type": "application/json", "user-agent": "cairn"}
            if self._key:
                headers["authorization"] = f"Bearer {self._key}"
            connector = aiohttp.TCPConnector(limit=self._connections, keepalive_timeout=KEEP_ALIVE_SECONDS)
            self._session = aiohttp.ClientSession(
                connector=connector, headers=headers, timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar(), read_bufsize=2**18
            )
        return self._session


def embedded(found: object, count: int) -> Embedded:
    """The reply of an embeddings endpoint; Fault unless it has `count` vectors."""
    if isinstance(found, dict) and found.get("error"):
        raise faults.of_error_object(found["error"])
    rows = found.get("data") if isinstance(found, dict) else None
    if not isinstance(found, dict) or not isinstance(rows, list) or len(rows) != count:
        raise malformed("it answered with other than one vector for each text")
    try:
        rows = sorted(rows, key=lambda row: row["index"])
        vectors = [msgspec.convert(row["embedding"], list[float], strict=False) for row in rows]
    except (KeyError, TypeError, msgspec.ValidationError) as error:
        raise malformed("it answered with vectors that can't be read") from error
    given = found.get("usage")
    usage = answers.usage({"completion_tokens": 0, **given} if isinstance(given, dict) else None)
    return Embedded(vectors, answers.model(found), usage)


async def _events(reply: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    events = Events()
    async for piece in reply.content.iter_any():
        for data in events.feed(piece):
            yield data
    for data in events.end():
        yield data


def _decoded(raw: bytes) -> object:
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise malformed("it answered with something that is no JSON") from error


def _short(error: BaseException) -> str:
    """The kind of error without its words: they may hold an address."""
    return type(error.__cause__ or error).__name__

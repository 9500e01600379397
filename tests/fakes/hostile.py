"""A provider that lies: answers longer than asked for, usage that can't be true, streams without end. Real HTTP on the loopback.

Speaks the three formats that Cairn's wires read. It says what its `lie` says, whatever it was asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self

import msgspec
from aiohttp import web

Says = Literal["text", "tool", "thought", "both choices", "new choices", "empty calls"]
ENDLESS = 10**9
MAX_WHOLE_PIECES = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Lie:
    """`usage`: (input, output) tokens that are reported, None for none; `every`: in each chunk. `finish`: whether it says its end.

    `withheld`: its end withholds a call as invalid (Gemini's alone). `silent_after`: so many pieces, then nothing more comes. `late`: seconds before the first; `pause`: between two.
    """

    says: Says = "text"
    piece: str = " word"
    pieces: int = 10
    usage: tuple[int, int] | None = None
    every: bool = False
    finish: bool = True
    withheld: bool = False
    silent_after: int | None = None
    late: float = 0.0
    pause: float = 0.0


class HostileProvider:
    """`async with HostileProvider() as fake:` serves at `fake.url`. `sent`: pieces of streams that were written; `left`: callers that hung up."""

    def __init__(self, lie: Lie | None = None) -> None:
        self.lie = lie or Lie()
        self.url = ""
        self.asked: list[dict[str, Any]] = []
        self.sent = 0
        self.left = 0
        self._runner: web.ServerRunner | None = None

    async def __aenter__(self) -> Self:
        self._runner = web.ServerRunner(web.Server(self._answer, handler_cancellation=True, access_log=None), shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        body: dict[str, Any] = msgspec.json.decode(await request.read())
        self.asked.append(body)
        lie = self.lie
        await asyncio.sleep(lie.late)
        if request.path.endswith("/embeddings"):
            return _json(_embeddings(body, lie))
        dialect = _Anthropic(lie) if request.path.endswith("/messages") else _Gemini(lie) if "Content" in request.path else _OpenAI(lie)
        if not (body.get("stream") or "streamGenerateContent" in request.path):
            if lie.silent_after is not None:
                await asyncio.Event().wait()
            return _json(dialect.whole())
        return await self._stream(request, dialect.stream())

    async def _stream(self, request: web.BaseRequest, events: Iterator[bytes]) -> web.StreamResponse:
        reply = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await reply.prepare(request)
        try:
            async for event in self._paced(events):
                await reply.write(event)
                self.sent += 1
        except (ConnectionError, asyncio.CancelledError):
            self.left += 1
            raise
        return reply

    async def _paced(self, events: Iterator[bytes]) -> AsyncIterator[bytes]:
        for number, event in enumerate(events):
            if self.lie.silent_after is not None and number > self.lie.silent_after:
                await asyncio.Event().wait()
            yield event
            if self.lie.pause or number % 16 == 0:
                await asyncio.sleep(self.lie.pause)


class _OpenAI:
    def __init__(self, lie: Lie) -> None:
        self._lie = lie

    def whole(self) -> dict[str, Any]:
        lie, text = self._lie, self._lie.piece * min(self._lie.pieces, MAX_WHOLE_PIECES)
        message = {"role": "assistant", "content": None if lie.says == "tool" else text} | _extra(lie, text)
        choices = [{"index": place, "message": message, "finish_reason": _finish(lie)} for place in _choices(lie)]
        return {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": choices} | self._usage()

    def stream(self) -> Iterator[bytes]:
        lie = self._lie
        for number in range(lie.pieces):
            if lie.says == "empty calls":
                call = {"index": number, "id": f"call_{number}", "type": "function", "function": {"arguments": ""}}
                yield self._chunk([{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": None}])
                continue
            for place in (number,) if lie.says == "new choices" else _choices(lie):
                delta = {"tool": {"content": None}, "thought": {}}.get(lie.says, {"content": lie.piece}) | _extra(lie, lie.piece)
                yield self._chunk([{"index": place, "delta": delta, "finish_reason": None}], usage=lie.every)
        if lie.finish:
            yield self._chunk([{"index": place, "delta": {}, "finish_reason": _finish(lie)} for place in _choices(lie)])
            yield self._chunk([], usage=True)
            yield b"data: [DONE]\n\n"

    def _chunk(self, choices: list[dict[str, Any]], *, usage: bool = False) -> bytes:
        more = self._usage() if usage else {}
        return _event({"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices} | more)

    def _usage(self) -> dict[str, Any]:
        if self._lie.usage is None:
            return {}
        given, made = self._lie.usage
        return {"usage": {"prompt_tokens": given, "completion_tokens": made, "total_tokens": given + made}}


class _Anthropic:
    def __init__(self, lie: Lie) -> None:
        self._lie = lie

    def whole(self) -> dict[str, Any]:
        lie, text = self._lie, self._lie.piece * min(self._lie.pieces, MAX_WHOLE_PIECES)
        block = {"type": "tool_use", "id": "t", "name": "f", "input": {"a": text}} if lie.says == "tool" else {"type": "text", "text": text}
        given, made = lie.usage or (0, 0)
        return {
            "id": "1",
            "type": "message",
            "role": "assistant",
            "model": "m",
            "content": [block],
            "stop_reason": "end_turn" if lie.finish else None,
            "usage": {"input_tokens": given, "output_tokens": made},
        }

    def stream(self) -> Iterator[bytes]:
        lie, tool = self._lie, self._lie.says == "tool"
        given, made = lie.usage or (0, 0)
        head: dict[str, Any] = {"id": "1", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": None}
        yield _named("message_start", {"message": head | {"usage": {"input_tokens": given, "output_tokens": 1}}})
        block: dict[str, Any] = {"type": "tool_use", "id": "t", "name": "f", "input": {}} if tool else {"type": "text", "text": ""}
        yield _named("content_block_start", {"index": 0, "content_block": block})
        for _ in range(lie.pieces):
            delta = {"type": "input_json_delta", "partial_json": lie.piece} if tool else {"type": "text_delta", "text": lie.piece}
            yield _named("content_block_delta", {"index": 0, "delta": delta})
        if lie.finish:
            yield _named("content_block_stop", {"index": 0})
            yield _named("message_delta", {"delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": made}})
            yield _named("message_stop", {})


class _Gemini:
    def __init__(self, lie: Lie) -> None:
        self._lie = lie

    def whole(self) -> dict[str, Any]:
        return self._answer(self._lie.piece * min(self._lie.pieces, MAX_WHOLE_PIECES), last=True)

    def stream(self) -> Iterator[bytes]:
        for _ in range(self._lie.pieces):
            yield _event(self._answer(self._lie.piece, last=False))
        if self._lie.finish:
            yield _event(self._answer("", last=True))

    def _answer(self, text: str, *, last: bool) -> dict[str, Any]:
        lie = self._lie
        part: dict[str, Any] = {"functionCall": {"name": "f", "args": {"a": text}}} if lie.says == "tool" else {"text": text}
        word = "MALFORMED_FUNCTION_CALL" if lie.withheld else "STOP"
        candidate = {"index": 0, "content": {"role": "model", "parts": [part]}} | ({"finishReason": word} if last and lie.finish else {})
        answer: dict[str, Any] = {"candidates": [candidate], "modelVersion": "m"}
        if lie.usage is not None and (last or lie.every):
            given, made = lie.usage
            answer["usageMetadata"] = {"promptTokenCount": given, "candidatesTokenCount": made, "totalTokenCount": given + made}
        return answer


def _extra(lie: Lie, text: str) -> dict[str, Any]:
    if lie.says == "tool":
        return {"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": text}}]}
    return {"reasoning_content": text} if lie.says == "thought" else {}


def _choices(lie: Lie) -> range:
    return range(2 if lie.says == "both choices" else 1)


def _finish(lie: Lie) -> str | None:
    return ("tool_calls" if lie.says == "tool" else "stop") if lie.finish else None


def _embeddings(body: dict[str, Any], lie: Lie) -> dict[str, Any]:
    rows = [{"object": "embedding", "index": place, "embedding": [1.0, 0.0]} for place in range(len(body["input"]))]
    used = {} if lie.usage is None else {"usage": {"prompt_tokens": lie.usage[0], "total_tokens": sum(lie.usage)}}
    return {"object": "list", "model": "m", "data": rows} | used


def _json(content: dict[str, Any]) -> web.Response:
    return web.Response(body=msgspec.json.encode(content), content_type="application/json")


def _event(content: dict[str, Any]) -> bytes:
    return b"data: %b\n\n" % msgspec.json.encode(content)


def _named(name: str, content: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), msgspec.json.encode({"type": name, **content}))

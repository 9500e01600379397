"""A plain client of the four formats, for the tests of the fake: writes requests by hand, reads answers by hand."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.fakes.provider import FakeProvider, Kind

Json = dict[str, Any]
KINDS: tuple[Kind, ...] = ("openai", "groq", "anthropic", "gemini")
MODEL = "fake-1"
TOOL_SCHEMA: Json = {"type": "object", "properties": {"what": {"type": "string"}, "many": {"type": "integer"}}}
TOOL_ARGUMENTS = {"what": "the what", "many": 7}
LENGTH = {"openai": "length", "groq": "length", "anthropic": "max_tokens", "gemini": "MAX_TOKENS"}
STOP = {"openai": "stop", "groq": "stop", "anthropic": "end_turn", "gemini": "STOP"}
FILTERED = {"openai": "content_filter", "groq": "content_filter", "anthropic": "refusal", "gemini": "SAFETY"}
CALLED = {"openai": "tool_calls", "groq": "tool_calls", "anthropic": "tool_use", "gemini": "STOP"}


@dataclass(slots=True)
class Heard:
    """What came back. `events`: of a stream, in order, parsed; `names`: their names, where they have some."""

    status: int
    headers: Any
    text: str = ""
    finish: str | None = None
    usage: tuple[int, int] | None = None
    tool: tuple[str, Json] | None = None
    model: str = ""
    body: Any = None
    events: list[Json] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    raw: str = ""


async def ask(
    fake: FakeProvider,
    kind: Kind,
    prompt: str = "say 6 words",
    *,
    stream: bool = False,
    said: str | None = None,
    limit: int = 1000,
    tool: str | None = None,
    model: str = MODEL,
    session: aiohttp.ClientSession | None = None,
) -> Heard:
    """One question on a connection of its own, or on `session`'s. `said`: the assistant's message after it."""
    path, body = request(kind, prompt, stream=stream, said=said, limit=limit, tool=tool, model=model)
    opened = session or aiohttp.ClientSession()
    try:
        async with opened.post(fake.url + path, json=body) as reply:
            raw = await reply.text()
            heard = Heard(reply.status, reply.headers, raw=raw)
            sse = reply.content_type == "text/event-stream"
    finally:
        if session is None:
            await opened.close()
    if sse:
        _events(heard)
        for event in heard.events:
            _take(heard, kind, event)
    elif raw.lstrip().startswith("{"):
        heard.body = json.loads(raw)
        _take(heard, kind, heard.body)
    return heard


def request(kind: Kind, prompt: str, *, stream: bool, said: str | None, limit: int, tool: str | None, model: str) -> tuple[str, Json]:
    if kind == "gemini":
        contents = [{"role": "user", "parts": [{"text": prompt}]}]
        if said is not None:
            contents.append({"role": "model", "parts": [{"text": said}]})
        body: Json = {"contents": contents, "generationConfig": {"maxOutputTokens": limit}}
        if tool:
            body["tools"] = [{"functionDeclarations": [{"name": tool, "parameters": TOOL_SCHEMA}]}]
        verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
        return f"/v1beta/models/{model}:{verb}", body
    messages = [{"role": "user", "content": prompt}]
    if said is not None:
        messages.append({"role": "assistant", "content": said})
    body = {"model": model, "messages": messages, "max_tokens": limit, "stream": stream}
    if kind == "anthropic":
        if tool:
            body["tools"] = [{"name": tool, "input_schema": TOOL_SCHEMA}]
        return "/v1/messages", body
    if stream:
        body["stream_options"] = {"include_usage": True}
    if tool:
        body["tools"] = [{"type": "function", "function": {"name": tool, "parameters": TOOL_SCHEMA}}]
    return ("/openai/v1" if kind == "groq" else "/v1") + "/chat/completions", body


def _events(heard: Heard) -> None:
    for block in heard.raw.split("\n\n"):
        for line in block.splitlines():
            if line.startswith("event: "):
                heard.names.append(line.removeprefix("event: "))
            elif line.startswith("data: ") and line != "data: [DONE]":
                heard.events.append(_parsed(line.removeprefix("data: ")))


def _parsed(data: str) -> Json:
    try:
        found: Json = json.loads(data)
    except ValueError:
        return {"broken": data}
    return found


def _take(heard: Heard, kind: Kind, event: Json) -> None:
    match kind:
        case "openai" | "groq":
            _take_openai(heard, event)
        case "anthropic":
            _take_anthropic(heard, event)
        case "gemini":
            _take_gemini(heard, event)


def _take_openai(heard: Heard, event: Json) -> None:
    heard.model = event.get("model") or heard.model
    for choice in event.get("choices", [])[:1]:
        said = choice.get("message") or choice.get("delta") or {}
        heard.text += said.get("content") or ""
        heard.finish = choice["finish_reason"] or heard.finish
        for call in said.get("tool_calls") or []:
            _arguments(heard, call["function"].get("name"), call["function"].get("arguments", ""))
    if usage := event.get("usage"):
        heard.usage = usage["prompt_tokens"], usage["completion_tokens"]


def _take_anthropic(heard: Heard, event: Json) -> None:
    match event.get("type"):
        case "message":
            heard.model, heard.finish = event["model"], event["stop_reason"]
            heard.text = "".join(block.get("text", "") for block in event["content"])
            for block in event["content"]:
                if block["type"] == "tool_use":
                    heard.tool = block["name"], block["input"]
            if usage := event.get("usage"):
                heard.usage = usage["input_tokens"], usage["output_tokens"]
        case "message_start":
            heard.model = event["message"]["model"]
            if usage := event["message"].get("usage"):
                heard.usage = usage["input_tokens"], usage["output_tokens"]
        case "content_block_start" if event["content_block"]["type"] == "tool_use":
            _arguments(heard, event["content_block"]["name"], "")
        case "content_block_delta":
            heard.text += event["delta"].get("text", "")
            if "partial_json" in event["delta"]:
                _arguments(heard, None, event["delta"]["partial_json"])
        case "message_delta":
            heard.finish = event["delta"]["stop_reason"]
            if heard.usage and "usage" in event:
                heard.usage = heard.usage[0], event["usage"]["output_tokens"]


def _take_gemini(heard: Heard, event: Json) -> None:
    heard.model = event.get("modelVersion") or heard.model
    for candidate in event.get("candidates", [])[:1]:
        for part in candidate.get("content", {}).get("parts", []):
            heard.text += part.get("text", "")
            if call := part.get("functionCall"):
                heard.tool = call["name"], call["args"]
        heard.finish = candidate.get("finishReason") or heard.finish
    if usage := event.get("usageMetadata"):
        heard.usage = usage["promptTokenCount"], usage.get("candidatesTokenCount", 0)


def _arguments(heard: Heard, name: str | None, piece: str) -> None:
    """Collect a tool call from its pieces; the arguments so far stand as text until they are whole."""
    known, arguments = heard.tool or ("", {})
    text = arguments.get("text", "") + piece
    try:
        heard.tool = name or known, json.loads(text)
    except ValueError:
        heard.tool = name or known, {"text": text}

"""The three routes that answer with a model's words, as one: how each is asked, and what it tells. A stream is checked for its order.

Knows no fault and no money.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.integration.api.conftest import Reply
from tests.integration.api.door import Door

Json = dict[str, Any]
Finish = Literal["end", "length", "tool", "filtered"]
Event = tuple[str | None, Any]
"""The name of a server-sent event, None for none, and its data."""
MAX_TOKENS = 4096


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the caller was told. `input`: with what was read from a cache, whatever the dialect counts."""

    input: int
    output: int
    cached: int
    cost: float


@dataclass(frozen=True, slots=True)
class Failure:
    """An error as the caller was told."""

    type: str
    code: str
    message: str
    param: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a caller was told. `finish` None: no end. `error`: instead of an answer, or at the end of a stream that broke.

    `usages`: as many as came. `status`: as Cairn's own table has it, whatever the dialect makes of it.
    """

    reply: Reply
    status: int
    text: str = ""
    calls: Sequence[tuple[str, Any]] = ()
    finish: Finish | None = None
    usages: Sequence[Usage] = ()
    error: Failure | None = None

    @property
    def provider(self) -> str:
        return self.reply.headers["x-cairn-provider"]

    @property
    def cost(self) -> float:
        """Dollars: of a stream, in its usage; else in a header, which whole answers' usage must repeat where it has one."""
        (usage,) = self.usages
        if self.reply.headers["content-type"].startswith("text/event-stream"):
            free = self.reply.headers["x-cairn-cache"] != "miss"
            assert self.reply.headers.get("x-cairn-cost-usd") == ("0" if free else None)  # at the first byte nobody knows the cost
            return usage.cost
        told = float(self.reply.headers["x-cairn-cost-usd"])
        assert usage.cost in (0, told)
        return told


class ClientRoute(ABC):
    """One dialect at its route. `name`: for a test's id."""

    name: str
    path: str

    def __repr__(self) -> str:
        return self.name

    @abstractmethod
    def body(self, prompt: Any, *, stream: bool, max_tokens: int | None, tools: Sequence[str]) -> Json:
        """Return a request. `prompt`: a text, or the parts of a user's message; `tools`: names of functions that take a city."""

    @abstractmethod
    def picture(self, url: str) -> Json:
        """Return the part of a message that holds a picture."""

    async def ask(
        self,
        door: Door,
        prompt: Any = "hello",
        *,
        stream: bool = False,
        max_tokens: int | None = None,
        tools: Sequence[str] = (),
        headers: Mapping[str, str] | None = None,
        **fields: Any,
    ) -> Told:
        """Ask, and read what is told. `fields`: of the dialect, put into the request as they are."""
        given = {**self.body(prompt, stream=stream, max_tokens=max_tokens, tools=tools), **fields}
        reply = await door.api.ask("POST", self.path, key=door.key, json=given, headers=dict(headers or {}))
        return self.read(reply)

    def read(self, reply: Reply) -> Told:
        """Read a reply of any status. Fails where it isn't what the dialect says it must be."""
        if reply.status != 200:
            return Told(reply=reply, status=self._own_status(reply), error=self._failure(reply.json))
        if reply.headers["content-type"].startswith("text/event-stream"):
            return self._stream(reply, events_of(reply.text))
        return self._whole(reply)

    def _own_status(self, reply: Reply) -> int:
        return reply.status

    @abstractmethod
    def _failure(self, body: Any) -> Failure: ...

    @abstractmethod
    def _whole(self, reply: Reply) -> Told: ...

    @abstractmethod
    def _stream(self, reply: Reply, events: Sequence[Event]) -> Told: ...


def events_of(text: str) -> list[Event]:
    """Return the server-sent events of a body, without comments. Fails for a line that isn't theirs."""
    found = []
    for block in text.split("\n\n")[:-1]:
        lines = [line for line in block.split("\n") if not line.startswith(":")]
        if not lines:
            continue
        name = lines.pop(0).removeprefix("event: ") if lines[0].startswith("event: ") else None
        assert [line[:6] for line in lines] == ["data: "], block
        data = lines[0].removeprefix("data: ")
        found.append((name, data if data == "[DONE]" else json.loads(data)))
    return found


def _openai_failure(body: Any) -> Failure:
    assert set(body) == {"error"}, body
    assert set(body["error"]) == {"message", "type", "code", "param", "request_id"}
    return Failure(*(body["error"][name] for name in ("type", "code", "message", "param")))


def _schema() -> Json:
    return {"type": "object", "properties": {"city": {"type": "string"}}}


class ChatRoute(ClientRoute):
    """OpenAI's Chat Completions."""

    name, path = "chat", "/v1/chat/completions"
    _FINISHES: Mapping[str, Finish] = {"stop": "end", "length": "length", "tool_calls": "tool", "content_filter": "filtered"}

    def body(self, prompt: Any, *, stream: bool, max_tokens: int | None, tools: Sequence[str]) -> Json:
        made: Json = {"model": "auto", "messages": [{"role": "user", "content": prompt}], "stream": stream}
        if stream:
            made["stream_options"] = {"include_usage": True}
        if max_tokens is not None:
            made["max_tokens"] = max_tokens
        if tools:
            made["tools"] = [{"type": "function", "function": {"name": name, "parameters": _schema()}} for name in tools]
        return made

    def picture(self, url: str) -> Json:
        return {"type": "image_url", "image_url": {"url": url}}

    def _failure(self, body: Any) -> Failure:
        return _openai_failure(body)

    def _whole(self, reply: Reply) -> Told:
        (choice,) = reply.json["choices"]
        message = choice["message"]
        assert reply.json["object"] == "chat.completion"
        calls = [(call["function"]["name"], json.loads(call["function"]["arguments"])) for call in message.get("tool_calls") or ()]
        return Told(
            reply=reply,
            status=200,
            text=message["content"] or "",
            calls=calls,
            finish=self._FINISHES[choice["finish_reason"]],
            usages=[_chat_usage(reply.json["usage"])],
        )

    def _stream(self, reply: Reply, events: Sequence[Event]) -> Told:
        chunks, (_, last) = [data for name, data in events[:-1] if name is None], events[-1]
        assert len(chunks) == len(events) - 1, "an event has a name"
        assert "[DONE]" not in chunks
        assert len({chunk["id"] for chunk in chunks}) <= 1
        assert {chunk["object"] for chunk in chunks} <= {"chat.completion.chunk"}
        choices = [choice for chunk in chunks for choice in chunk["choices"]]
        finishes = [choice["finish_reason"] for choice in choices if choice["finish_reason"] is not None]
        assert len(finishes) <= 1
        return Told(
            reply=reply,
            status=200,
            text="".join(choice["delta"].get("content") or "" for choice in choices),
            calls=_chat_calls(choice["delta"] for choice in choices),
            finish=self._FINISHES[finishes[0]] if finishes else None,
            usages=[_chat_usage(chunk["usage"]) for chunk in chunks if chunk.get("usage")],
            error=None if last == "[DONE]" else _openai_failure(last),
        )


def _chat_calls(deltas: Iterable[Json]) -> list[tuple[str, Any]]:
    names, arguments = dict[int, str](), dict[int, str]()
    for piece in (piece for delta in deltas for piece in delta.get("tool_calls") or ()):
        if piece["function"].get("name"):
            names[piece["index"]] = piece["function"]["name"]
        arguments[piece["index"]] = arguments.get(piece["index"], "") + (piece["function"].get("arguments") or "")
    return [(name, json.loads(arguments[place])) for place, name in names.items()]


def _chat_usage(found: Json) -> Usage:
    assert found["total_tokens"] == found["prompt_tokens"] + found["completion_tokens"]
    cached = (found.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    return Usage(found["prompt_tokens"], found["completion_tokens"], cached, found.get("cost_usd", 0))


class MessagesRoute(ClientRoute):
    """Anthropic's Messages."""

    name, path = "messages", "/v1/messages"
    _FINISHES: Mapping[str, Finish] = {"end_turn": "end", "max_tokens": "length", "tool_use": "tool", "refusal": "filtered"}

    def body(self, prompt: Any, *, stream: bool, max_tokens: int | None, tools: Sequence[str]) -> Json:
        made: Json = {"model": "auto", "messages": [{"role": "user", "content": prompt}], "stream": stream}
        made["max_tokens"] = MAX_TOKENS if max_tokens is None else max_tokens
        if tools:
            made["tools"] = [{"name": name, "input_schema": _schema()} for name in tools]
        return made

    def picture(self, url: str) -> Json:
        if not url.startswith("data:"):
            return {"type": "image", "source": {"type": "url", "url": url}}
        head, data = url.split(",", 1)
        return {"type": "image", "source": {"type": "base64", "media_type": head[5:].split(";")[0], "data": data}}

    def _own_status(self, reply: Reply) -> int:
        if reply.status == 429 and reply.json["error"]["type"] == "billing_error":
            return 402
        return 422 if reply.status == 400 and reply.json["error"]["details"]["error_code"] == "invalid_input" else reply.status

    def _failure(self, body: Any) -> Failure:
        assert set(body) == {"type", "error", "request_id"}, body
        error, details = body["error"], body["error"]["details"]
        assert (body["type"], set(error)) == ("error", {"type", "message", "details"})
        return Failure(error["type"], details["error_code"], error["message"], details.get("param"))

    def _whole(self, reply: Reply) -> Told:
        message = reply.json
        assert (message["type"], message["role"]) == ("message", "assistant")
        return Told(
            reply=reply,
            status=200,
            text="".join(block["text"] for block in message["content"] if block["type"] == "text"),
            calls=[(block["name"], block["input"]) for block in message["content"] if block["type"] == "tool_use"],
            finish=self._FINISHES[message["stop_reason"]],
            usages=[_messages_usage(message["usage"])],
        )

    def _stream(self, reply: Reply, events: Sequence[Event]) -> Told:
        told = _MessagesStream()
        for name, data in events:
            assert data["type"] == name
            told.feed(data)
        assert told.ended or told.error is not None, "the stream has no end"
        return Told(
            reply=reply,
            status=200,
            text="".join(block["text"] for block in told.blocks if block["type"] == "text"),
            calls=[(block["name"], json.loads(block["json"] or "{}")) for block in told.blocks if block["type"] == "tool_use"],
            finish=None if told.reason is None else self._FINISHES[told.reason],
            usages=told.usages,
            error=None if told.error is None else self._failure(told.error),
        )


@dataclass(slots=True)
class _MessagesStream:
    """Follows a stream, and fails at the first event that may not stand where it stands."""

    blocks: list[Json] = field(default_factory=list)
    usages: list[Usage] = field(default_factory=list)
    reason: str | None = None
    error: Any = None
    ended: bool = False
    _begun: bool = False
    _open: bool = False

    def feed(self, data: Json) -> None:
        assert not self.ended, f"{data} after the end"
        assert self.error is None, f"{data} after an error"
        match data["type"]:
            case "message_start":
                assert not self._begun
                assert data["message"]["content"] == []
                self._begun = True
                return
            case "ping":
                return
            case "error":
                self.error = data
                return
        assert self._begun, f"{data} before message_start"
        match data["type"]:
            case "content_block_start":
                assert (self._open, self.reason, data["index"]) == (False, None, len(self.blocks))
                self._open = True
                self.blocks.append({**data["content_block"], "json": ""})
            case "content_block_delta":
                assert (self._open, data["index"]) == (True, len(self.blocks) - 1)
                self._grow(self.blocks[-1], data["delta"])
            case "content_block_stop":
                assert (self._open, data["index"]) == (True, len(self.blocks) - 1)
                self._open = False
            case "message_delta":
                assert (self._open, self.reason) == (False, None)
                self.reason = data["delta"]["stop_reason"]
                self.usages.append(_messages_usage(data["usage"]))
            case "message_stop":
                assert self.reason is not None
                self.ended = True
            case other:
                raise AssertionError(f"{other} is no event of this dialect")

    def _grow(self, block: Json, delta: Json) -> None:
        match delta["type"]:
            case "text_delta":
                assert block["type"] == "text"
                block["text"] += delta["text"]
            case "input_json_delta":
                assert block["type"] == "tool_use"
                block["json"] += delta["partial_json"]
            case "thinking_delta":
                assert block["type"] == "thinking"
                block["thinking"] += delta["thinking"]
            case "signature_delta":
                assert block["type"] == "thinking"
            case other:
                raise AssertionError(f"{other} is no delta of this dialect")


def _messages_usage(found: Json) -> Usage:
    cached = found["cache_read_input_tokens"]
    whole = found["input_tokens"] + cached + found["cache_creation_input_tokens"]
    return Usage(whole, found["output_tokens"], cached, found.get("cost_usd", 0))


class ResponsesRoute(ClientRoute):
    """OpenAI's Responses."""

    name, path = "responses", "/v1/responses"

    def body(self, prompt: Any, *, stream: bool, max_tokens: int | None, tools: Sequence[str]) -> Json:
        parts = prompt if isinstance(prompt, str) else [{**each, "type": "input_text"} if "text" in each else each for each in prompt]
        made: Json = {"model": "auto", "input": [{"role": "user", "content": parts}], "stream": stream}
        if max_tokens is not None:
            made["max_output_tokens"] = max_tokens
        if tools:
            made["tools"] = [{"type": "function", "name": name, "parameters": _schema()} for name in tools]
        return made

    def picture(self, url: str) -> Json:
        return {"type": "input_image", "image_url": url}

    def _failure(self, body: Any) -> Failure:
        return _openai_failure(body)

    def _whole(self, reply: Reply) -> Told:
        return _response_told(reply, reply.json)

    def _stream(self, reply: Reply, events: Sequence[Event]) -> Told:
        assert [data["sequence_number"] for _, data in events] == list(range(len(events)))
        assert [name for name, _ in events[:2]] == ["response.created", "response.in_progress"]
        told = _ResponsesStream()
        for name, data in events[2:]:
            assert data["type"] == name
            told.feed(data)
        assert told.last is not None, "the stream has no end"
        assert told.last["output"] == told.done
        if told.last["status"] != "failed":
            assert told.said == {item["id"]: _words(item) for item in told.done if _words(item)}
            return _response_told(reply, told.last)
        text = "".join(words for item, words in told.said.items() if item.startswith("msg"))
        error = told.last["error"]
        return Told(reply=reply, status=200, text=text, error=Failure("", error["code"], error["message"], None))


@dataclass(slots=True)
class _ResponsesStream:
    """Follows a stream, and fails at the first event that may not stand where it stands. `said`: the deltas' words by item."""

    done: list[Json] = field(default_factory=list)
    said: dict[str, str] = field(default_factory=dict)
    last: Any = None
    _open: str | None = None

    def feed(self, data: Json) -> None:
        assert self.last is None, f"{data} after the end"
        match data["type"]:
            case "response.completed" | "response.incomplete":
                assert self._open is None
                self.last = data["response"]
                assert data["type"] == f"response.{self.last['status']}"
                return
            case "response.failed":
                self.last = data["response"]
                return
        assert data["output_index"] == len(self.done)
        match data["type"]:
            case "response.output_item.added":
                assert self._open is None
                self._open = data["item"]["id"]
            case "response.output_item.done":
                assert self._open == data["item"]["id"]
                self._open = None
                self.done.append(data["item"])
            case str(name):
                assert self._open == data["item_id"], f"{name} of an item that isn't open"
                if name.endswith(".delta"):
                    self.said[self._open] = self.said.get(self._open, "") + data["delta"]


def _words(item: Json) -> str:
    """Return what an item's deltas said."""
    match item["type"]:
        case "message":
            return "".join(part.get("text", part.get("refusal")) for part in item["content"])
        case "reasoning":
            return "".join(part["text"] for part in item["summary"])
    return str(item.get("arguments", item.get("input")))


def _response_told(reply: Reply, found: Json) -> Told:
    assert (found["object"], found["error"]) == ("response", None)
    calls = [(item["name"], json.loads(item["arguments"])) for item in found["output"] if item["type"] == "function_call"]
    finish: Finish = "tool" if calls else "end"
    if found["status"] == "incomplete":
        finish = {"max_output_tokens": "length", "content_filter": "filtered"}[found["incomplete_details"]["reason"]]  # type: ignore[assignment]
    usage = found["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    cached = usage["input_tokens_details"]["cached_tokens"]
    return Told(
        reply=reply,
        status=200,
        text="".join(_words(item) for item in found["output"] if item["type"] == "message"),
        calls=calls,
        finish=finish,
        usages=[Usage(usage["input_tokens"], usage["output_tokens"], cached, usage.get("cost_usd", 0))],
    )


CHAT, MESSAGES, RESPONSES = ChatRoute(), MessagesRoute(), ResponsesRoute()
ROUTES: tuple[ClientRoute, ...] = (CHAT, MESSAGES, RESPONSES)

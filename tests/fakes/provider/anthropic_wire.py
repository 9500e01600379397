"""Anthropic's Messages format. Owns the bytes, not when they are sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from tests.fakes.provider.answers import Answer, Ask, Finish, Json, Turn, ask, text_of
from tests.fakes.provider.refusals import Refused, refusal
from tests.fakes.provider.wire import Script, encode, named, number, output_tokens, positive

_FINISH: dict[Finish | None, str | None] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool": "tool_use",
    "filtered": "refusal",
    None: None,
}
_PING = b'event: ping\ndata: {"type": "ping"}\n\n'
_STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'


@dataclass(frozen=True, slots=True)
class AnthropicWire:
    kind: Literal["anthropic"] = "anthropic"

    @property
    def waiting(self) -> bytes:
        return _PING

    @property
    def end(self) -> bytes:
        return _STOP

    @property
    def error_body(self) -> bytes:
        return refusal("anthropic", "529", model="").body

    @property
    def error_event(self) -> bytes:
        return b"event: error\ndata: %b\n\n" % self.error_body

    def read(self, path: str, body: Json) -> Ask:
        if not body.get("messages"):
            raise Refused("no_messages")
        limit = positive(body.get("max_tokens"))
        if limit is None:
            raise Refused("no_max_tokens")
        turns = [_turn(each) for each in body["messages"]]
        if turns[-1].role == "assistant" and turns[-1].text != turns[-1].text.rstrip():
            raise Refused("trailing_space")
        tools = {tool["name"]: tool.get("input_schema") or {} for tool in body.get("tools") or []}
        forced: str | None = None
        match body.get("tool_choice"):
            case {"type": "tool", "name": str(name)}:
                forced = name
            case {"type": "any"}:
                forced = next(iter(tools), None)
            case {"type": "none"}:
                tools = {}
            case _:
                pass
        return ask(
            [Turn("system", text_of(body.get("system"))), *turns],
            model=str(body.get("model", "")),
            stream=body.get("stream") is True,
            limit=limit,
            tools=tools,
            forced=forced,
        )

    def whole(self, asked: Ask, answers: Sequence[Answer], *, usage: bool) -> bytes:
        n = number()
        finish = _FINISH[answers[0].finish] if answers else "end_turn"
        made = _message(asked, n, content=[_block(answer, n) for answer in answers[:1]], stop_reason=finish)
        if usage:
            made["usage"] = _usage(asked, output_tokens(answers[:1]))
        return encode(made)

    def script(self, asked: Ask, answers: Sequence[Answer], *, usage: bool) -> Script:
        n = number()
        message = _message(asked, n, content=[], stop_reason=None)
        if usage:
            message["usage"] = _usage(asked, 1)
        head = named("message_start", {"type": "message_start", "message": message})
        tokens: list[bytes] = []
        tail = b""
        finish = _FINISH["stop"]
        for answer in answers[:1]:
            finish = _FINISH[answer.finish]
            opened = _block(answer.opened, n)
            head += named("content_block_start", {"type": "content_block_start", "index": 0, "content_block": opened}) + _PING
            tokens = [_delta(answer, token) for token in answer.tokens]
            tail = named("content_block_stop", {"type": "content_block_stop", "index": 0})
        ended: Json = {"type": "message_delta", "delta": {"stop_reason": finish, "stop_sequence": None}}
        if usage:
            ended["usage"] = {"output_tokens": output_tokens(answers[:1])}
        return Script(head, tokens, tail + named("message_delta", ended) + _STOP)

    def embeddings(self, model: str, body: Json, dimensions: int, *, usage: bool) -> bytes:
        raise Refused("unknown_url")

    def models(self, names: Sequence[str]) -> bytes:
        listed = [{"type": "model", "id": name, "display_name": name, "created_at": "2026-01-01T00:00:00Z"} for name in names]
        return encode({"data": listed, "has_more": False, "first_id": names[0], "last_id": names[-1]})


def _turn(message: Json) -> Turn:
    """A user's message that only brings a tool's result is no question."""
    content = message.get("content")
    if message.get("role") == "assistant":
        return Turn("assistant", text_of(content))
    results = isinstance(content, list) and any(part.get("type") == "tool_result" for part in content)
    return Turn("tool" if results else "user", text_of(content))


def _message(asked: Ask, n: int, *, content: list[Json], stop_reason: str | None) -> Json:
    return {
        "id": f"msg_{n:09d}",
        "type": "message",
        "role": "assistant",
        "model": asked.model,
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": None,
    }


def _block(answer: Answer, n: int) -> Json:
    if answer.call is None:
        return {"type": "text", "text": answer.text}
    return {"type": "tool_use", "id": f"toolu_{n:09d}", "name": answer.call.name, "input": msgspec.json.decode(answer.call.arguments)}


def _delta(answer: Answer, token: str) -> bytes:
    delta = {"type": "text_delta", "text": token} if answer.call is None else {"type": "input_json_delta", "partial_json": token}
    return named("content_block_delta", {"type": "content_block_delta", "index": 0, "delta": delta})


def _usage(asked: Ask, output: int) -> Json:
    return {
        "input_tokens": asked.input_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": output,
        "service_tier": "standard",
    }

"""OpenAI's format, and Groq's flavour of it. Owns the bytes, not when they are sent."""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from tests.fakes.provider.answers import Answer, Ask, Finish, Json, Role, Turn, ask, count, text_of, vector
from tests.fakes.provider.refusals import Refused, refusal
from tests.fakes.provider.wire import Script, data, encode, now, number, output_tokens, positive

_FINISH: dict[Finish | None, str | None] = {
    "stop": "stop",
    "length": "length",
    "tool": "tool_calls",
    "filtered": "content_filter",
    None: None,
}
_ROLES: dict[str, Role] = {"system": "system", "developer": "system", "assistant": "assistant", "tool": "tool", "function": "tool"}
_DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True, slots=True)
class OpenAIWire:
    kind: Literal["openai", "groq"] = "openai"

    @property
    def waiting(self) -> bytes:
        return b": keep-alive\n\n"

    @property
    def end(self) -> bytes:
        return _DONE

    @property
    def error_body(self) -> bytes:
        return refusal(self.kind, "500", model="").body

    @property
    def error_event(self) -> bytes:
        """Groq names its error event, OpenAI sends the error as if it were a chunk. Then the stream ends, without [DONE]."""
        return (b"event: error\n" if self.kind == "groq" else b"") + b"data: %b\n\n" % self.error_body

    def read(self, path: str, body: Json) -> Ask:
        if not body.get("messages"):
            raise Refused("no_messages")
        tools = {tool["function"]["name"]: tool["function"].get("parameters") or {} for tool in body.get("tools") or []}
        forced: str | None = None
        match body.get("tool_choice"):
            case {"function": {"name": str(name)}}:
                forced = name
            case "required":
                forced = next(iter(tools), None)
            case "none":
                tools = {}
            case _:
                pass
        return ask(
            [Turn(_ROLES.get(each.get("role"), "user"), text_of(each.get("content"))) for each in body["messages"]],
            model=str(body.get("model", "")),
            stream=body.get("stream") is True,
            limit=positive(body.get("max_completion_tokens") or body.get("max_tokens")),
            tools=tools,
            forced=forced,
            choices=positive(body.get("n")) or 1,
            wants_usage=bool((body.get("stream_options") or {}).get("include_usage")),
        )

    def whole(self, asked: Ask, answers: Sequence[Answer], *, usage: bool) -> bytes:
        n = number()
        choices = [
            {"index": at, "message": self._message(answer, n), "logprobs": None, "finish_reason": _FINISH[answer.finish]}
            for at, answer in enumerate(answers)
        ]
        made: Json = {"id": f"chatcmpl-{n:09d}", "object": "chat.completion", "created": now(), "model": asked.model, "choices": choices}
        if usage:
            made["usage"] = self._usage(asked, answers)
        made |= {"system_fingerprint": "fp_fake", "service_tier": self._tier}
        if self.kind == "groq":
            made |= {"usage_breakdown": None, "x_groq": {"id": f"req_{n:09d}"}}
        return encode(made)

    def script(self, asked: Ask, answers: Sequence[Answer], *, usage: bool) -> Script:
        n = number()
        base: Json = {"id": f"chatcmpl-{n:09d}", "object": "chat.completion.chunk", "created": now(), "model": asked.model}
        base |= {"service_tier": self._tier, "system_fingerprint": "fp_fake"}
        if asked.wants_usage and usage:
            base["usage"] = None
        groq: Json = {"x_groq": {"id": f"req_{n:09d}"}} if self.kind == "groq" else {}

        def chunk(at: int, delta: Json, finish: str | None = None, **more: Json) -> bytes:
            choice = {"index": at, "delta": delta, "logprobs": None, "finish_reason": finish}
            return data({**base, "choices": [choice], **more})

        head = b"".join(_first(chunk, at, answer, n, groq) for at, answer in enumerate(answers))
        tokens = [
            chunk(at, _delta(answer, answer.tokens[position]))
            for position in range(max((len(answer.tokens) for answer in answers), default=0))
            for at, answer in enumerate(answers)
            if position < len(answer.tokens)
        ]
        counted = self._usage(asked, answers)
        if groq and usage:
            groq = {"x_groq": groq["x_groq"] | {"usage": counted}}
        last = len(answers) - 1
        tail = [chunk(at, {}, _FINISH[answer.finish], **(groq if at == last else {})) for at, answer in enumerate(answers)]
        if asked.wants_usage and usage:
            tail.append(data({**base, "choices": [], "usage": counted}))
        return Script(head or data({**base, "choices": []}), tokens, b"".join(tail) + _DONE)

    def embeddings(self, model: str, body: Json, dimensions: int, *, usage: bool) -> bytes:
        texts = _texts(body.get("input"))
        packed = body.get("encoding_format") == "base64"
        vectors = [vector(text, body.get("dimensions") or dimensions) for text in texts]
        found = [{"object": "embedding", "index": at, "embedding": _packed(each) if packed else each} for at, each in enumerate(vectors)]
        made: Json = {"object": "list", "data": found, "model": model}
        if usage:
            tokens = sum(map(count, texts))
            made["usage"] = {"prompt_tokens": tokens, "total_tokens": tokens}
        return encode(made)

    def models(self, names: Sequence[str]) -> bytes:
        return encode({"object": "list", "data": [{"id": name, "object": "model", "created": 0, "owned_by": "fake"} for name in names]})

    @property
    def _tier(self) -> str:
        return "on_demand" if self.kind == "groq" else "default"

    def _message(self, answer: Answer, n: int) -> Json:
        message: Json = {"role": "assistant"}
        if answer.call is None:
            message["content"] = answer.text
        else:
            called = {"name": answer.call.name, "arguments": answer.call.arguments}
            message["tool_calls"] = [{"id": f"call_{n:09d}", "type": "function", "function": called}]
        if self.kind == "openai":
            message = {"content": None, **message, "refusal": None, "annotations": []}
        return message

    def _usage(self, asked: Ask, answers: Sequence[Answer]) -> Json:
        output = output_tokens(answers)
        counts: Json = {"prompt_tokens": asked.input_tokens, "completion_tokens": output, "total_tokens": asked.input_tokens + output}
        if self.kind == "groq":
            seconds = round(output / 500, 4)
            times = {"queue_time": 0.01, "prompt_time": 0.001, "completion_time": seconds, "total_time": round(seconds + 0.001, 4)}
            return counts | times
        return counts | {"prompt_tokens_details": {"cached_tokens": 0}, "completion_tokens_details": {"reasoning_tokens": 0}}


def _first(chunk: Callable[..., bytes], at: int, answer: Answer, n: int, groq: Json) -> bytes:
    """The chunk with the role; before a tool call's arguments, the one with its name."""
    if answer.call is None:
        return chunk(at, {"role": "assistant", "content": ""}, **groq)
    called = {"index": 0, "id": f"call_{n:09d}", "type": "function", "function": {"name": answer.call.name, "arguments": ""}}
    return chunk(at, {"role": "assistant", "content": None}, **groq) + chunk(at, {"tool_calls": [called]})


def _delta(answer: Answer, token: str) -> Json:
    if answer.call is None:
        return {"content": token}
    return {"tool_calls": [{"index": 0, "function": {"arguments": token}}]}


def _texts(given: object) -> list[str]:
    """The texts of an embeddings request: one, several, or one or several as lists of token ids."""
    match given:
        case [int(), *_]:
            return [" ".join(map(str, given))]
        case [*several]:
            return [text for each in several for text in _texts(each)]
    return [str(given)]


def _packed(values: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode()

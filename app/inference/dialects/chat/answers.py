"""Read and write whole Chat Completions answers. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from app.inference import answers
from app.inference.answer_events import AnswerChoice, StopReason, WholeAnswer
from app.inference.conversation import Conversation, Part, RefusalText, Text, Thinking, ToolInvocation
from app.inference.dialects.wrapped_tools import custom_names, unwrapped
from app.inference.provider_errors import malformed, of_error_object
from app.inference.usage import reply_usage

Json = dict[str, Any]
REASONS: Mapping[str, StopReason] = {
    "stop": "end",
    "length": "max_tokens",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}
"""By `finish_reason`; other servers' words of their own ("eos", "end_turn") mean the model's own end."""
FINISHES: Mapping[StopReason, str] = {
    "end": "stop",
    "max_tokens": "length",
    "tool_calls": "tool_calls",
    "stop_sequence": "stop",
    "refusal": "content_filter",
    "content_filter": "content_filter",
    "pause": "stop",
    "context_full": "length",
}


def read_answer(body: Mapping[str, Any], asked: Conversation | None = None) -> WholeAnswer:
    """Read a whole answer. Raises ProviderError for an error object, or what is no completion."""
    if not isinstance(body, Mapping):
        raise malformed("its answer is not a completion object")
    if body.get("error"):
        raise of_error_object(body["error"])
    choices = body.get("choices")
    if not isinstance(choices, list) or not all(isinstance(each, Mapping) for each in choices):
        raise malformed("its answer has no choices")
    custom, name = custom_names(asked), _text(body.get("id"))
    read = tuple(_choice(each, custom, f"{name}-{place}") for place, each in enumerate(choices))
    return WholeAnswer(read, name or None, answers.model(body), created(body), reply_usage(body))


def reason_of(finish: str, *, calls: bool) -> StopReason:
    """Return why a choice ended. Some servers finish a tool call with "stop", others a text with "tool_calls": what it holds decides."""
    reason = REASONS.get(finish, "end")
    if calls and reason == "end":
        return "tool_calls"
    return "end" if reason == "tool_calls" and not calls else reason


def created(body: Mapping[str, Any]) -> int | None:
    found = body.get("created")
    return int(found) if isinstance(found, int | float) and not isinstance(found, bool) and 0 <= found < 2**53 else None


def call_id(given: object, answer: str, number: int) -> str:
    """Return a tool call's id; one of our own, different in each answer, where the server gave none."""
    if isinstance(given, str) and given:
        return given
    return "call_" + hashlib.blake2b(f"{answer}/{number}".encode("utf-8", "replace"), digest_size=12).hexdigest()


def _choice(choice: Mapping[str, Any], custom: frozenset[str], answer: str) -> AnswerChoice:
    message = choice.get("message")
    if not isinstance(message, Mapping):
        raise malformed("its answer has a choice without a message")
    parts: tuple[Part, ...] = (*thoughts(message), *_texts(message), *_calls(message, custom, answer))
    calls = any(isinstance(part, ToolInvocation) for part in parts)
    return AnswerChoice(parts, reason_of(answers.finish_reason(choice) or "stop", calls=calls))


def thoughts(message: Mapping[str, Any]) -> Iterator[Thinking]:
    """Yield the thinking of a message: blocks with signatures, else plain text under either of its names, else parts of the content."""
    blocks = message.get("thinking_blocks")
    found = [thought for each in blocks if (thought := thought_of(each)) is not None] if isinstance(blocks, list) else []
    if found:
        yield from found
        return
    for name in ("reasoning_content", "reasoning"):
        if text := _text(message.get(name)):
            yield Thinking(text)
            return
    for kind, text in pieces(message.get("content")):
        if kind == "thinking":
            yield Thinking(text)


def thought_of(block: object) -> Thinking | None:
    match block:
        case {"type": "redacted_thinking", "data": str(data)} if data:
            return Thinking("", sealed=data)
        case {"type": "thinking", **more}:
            return Thinking(_text(more.get("thinking")), signature=_text(more.get("signature")) or None)
    return None


def pieces(content: object) -> Iterator[tuple[str, str]]:
    """Yield ("text" or "thinking", words) of a content: a string, or the parts that some servers send."""
    match content:
        case str() if content:
            yield "text", content
        case list():
            for part in content:
                match part:
                    case {"type": "text", "text": str(text)} if text:
                        yield "text", text
                    case {"type": "thinking", "thinking": str() | list() as inner}:
                        yield "thinking", "".join(text for _, text in pieces(inner))


def _texts(message: Mapping[str, Any]) -> Iterator[Part]:
    said = "".join(text for kind, text in pieces(message.get("content")) if kind == "text")
    if said:
        yield Text(said)
    if refusal := _text(message.get("refusal")):
        yield RefusalText(refusal)


def _calls(message: Mapping[str, Any], custom: frozenset[str], answer: str) -> Iterator[ToolInvocation]:
    calls = message.get("tool_calls")
    given = [each for each in calls if isinstance(each, Mapping)] if isinstance(calls, list) else []
    if isinstance(function := message.get("function_call"), Mapping) and not given:
        given = [{"function": function}]
    for number, call in enumerate(given):
        if isinstance(inner := call.get("custom"), Mapping) and (name := _text(inner.get("name"))):
            yield ToolInvocation(call_id(call.get("id"), answer, number), name, _text(inner.get("input")), "custom")
        elif isinstance(inner := call.get("function"), Mapping) and (name := _text(inner.get("name"))):
            arguments = arguments_of(inner.get("arguments"))
            made_id = call_id(call.get("id"), answer, number)
            if name in custom:
                yield ToolInvocation(made_id, name, unwrapped(arguments), "custom")
            else:
                yield ToolInvocation(made_id, name, arguments or "{}")
        else:
            raise malformed("its answer has a tool call without a name")


def arguments_of(given: object) -> str:
    """Return a call's arguments as text; some servers send the object itself."""
    if isinstance(given, dict | list):
        return msgspec.json.encode(given).decode()
    return _text(given)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def write_answer(answer: WholeAnswer, *, extra: Mapping[str, Any]) -> Json:
    """Write a whole answer. `extra` stands in its usage, as at the end of a stream."""
    usage = {} if answer.usage is None else answers.usage_object(answer.usage)
    body: Json = {
        "id": answer.id or "chatcmpl",
        "object": "chat.completion",
        "created": answer.created or 0,
        "model": answer.model or "",
        "choices": [_written(index, choice) for index, choice in enumerate(answer.choices)],
    }
    return {**body, "usage": {**usage, **extra}} if usage or extra else body


def _written(index: int, choice: AnswerChoice) -> Json:
    texts = [part.text for part in choice.parts if isinstance(part, Text)]
    refusals = [part.text for part in choice.parts if isinstance(part, RefusalText)]
    calls = [written_call(part) for part in choice.parts if isinstance(part, ToolInvocation)]
    message: Json = {"role": "assistant", "content": "".join(texts) if texts or not calls else None}
    message["refusal"] = "".join(refusals) or None
    message |= _thinking([part for part in choice.parts if isinstance(part, Thinking)])
    if calls:
        message["tool_calls"] = calls
    return {"index": index, "message": message, "logprobs": None, "finish_reason": FINISHES[choice.reason]}


def _thinking(found: list[Thinking]) -> Json:
    if not found:
        return {}
    return {"reasoning_content": "".join(each.text for each in found), "thinking_blocks": [block_of(each) for each in found]}


def block_of(thought: Thinking) -> Json:
    """Return thinking as litellm writes and reads it for Anthropic."""
    if thought.sealed is not None:
        return {"type": "redacted_thinking", "data": thought.sealed}
    block: Json = {"type": "thinking", "thinking": thought.text}
    return block if thought.signature is None else {**block, "signature": thought.signature}


def written_call(call: ToolInvocation) -> Json:
    if call.kind == "custom":
        return {"id": call.id, "type": "custom", "custom": {"name": call.name, "input": call.arguments}}
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}

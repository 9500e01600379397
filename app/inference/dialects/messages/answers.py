"""Read and write whole Messages answers. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import uuid4

import msgspec

from app.inference import answers
from app.inference.answer_events import AnswerChoice, StopReason, WholeAnswer
from app.inference.conversation import Conversation, Opaque, Part, RefusalText, Text, Thinking, ToolInvocation
from app.inference.dialects.messages.blocks import REASONS, Json, answer_block, citations_of, has, stop_reason, usage_object
from app.inference.dialects.wrapped_tools import custom_names, unwrapped
from app.inference.provider_errors import ProviderError, malformed, of_error_object
from app.inference.usage import parse_usage


def read_answer(body: Mapping[str, Any], asked: Conversation | None = None) -> WholeAnswer:
    """Read a whole answer. Raises ProviderError for an error object, or what is no answer."""
    if not isinstance(body, Mapping):
        raise malformed("its answer is not a message object")
    if body.get("type") == "error" or body.get("error"):
        raise of_error_object(error_object(body))
    content, usage = body.get("content"), parse_usage(body.get("usage"))
    if not isinstance(content, list) or not all(isinstance(each, Mapping) for each in content):
        raise malformed("its answer has no content", usage=usage)
    reason = finish_of(body)
    if reason is None:
        raise ProviderError("cut", "its answer has no stop_reason", unknown=True, usage=usage)
    custom = custom_names(asked)
    parts = tuple(part for block in content for part in _read(block, custom))
    sequence = body.get("stop_sequence")
    stopped = sequence if isinstance(sequence, str) else None
    choice = AnswerChoice(parts, stop_reason_of(reason, calls=has(parts, ToolInvocation)), stopped, own_of(body))
    name = body.get("id")
    return WholeAnswer((choice,), name if isinstance(name, str) and name else None, answers.model(body), None, usage)


def write_answer(answer: WholeAnswer, *, extra: Mapping[str, Any]) -> Json:
    """Write a whole answer: its first choice, since this dialect knows no other. `extra` stands in its usage."""
    choice = answer.choices[0]
    refused = has(choice.parts, RefusalText)
    return {
        "id": answer_id(answer.id),
        "type": "message",
        "role": "assistant",
        "model": answer.model or "",
        "content": [block for part in choice.parts if (block := answer_block(part)) is not None],
        "stop_reason": stop_reason(choice.reason, calls=has(choice.parts, ToolInvocation), refused=refused),
        "stop_sequence": choice.stop_sequence,
        "usage": {**({} if answer.usage is None else usage_object(answer.usage)), **extra},
        **own_fields(choice.own),
    }


def answer_id(given: str | None) -> str:
    """Return the provider's id of an answer; a new one if it has none."""
    return given or f"msg_{uuid4().hex}"


def finish_of(body: Mapping[str, Any]) -> str | None:
    """Return why an answer ended; None if it hasn't: some servers write "" for that."""
    found = body.get("stop_reason")
    return found if isinstance(found, str) and found not in answers.UNFINISHED else None


def own_of(fields: Mapping[str, Any]) -> Opaque | None:
    """Return what an answer tells beyond what every dialect knows: which edits of the context were applied, its container."""
    more = {name: value for name, value in fields.items() if name not in KNOWN_FIELDS and value is not None}
    return Opaque("messages", "end", more) if more else None


def own_fields(own: Opaque | None) -> Mapping[str, Any]:
    """Return the fields of `own_of`, if they are this dialect's."""
    return own.data if own is not None and own.dialect == "messages" else {}


def stop_reason_of(word: str, *, calls: bool) -> StopReason:
    """Return the reason of a word; an unknown one means the model's own end. Whether it calls tools decides what the answer holds."""
    reason = REASONS.get(word, "end")
    if reason in {"end", "tool_calls"}:
        return "tool_calls" if calls else "end"
    return reason


def error_object(body: Mapping[str, Any]) -> object:
    """Return an error with the HTTP status that its type stands for, where it tells none."""
    error = body.get("error")
    if not isinstance(error, Mapping):
        return error or {"message": "an error without words"}
    status = STATUSES.get(str(error.get("type")))
    return {**error, "status": status} if status is not None and "status" not in error else dict(error)


KNOWN_FIELDS = frozenset({"id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "usage", "delta"})
STATUSES: Mapping[str, int] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "overloaded_error": 529,
    "timeout_error": 504,
}


def call_of(block: Mapping[str, Any], custom: frozenset[str]) -> ToolInvocation:
    """Read a tool call. Raises ProviderError for one without id or name."""
    call_id, name, given = block.get("id"), block.get("name"), block.get("input")
    if not isinstance(call_id, str) or not call_id or not isinstance(name, str) or not name:
        raise malformed("its answer has a tool call without id or name")
    arguments = json_text(given if given is not None else {})
    return ToolInvocation(call_id, name, unwrapped(arguments), "custom") if name in custom else ToolInvocation(call_id, name, arguments)


def json_text(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _read(block: Mapping[str, Any], custom: frozenset[str]) -> Iterator[Part]:
    match block.get("type"):
        case "text":
            if isinstance(text := block.get("text"), str) and text:
                yield Text(text, citations=citations_of(block.get("citations")))
        case "thinking":
            text, signature = block.get("thinking"), block.get("signature")
            yield Thinking(text if isinstance(text, str) else "", signature=signature if isinstance(signature, str) and signature else None)
        case "redacted_thinking":
            if isinstance(data := block.get("data"), str):
                yield Thinking("", sealed=data)
        case "tool_use":
            yield call_of(block, custom)
        case str(kind):
            yield Opaque("messages", kind, block)

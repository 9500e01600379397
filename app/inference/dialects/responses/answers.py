"""Read and write whole Responses answers. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from app.inference import answers
from app.inference.answer_events import AnswerChoice, StopReason, WholeAnswer
from app.inference.conversation import (
    Conversation,
    Opaque,
    Part,
    RefusalText,
    Text,
    Thinking,
    ToolInvocation,
    ToolNamespace,
)
from app.inference.dialects.responses.items import (
    Json,
    encrypted_content,
    item_id,
    named,
    namespaces_of,
    qualified,
    reason_of,
    response_id,
    status,
    thought,
    usage_object,
)
from app.inference.dialects.responses.request_writing import repeated
from app.inference.provider_errors import ProviderError, malformed, of_error_object
from app.inference.usage import parse_usage

CALLS = frozenset({"function_call", "custom_tool_call"})


def read_answer(body: Mapping[str, Any]) -> WholeAnswer:
    """Read a whole answer. Raises ProviderError for an error, a failed response, or what is no response."""
    if not isinstance(body, Mapping):
        raise malformed("its answer is not a response object")
    if body.get("error"):
        raise of_error_object(error_object(body["error"]))
    output, usage = body.get("output"), parse_usage(body.get("usage"))
    if not isinstance(output, list) or not all(isinstance(each, Mapping) for each in output):
        raise malformed("its answer has no output", usage=usage)
    if body.get("status") not in (None, "completed", "incomplete"):  # a tuple: a status may be anything, a list too
        raise ProviderError("cut", f"its response is {body.get('status')}, not completed", unknown=True, usage=usage)
    parts = tuple(part for item in output for part in parts_of(item))
    calls = any(isinstance(part, ToolInvocation) for part in parts)
    choice = AnswerChoice(parts, reason_of(body, calls=calls))
    return WholeAnswer((choice,), text_of(body.get("id")) or None, answers.model(body), created_at(body), usage)


def error_object(error: object) -> object:
    """Return an error with the HTTP status that its code stands for, where it tells none."""
    if not isinstance(error, Mapping):
        return error
    known = STATUSES.get(str(error.get("code")))
    return {**error, "status": known} if known is not None and "status" not in error else dict(error)


STATUSES: Mapping[str, int] = {
    "server_error": 500,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "invalid_prompt": 400,
    "context_length_exceeded": 400,
    "server_is_overloaded": 503,
    "slow_down": 503,
}


def created_at(body: Mapping[str, Any]) -> int | None:
    found = body.get("created_at")
    return int(found) if isinstance(found, int | float) and not isinstance(found, bool) and 0 <= found < 2**53 else None


def parts_of(item: Mapping[str, Any]) -> Iterator[Part]:
    """Yield the parts of one output item. Raises ProviderError for a call without a name or an id."""
    match item.get("type"):
        case "message":
            content = item.get("content")
            for part in content if isinstance(content, list) else ():
                match part:
                    case {"type": "output_text", "text": str(text)} if text:
                        yield Text(text)
                    case {"type": "refusal", "refusal": str(text)} if text:
                        yield RefusalText(text)
        case "reasoning":
            if (found := thought_of(item)).text or found.signature or found.sealed:
                yield found
        case "function_call" | "custom_tool_call":
            yield call_of(item)
        case str(kind):
            yield Opaque("responses", kind, item)


def thought_of(item: Mapping[str, Any]) -> Thinking:
    """Return the thinking of a reasoning item: its summary, else its whole text."""
    words = _texts(item.get("summary")) or _texts(item.get("content"))
    return thought("\n\n".join(words), text_of(item.get("encrypted_content")) or None, text_of(item.get("id")))


def call_of(item: Mapping[str, Any]) -> ToolInvocation:
    custom = item.get("type") == "custom_tool_call"
    call_id, name = text_of(item.get("call_id")) or text_of(item.get("id")), text_of(item.get("name"))
    if not call_id or not name:
        raise malformed("its answer has a tool call without an id or a name")
    name = qualified(text_of(item.get("namespace")) or None, name)
    if custom:
        return ToolInvocation(call_id, name, text_of(item.get("input")), "custom")
    return ToolInvocation(call_id, name, text_of(item.get("arguments")) or "{}")


def text_of(value: object) -> str:
    return value if isinstance(value, str) else ""


def _texts(parts: object) -> list[str]:
    found = [text_of(part.get("text")) for part in parts if isinstance(part, Mapping)] if isinstance(parts, list) else []
    return [text for text in found if text]


def write_answer(answer: WholeAnswer, asked: Conversation | None, *, extra: Mapping[str, Any]) -> Json:
    """Write a whole answer: its first choice, since this dialect knows no other. `extra` stands in its usage."""
    choice = answer.choices[0]
    head = head_of(answer.id, answer.model, answer.created, asked)
    groups, output = namespaces_of(asked), list[Json]()
    for part in choice.parts:
        if (item := item_of(part, head["id"], len(output), groups)) is not None:
            output.append(item)
    if output:
        output[-1] = last_item(output[-1], choice.reason)
    usage = None if answer.usage is None else {**usage_object(answer.usage), **extra}
    return finished(head, output, choice.reason, usage, asked)


def head_of(name: str | None, model: str | None, created: int | None, asked: Conversation | None) -> Json:
    """Return a response that has just begun. Of what the caller sent only short options are told yet: `finished` repeats the rest."""
    options = None if asked is None else asked.options
    reasoning = None if options is None else options.reasoning
    return {
        "id": response_id(name),
        "object": "response",
        "created_at": created or 0,
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": None if options is None else options.max_tokens,
        "metadata": {} if options is None else options.other.get("metadata") or {},
        "model": model or ("" if asked is None else asked.model),
        "output": [],
        "parallel_tool_calls": True if options is None or options.parallel_tools is None else options.parallel_tools,
        "previous_response_id": None,
        "reasoning": {"effort": reasoning and reasoning.effort, "summary": reasoning and reasoning.summary},
        "store": False,
        "temperature": None if options is None else options.temperature,
        "tool_choice": "auto",
        "tools": [],
        "top_p": None if options is None else options.top_p,
        "truncation": "disabled",
        "usage": None,
    }


def finished(head: Json, output: Sequence[Json], reason: StopReason, usage: Json | None, asked: Conversation | None) -> Json:
    """Return a response as it is at its end."""
    told, details = status(reason, refused=any(_refuses(item) for item in output))
    more = {} if asked is None else repeated(asked)
    return {**head, **more, "status": told, "incomplete_details": details, "output": list(output), "usage": usage}


def last_item(item: Json, reason: StopReason) -> Json:
    """Return the last item of a response that ended for this reason: where that cut the answer off, it is incomplete itself."""
    return {**item, "status": status(reason, refused=_refuses(item))[0]} if "status" in item else item


def _refuses(item: Json) -> bool:
    return any(part.get("type") == "refusal" for part in item.get("content") or ())


def item_of(part: Part, response: str, place: int, groups: Mapping[str, ToolNamespace]) -> Json | None:
    """Return a finished item; None for an empty one, and for what this dialect's answers don't hold."""
    match part:
        case Text(text) if text:
            content = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
            return _message(response, place, content)
        case RefusalText(text) if text:
            return _message(response, place, {"type": "refusal", "refusal": text})
        case Thinking(text) if text or part.signature or part.sealed:
            summary = [{"type": "summary_text", "text": text}] if text else []
            made = {"id": item_id("reasoning", response, place), "type": "reasoning", "summary": summary}
            return made if (sealed := encrypted_content(part)) is None else {**made, "encrypted_content": sealed}
        case ToolInvocation(call_id, name, arguments, kind):
            what, field = ("custom_tool_call", "input") if kind == "custom" else ("function_call", "arguments")
            head = {"id": item_id(what, response, place), "type": what, "status": "completed"}
            return {**head, field: arguments, "call_id": call_id, **named(name, groups)}
        case Opaque("responses", _, data):
            return dict(data)
    return None


def _message(response: str, place: int, content: Json) -> Json:
    made = item_id("message", response, place)
    return {"id": made, "type": "message", "status": "completed", "role": "assistant", "content": [content]}

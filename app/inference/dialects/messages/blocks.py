"""Content blocks of an answer, and what both directions share: calls' inputs, stop reasons, usage. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from app.budget.prices import TokenUsage
from app.inference.answer_events import StopReason
from app.inference.conversation import Audio, Document, Image, Opaque, Part, RefusalText, Text, Thinking, ToolInvocation, ToolResult
from app.inference.dialects.wrapped_tools import wrapped_text
from app.inference.usage import TOOL_USES, anthropic_tool_uses, split_writes

Json = dict[str, Any]
RAW = "_raw"
"""The property that holds a call's arguments where they are no JSON object, which `input` must be."""
STOP_REASONS: Final[Mapping[StopReason, str]] = {
    "end": "end_turn",
    "max_tokens": "max_tokens",
    "tool_calls": "tool_use",
    "stop_sequence": "stop_sequence",
    "refusal": "refusal",
    "content_filter": "refusal",
    "pause": "pause_turn",
    "context_full": "model_context_window_exceeded",
}
REASONS: Final[Mapping[str, StopReason]] = {word: reason for reason, word in STOP_REASONS.items() if reason != "content_filter"}
_ID = re.compile(r"[^A-Za-z0-9_-]")


def input_of(call: ToolInvocation) -> Json:
    """Return a call's arguments as the object that this dialect demands; under `_raw` if the model wrote something else."""
    text = wrapped_text(call.arguments) if call.kind == "custom" else call.arguments
    if not text.strip():
        return {}
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return {RAW: text}
    return found if isinstance(found, dict) else {RAW: text}


def id_of(name: str) -> str:
    """Return a tool call's id in the characters that this dialect allows."""
    return _ID.sub("_", name)


def thinking_block(thought: Thinking) -> Json:
    if thought.sealed is not None:
        return {"type": "redacted_thinking", "data": thought.sealed}
    return {"type": "thinking", "thinking": thought.text, "signature": thought.signature or ""}


def citations_of(given: object) -> tuple[Opaque, ...]:
    """Read the sources of a text."""
    found = given if isinstance(given, list) else ()
    return tuple(Opaque("messages", str(each.get("type")), each) for each in found if isinstance(each, Mapping))


def cited(text: Text) -> Json:
    """Return a text's sources as its block has them."""
    found = [dict(each.data) for each in text.citations if each.dialect == "messages"]
    return {"citations": found} if found else {}


def answer_block(part: Part) -> Json | None:
    """Return what a part of an answer becomes; None for an empty text, and for what this dialect's answers don't hold."""
    match part:
        case Text(text):
            return {"type": "text", "text": text, **cited(part)} if text else None
        case RefusalText(text):
            return {"type": "text", "text": text} if text else None
        case Thinking():
            return thinking_block(part) if part.text or part.signature or part.sealed else None
        case ToolInvocation():
            return {"type": "tool_use", "id": id_of(part.id), "name": part.name, "input": input_of(part)}
        case Opaque("messages", _, data):
            return dict(data)
        case Opaque() | Image() | Document() | Audio() | ToolResult():
            return None


def stop_reason(reason: StopReason, *, calls: bool, refused: bool) -> str:
    """Return the reason as this dialect names it. Tool calls and refusals are told as such even if the provider called them an end."""
    if reason in {"end", "tool_calls"}:
        reason = "tool_calls" if calls else "refusal" if refused else "end"
    return STOP_REASONS[reason]


def usage_object(usage: TokenUsage) -> Json:
    """Return a usage in this dialect, whose input excludes what the prompt cache read or wrote."""
    split = {"cache_creation": split_writes(usage)} if usage.cache_write and usage.cache_write_1h is not None else {}
    tools = {TOOL_USES: anthropic_tool_uses(usage)} if usage.tool_uses else {}
    return {
        "input_tokens": max(0, usage.input - usage.cached_input - usage.cache_write),
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cached_input,
        "output_tokens": usage.output,
        **split,
        **tools,
    }


def has(parts: Sequence[Part], kind: type[Part]) -> bool:
    return any(isinstance(part, kind) for part in parts)

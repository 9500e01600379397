"""Names of grouped tools, sealed thinking, ids, reasons of an end, usage: shared by both directions of Responses. Pure."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from app.budget.prices import TokenUsage
from app.inference.answer_events import StopReason
from app.inference.conversation import Conversation, HostedTool, Thinking, ToolDefinition, ToolNamespace

Json = dict[str, Any]
MAX_NAME_CHARS: Final = 64
"""The longest name of a tool that every provider takes."""
SEAL: Final = "cairn-1."
"""The beginning of an `encrypted_content` that holds another vendor's proof of its thinking. Only Cairn reads it, when it comes back."""
PREFIXES: Final[Mapping[str, str]] = {"message": "msg", "reasoning": "rs", "function_call": "fc", "custom_tool_call": "ctc"}
UNFINISHED: Final[Mapping[StopReason, str]] = {
    "max_tokens": "max_output_tokens",
    "context_full": "max_output_tokens",
    "content_filter": "content_filter",
    "refusal": "content_filter",
}
"""The reasons by which a response is told as incomplete; every other one completes it."""
_ID = re.compile(r"[^A-Za-z0-9_-]")


def qualified(namespace: str | None, name: str) -> str:
    """Return a tool's name for dialects without groups: with the group's, and not too long."""
    if not namespace:
        return name
    whole = f"{namespace.rstrip('_')}__{name}"
    if len(whole) <= MAX_NAME_CHARS:
        return whole
    return f"{whole[: MAX_NAME_CHARS - 9]}_{hashlib.blake2b(whole.encode(), digest_size=4).hexdigest()}"


def namespaces(tools: Iterable[ToolDefinition | HostedTool]) -> dict[str, ToolNamespace]:
    """Return the groups of those tools that have one, by the tool's name here."""
    return {tool.name: tool.namespace for tool in tools if isinstance(tool, ToolDefinition) and tool.namespace is not None}


def namespaces_of(asked: Conversation | None) -> dict[str, ToolNamespace]:
    return {} if asked is None else namespaces(asked.tools)


def named(name: str, known: Mapping[str, ToolNamespace]) -> Json:
    """Return the fields that name a tool: its group too, if it has one."""
    group = known.get(name)
    return {"name": name} if group is None else {"name": group.tool, "namespace": group.name}


def encrypted_content(thought: Thinking) -> str | None:
    """Return what a client keeps and sends back: the vendor's own seal, or another vendor's proof in a form of ours."""
    if thought.sealed is not None and thought.id is not None:
        return thought.sealed
    found = {name: value for name, value in (("signature", thought.signature), ("sealed", thought.sealed)) if value is not None}
    return SEAL + base64.urlsafe_b64encode(msgspec.json.encode(found)).decode() if found else None


def thought(text: str, encrypted: str | None, item_id: str | None) -> Thinking:
    """Return the thinking of a reasoning item."""
    if encrypted is None:
        return Thinking(text)
    if encrypted.startswith(SEAL):
        try:
            found = msgspec.json.decode(base64.urlsafe_b64decode(encrypted[len(SEAL) :]), type=dict[str, str])
        except (ValueError, msgspec.DecodeError):
            return Thinking(text)  # cut by the client: its words are left
        return Thinking(text, found.get("signature"), found.get("sealed"))
    return Thinking(text, sealed=encrypted, id=item_id or "")


def response_id(given: str | None) -> str:
    """Return a response's id, which ends with the provider's own."""
    name = given or "response"
    return name if name.startswith("resp_") else f"resp_{name}"


def item_id(kind: str, response: str, place: int) -> str:
    """Return the id of an item, which no other item of any response has."""
    return f"{PREFIXES[kind]}_{_ID.sub('_', response.removeprefix('resp_'))[:40]}_{place}"


def status(reason: StopReason, *, refused: bool) -> tuple[str, Json | None]:
    """Return a response's status, and its `incomplete_details`. `refused`: the model's refusal is a part of the answer."""
    why = None if reason == "refusal" and refused else UNFINISHED.get(reason)
    return ("completed", None) if why is None else ("incomplete", {"reason": why})


def reason_of(body: Mapping[str, Any], *, calls: bool) -> StopReason:
    """Return why a response ended."""
    details = body.get("incomplete_details")
    if body.get("status") == "incomplete":
        why = details.get("reason") if isinstance(details, Mapping) else None
        return "content_filter" if why == "content_filter" else "max_tokens"
    return "tool_calls" if calls else "end"


def usage_object(usage: TokenUsage) -> Json:
    written = {"cache_write_tokens": usage.cache_write} if usage.cache_write else {}
    return {
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": usage.cached_input, **written},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.total,
    }

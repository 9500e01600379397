"""Adapt messages and tools to a vendor: one request goes to several in turn, and each refuses what only others understand. Pure.

The caller's objects are never changed; what needs no change is passed on as the same object.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

CACHE_CONTROL, THINKING_BLOCKS = "cache_control", "thinking_blocks"
KEEPING_KINDS = frozenset({"anthropic", "local"})
"""Provider kinds that take Anthropic's fields: its own, through litellm, and a team's own server, which ignores what it doesn't know."""
DEVELOPER_KINDS = frozenset({"openai"})
"""Provider kinds that know the role `developer`; to others it is `system`."""
OBJECT_KINDS = frozenset({"anthropic", "gemini"})
"""Provider kinds in whose format a call's arguments are an object, not a text: litellm "repairs" or refuses other texts."""
RAW = "_raw"
"""The field that holds arguments which are no JSON object, such as those of a call that was cut short."""
SHORT_ID_KINDS, MAX_ID_CHARS = frozenset({"openai", "groq"}), 40
"""Provider kinds that refuse longer ids of tool calls. litellm puts Gemini's signatures into them, which take hundreds of characters."""
Json = Mapping[str, Any]


def messages_for(kind: str, messages: Sequence[Json]) -> tuple[Sequence[Json], tuple[str, ...]]:
    """Return the messages as a provider kind takes them, and the names of what was left out.

    A mark for the prompt cache is no loss, so it isn't named. A message that held nothing but thinking is left out.
    """
    found: list[Json] = []
    dropped = False
    for message in messages:
        made = _adapted(kind, message)
        if made is not message and message.get(THINKING_BLOCKS) and THINKING_BLOCKS not in made:
            dropped = True
            if not any(made.get(name) for name in ("content", "tool_calls", "function_call")):
                continue
        found.append(made)
    if len(found) == len(messages) and all(made is message for made, message in zip(found, messages, strict=True)):
        return messages, ()
    return found, (THINKING_BLOCKS,) if dropped else ()


def tools_for(kind: str, tools: object) -> object:
    """Return the tools as a provider kind takes them."""
    if kind in KEEPING_KINDS or not isinstance(tools, list) or not any(map(_marked, tools)):
        return tools
    return [_unmarked(tool) for tool in tools]


def _adapted(kind: str, message: Json) -> Json:
    """Return a message as a provider kind takes it; the same object if nothing changes."""
    changes: dict[str, Any] = {}
    if kind not in DEVELOPER_KINDS and message.get("role") == "developer":
        changes["role"] = "system"
    if kind not in KEEPING_KINDS and isinstance(content := message.get("content"), list) and any(map(_marked, content)):
        changes["content"] = [_unmarked(part) for part in content]
    if isinstance(calls := message.get("tool_calls"), list):
        made = [_call(kind, call) for call in calls]
        if any(one is not other for one, other in zip(made, calls, strict=True)):
            changes["tool_calls"] = made
    if kind in SHORT_ID_KINDS and (short := _short(message.get("tool_call_id"))) is not None:
        changes["tool_call_id"] = short
    left_out = set() if kind in KEEPING_KINDS else {CACHE_CONTROL, THINKING_BLOCKS} & message.keys()
    if not changes and not left_out:
        return message
    return {name: value for name, value in message.items() if name not in left_out} | changes


def _call(kind: str, call: Any) -> Any:
    made = call if kind in KEEPING_KINDS else _unmarked(call)
    if not isinstance(made, Mapping):
        return made
    if kind in SHORT_ID_KINDS and (short := _short(made.get("id"))) is not None:
        made = {**made, "id": short}
    function = made.get("function")
    if kind in OBJECT_KINDS and isinstance(function, Mapping) and (object_ := _object(function.get("arguments"))) is not None:
        made = {**made, "function": {**function, "arguments": object_}}
    return made


def _object(arguments: object) -> str | None:
    """Return the arguments as an object's JSON; None if they are one already."""
    if not isinstance(arguments, str) or not arguments.strip():
        return None
    try:
        if isinstance(msgspec.json.decode(arguments), dict):
            return None
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        pass
    return msgspec.json.encode({RAW: arguments}).decode()


def _short(given: object) -> str | None:
    """Return a short id that stands for a long one, the same in the call and in its result; None if it is short enough."""
    if not isinstance(given, str) or len(given) <= MAX_ID_CHARS:
        return None
    return "call_" + hashlib.blake2b(given.encode("utf-8", "replace"), digest_size=16).hexdigest()


def _marked(value: object) -> bool:
    """Tell whether an object, or the function in it, carries a mark for the prompt cache."""
    if not isinstance(value, Mapping):
        return False
    function = value.get("function")
    return CACHE_CONTROL in value or (isinstance(function, Mapping) and CACHE_CONTROL in function)


def _unmarked(value: Any) -> Any:
    if not _marked(value):
        return value
    made = {name: each for name, each in value.items() if name != CACHE_CONTROL}
    if isinstance(function := made.get("function"), Mapping):
        made["function"] = {name: each for name, each in function.items() if name != CACHE_CONTROL}
    return made

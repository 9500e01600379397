"""Adapt messages and tools to a vendor: one request goes to several in turn, and each refuses what only others understand. Pure.

The caller's objects are never changed; what needs no change is passed on as the same object.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

CACHE_CONTROL, THINKING = "cache_control", ("thinking_blocks", "reasoning_content")
"""Fields that only some vendors know: a mark for the prompt cache, what the model thought."""
KEEPING_KINDS = frozenset({"local"})
"""Provider kinds that take Anthropic's fields: a team's own server, which ignores what it doesn't know."""
DEVELOPER_KINDS = frozenset({"openai"})
"""Provider kinds that know the role `developer`, if they are OpenAI's own servers: see `as_system`. To others it is `system`."""
_SPOKEN = frozenset({"role", "content", "name"})
ONLY_FIELDS: Mapping[str, Mapping[str, frozenset[str]]] = {
    "groq": {
        "system": _SPOKEN,
        "user": _SPOKEN,
        "assistant": _SPOKEN | {"tool_calls", "function_call", "reasoning"},
        "tool": _SPOKEN | {"tool_call_id"},
        "function": _SPOKEN,
    }
}
"""By provider kind and role: a message's fields that don't lead to a refusal. Clients send answers back with all that came in them."""
OBJECT_KINDS = frozenset({"gemini"})
"""Provider kinds in whose format a call's arguments are an object, not a text: litellm "repairs" or refuses other texts."""
RAW = "_raw"
"""The field that holds arguments which are no JSON object, such as those of a call that was cut short."""
SHORT_ID_KINDS, MAX_ID_CHARS = frozenset({"openai", "groq"}), 40
"""Provider kinds that refuse longer ids of tool calls. litellm puts Gemini's signatures into them, which take hundreds of characters."""
Json = Mapping[str, Any]


def messages_for(kind: str, messages: Sequence[Json]) -> tuple[Sequence[Json], tuple[str, ...]]:
    """Return the messages as a provider kind takes them, and the names of what was left out, of which only thinking is a loss.

    A message that held nothing but thinking is left out.
    """
    found: list[Json] = []
    dropped: dict[str, None] = {}
    for message in messages:
        made = _adapted(kind, message)
        lost = [name for name in THINKING if made is not message and message.get(name) and name not in made]
        dropped |= dict.fromkeys(lost)
        if not lost or any(made.get(name) for name in ("content", "tool_calls", "function_call")):
            found.append(made)
    if len(found) == len(messages) and all(made is message for made, message in zip(found, messages, strict=True)):
        return messages, ()
    return found, tuple(dropped)


def as_system(messages: Sequence[Json]) -> Sequence[Json]:
    """Return the messages with the role `system` for `developer`: other servers of OpenAI's format refuse a role that they don't know."""
    if not any(each.get("role") == "developer" for each in messages):
        return messages
    return [{**each, "role": "system"} if each.get("role") == "developer" else each for each in messages]


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
    for name, adapt in (("content", _part), ("tool_calls", _call)):
        if isinstance(given := message.get(name), list):
            made = [adapt(kind, each) for each in given]
            if any(one is not other for one, other in zip(made, given, strict=True)):
                changes[name] = made
    if kind in SHORT_ID_KINDS and (short := _short(message.get("tool_call_id"))) is not None:
        changes["tool_call_id"] = short
    left_out = _left_out(kind, message)
    if not changes and not left_out:
        return message
    return {name: value for name, value in message.items() if name not in left_out} | changes


def _left_out(kind: str, message: Json) -> set[str]:
    """Return the names of a message's fields that a provider kind refuses."""
    taken = ONLY_FIELDS.get(kind, {}).get(str(message.get("role")))
    if taken is not None:
        return {name for name, value in message.items() if name not in taken or (value is None and name != "content")}
    return set() if kind in KEEPING_KINDS else {CACHE_CONTROL, THINKING[0]} & message.keys()


def _part(kind: str, part: Any) -> Any:
    """Return a part of a content. Only OpenAI knows refusals as such: to others they are what the model said."""
    if kind not in DEVELOPER_KINDS and isinstance(part, Mapping) and part.get("type") == "refusal":
        return {"type": "text", "text": part.get("refusal")}
    return part if kind in KEEPING_KINDS else _unmarked(part)


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

"""Adapt messages and tools to a vendor: one request goes to several in turn, and each refuses what only others understand. Pure.

The caller's objects are never changed; what needs no change is passed on as the same object.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from app.inference.profiles import ProviderProfile

CACHE_CONTROL, THINKING = "cache_control", ("thinking_blocks", "reasoning_content")
"""Fields that only some vendors know: a mark for the prompt cache, what the model thought."""
Json = Mapping[str, Any]


def messages_for(profile: ProviderProfile, messages: Sequence[Json]) -> tuple[Sequence[Json], tuple[str, ...]]:
    """Return the messages as a provider kind takes them, and the names of what was left out, of which only thinking is a loss.

    A message that held nothing but thinking is left out.
    """
    found: list[Json] = []
    dropped: dict[str, None] = {}
    for message in messages:
        made = _adapted(profile, message)
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


def tools_for(profile: ProviderProfile, tools: object) -> object:
    """Return the tools as a provider kind takes them."""
    if profile.takes_anthropic_fields or not isinstance(tools, list) or not any(map(_marked, tools)):
        return tools
    return [_unmarked(tool) for tool in tools]


def _adapted(profile: ProviderProfile, message: Json) -> Json:
    """Return a message as a provider kind takes it; the same object if nothing changes."""
    changes: dict[str, Any] = {}
    if not profile.takes_developer and message.get("role") == "developer":
        changes["role"] = "system"
    for name, adapt in (("content", _part), ("tool_calls", _call)):
        if isinstance(given := message.get(name), list):
            made = [adapt(profile, each) for each in given]
            if any(one is not other for one, other in zip(made, given, strict=True)):
                changes[name] = made
    if (short := _short(message.get("tool_call_id"), profile.max_call_id_chars)) is not None:
        changes["tool_call_id"] = short
    left_out = _left_out(profile, message)
    if not changes and not left_out:
        return message
    return {name: value for name, value in message.items() if name not in left_out} | changes


def _left_out(profile: ProviderProfile, message: Json) -> set[str]:
    """Return the names of a message's fields that a provider kind refuses."""
    taken = (profile.message_fields or {}).get(str(message.get("role")))
    if taken is not None:
        return {name for name, value in message.items() if name not in taken or (value is None and name != "content")}
    return set() if profile.takes_anthropic_fields else {CACHE_CONTROL, THINKING[0]} & message.keys()


def _part(profile: ProviderProfile, part: Any) -> Any:
    """Return a part of a content. Only OpenAI knows refusals as such: to others they are what the model said."""
    if not profile.takes_refusals and isinstance(part, Mapping) and part.get("type") == "refusal":
        return {"type": "text", "text": part.get("refusal")}
    return part if profile.takes_anthropic_fields else _unmarked(part)


def _call(profile: ProviderProfile, call: Any) -> Any:
    made = call if profile.takes_anthropic_fields else _unmarked(call)
    short = _short(made.get("id"), profile.max_call_id_chars) if isinstance(made, Mapping) else None
    return made if short is None else {**made, "id": short}


def _short(given: object, max_chars: int | None) -> str | None:
    """Return a short id that stands for a long one, the same in the call and in its result; None if it is short enough."""
    if max_chars is None or not isinstance(given, str) or len(given) <= max_chars:
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

"""Keep what only one vendor understands from the others, which refuse or misread it: a request goes to several providers in turn. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

CACHE_CONTROL, THINKING_BLOCKS = "cache_control", "thinking_blocks"
KEEPING_KINDS = frozenset({"anthropic", "local"})
"""Provider kinds that take Anthropic's fields: its own, through litellm, and a team's own server, which ignores what it doesn't know."""
DEVELOPER_KINDS = frozenset({"openai"})
"""Provider kinds that know the role `developer`; to others it is `system`."""
Json = Mapping[str, Any]


def messages_for(kind: str, messages: Sequence[Json]) -> tuple[Sequence[Json], tuple[str, ...]]:
    """Return the messages as a provider kind takes them, and the names of what was left out; the same object if nothing changes.

    A mark for the prompt cache is no loss, so it isn't named. A message that held nothing but thinking is left out.
    """
    keeps, developer = kind in KEEPING_KINDS, kind in DEVELOPER_KINDS
    if not any(_changes(each, keeps=keeps, developer=developer) for each in messages):
        return messages, ()
    found, dropped = [], False
    for message in messages:
        made = {**message, "role": "system"} if not developer and message.get("role") == "developer" else message
        if not keeps:
            dropped = dropped or bool(message.get(THINKING_BLOCKS))
            made = _plain(made)
            if message.get(THINKING_BLOCKS) and not any(made.get(name) for name in ("content", "tool_calls", "function_call")):
                continue
        found.append(made)
    return found, (THINKING_BLOCKS,) if dropped else ()


def tools_for(kind: str, tools: object) -> object:
    """Return the tools as a provider kind takes them; the same object if nothing changes."""
    if kind in KEEPING_KINDS or not isinstance(tools, list) or not any(map(_marked, tools)):
        return tools
    return [_unmarked(tool) for tool in tools]


def _changes(message: Json, *, keeps: bool, developer: bool) -> bool:
    if not developer and message.get("role") == "developer":
        return True
    if keeps:
        return False
    if CACHE_CONTROL in message or THINKING_BLOCKS in message:
        return True
    return any(isinstance(found, list) and any(map(_marked, found)) for found in (message.get("content"), message.get("tool_calls")))


def _plain(message: Json) -> dict[str, Any]:
    """Return a message without the vendor's fields, its parts and calls included."""
    made = {name: value for name, value in message.items() if name not in {CACHE_CONTROL, THINKING_BLOCKS}}
    for name in ("content", "tool_calls"):
        if isinstance(found := made.get(name), list):
            made[name] = [_unmarked(each) for each in found]
    return made


def _marked(value: object) -> bool:
    """Tell whether an object, or the function in it, carries a mark for the prompt cache."""
    return isinstance(value, Mapping) and (
        CACHE_CONTROL in value or (isinstance(f := value.get("function"), Mapping) and CACHE_CONTROL in f)
    )


def _unmarked(value: Any) -> Any:
    if not _marked(value):
        return value
    made = {name: each for name, each in value.items() if name != CACHE_CONTROL}
    if isinstance(function := made.get("function"), Mapping):
        made["function"] = {name: each for name, each in function.items() if name != CACHE_CONTROL}
    return made

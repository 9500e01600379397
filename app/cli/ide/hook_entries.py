"""Puts Cairn's hooks among those of an IDE's JSON, and takes out exactly these. Pure.

Claude Code and Codex hold groups of handlers by event (`{"hooks": [handler]}`), Cursor handlers by event.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from app.cli.ide.json_edits import append_element, read_at, remove_at

_OURS = re.compile(r"(?:^|[\\/\s\"'])(?:cairn(?:\.exe)?[\"']?|-m app\.cli) hook(?: |$)")
_ADDRESS = re.compile(r"https?://[^ ]+/v1/hooks/[\w-]+")


def is_ours(handler: Any) -> bool:
    """Tell whether a handler is one that `cairn connect` wrote, of this version or another."""
    if not isinstance(handler, dict):
        return False
    if isinstance(url := handler.get("url"), str) and _ADDRESS.fullmatch(url):
        return True
    arguments = handler.get("args")
    words = [handler.get("command"), *(arguments if isinstance(arguments, list) else ())]
    return _OURS.search(" ".join(each for each in words if isinstance(each, str))) is not None


def with_hooks(text: str, wanted: Mapping[str, Mapping[str, Any]], *, prune: Callable[[str, tuple[str, ...]], str]) -> str:
    """Put an entry at each event, and take out ours that differ or stand elsewhere."""
    text = _without(text, wanted, prune)
    for event, entry in wanted.items():
        if not any(_entry_is_ours(each) for each in _entries(text, event)):
            text = append_element(text, ["hooks", event], dict(entry))
    return text


def without_hooks(text: str, *, prune: Callable[[str, tuple[str, ...]], str]) -> str:
    """Take out every handler of ours; what that leaves empty goes with it."""
    return _without(text, {}, prune)


def _without(text: str, kept: Mapping[str, Mapping[str, Any]], prune: Callable[[str, tuple[str, ...]], str]) -> str:
    hooks = read_at(text, ["hooks"])
    removed = False
    for event in hooks if isinstance(hooks, dict) else ():
        entries, seen = _entries(text, event), False
        for number in reversed(range(len(entries))):
            entry = entries[number]
            if entry == kept.get(event) and not seen:
                seen = True
                continue
            for path in _ours_within(event, number, entry):
                text, removed = remove_at(text, path), True
        if removed:
            text = prune(text, ("hooks", event))
    return prune(text, ("hooks",)) if removed else text


def _ours_within(event: str, number: int, entry: Any) -> list[list[str | int]]:
    """Return what to remove of an entry: all of it, or handlers of ours in a group with others', the last first."""
    if _entry_is_ours(entry):
        return [["hooks", event, number]]
    handlers = entry.get("hooks") if isinstance(entry, dict) else None
    ours = [at for at, each in enumerate(handlers if isinstance(handlers, list) else ()) if is_ours(each)]
    return [["hooks", event, number, "hooks", at] for at in reversed(ours)]


def _entry_is_ours(entry: Any) -> bool:
    handlers = entry.get("hooks") if isinstance(entry, dict) else None
    return all(is_ours(each) for each in handlers) if isinstance(handlers, list) and handlers else is_ours(entry)


def _entries(text: str, event: str) -> list[Any]:
    found = read_at(text, ["hooks", event])
    return found if isinstance(found, list) else []

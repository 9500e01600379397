"""Reads what an IDE hands to a hook, makes it small enough to be sent, and keeps an answer to what a hook of ours may say. Pure."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

MAX_READ_BYTES = 64 * 2**20
MAX_SENT_BYTES = 2**20
STRING_CHARS = (100_000, 10_000, 1_000)
"""Lengths to which a payload's texts are cut, one after the other, until it is small enough."""
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_HEADER_CHARS = "".join(chr(code) for code in range(33, 127) if chr(code) != "%") + " "


@dataclass(frozen=True, slots=True)
class HookPayload:
    """An IDE's JSON: `body` as it is to be sent, and what the client itself reads in it. `note`: what was left out of it."""

    body: bytes
    event: str
    directories: tuple[Path, ...]
    note: str = ""


class UnusablePayload(Exception):
    """The IDE's JSON can't be sent; the message says why."""


def read_payload(raw: bytes, *, event: str, env: Mapping[str, str], here: Path) -> HookPayload:
    """Read a hook's input. `event`: as the command line names it. Raises UnusablePayload."""
    if len(raw) > MAX_READ_BYTES:
        raise UnusablePayload(f"its input is larger than {MAX_READ_BYTES >> 20} MB: it was not sent")
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise UnusablePayload("its input is not JSON") from error
    if not isinstance(found, dict):
        raise UnusablePayload("its input is not a JSON object")
    name = found.get("hook_event_name")
    body, note = (raw, "") if len(raw) <= MAX_SENT_BYTES else _cut(found, len(raw))
    return HookPayload(body, event_name(name) if isinstance(name, str) else event, _directories(found, env, here), note)


def event_name(name: str) -> str:
    """Return an event's name as the command line spells it: `SessionStart` is `session-start`."""
    return _HUMP.sub("-", name).replace("_", "-").lower()[:60]


def header_value(text: str) -> str:
    """Write a text as a header's value: printable ASCII as it is, all else percent-encoded, as UTF-8."""
    return quote(text.encode("utf-8", "replace"), safe=_HEADER_CHARS).strip()[:1000]


def permitted_answer(ide: str, body: bytes, event: str) -> dict[str, Any]:
    """Keep of a server's answer what adds text to a conversation: no server decides or changes what an agent may do."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    if ide == "cursor":
        text = found.get("additional_context")
        return {"additional_context": text} if isinstance(text, str) and text else {}
    specific = found.get("hookSpecificOutput")
    text, name = (specific.get("additionalContext"), specific.get("hookEventName")) if isinstance(specific, dict) else (None, None)
    if not isinstance(text, str) or not text or not isinstance(name, str) or event_name(name) != event:
        return {}
    return {"hookSpecificOutput": {"hookEventName": name, "additionalContext": text}}


def _directories(found: Mapping[str, Any], env: Mapping[str, str], here: Path) -> tuple[Path, ...]:
    """Return the folders that the session works in, the present one first."""
    roots = found.get("workspace_roots")
    named = [found.get("cwd"), *(roots if isinstance(roots, list) else ()), env.get("CLAUDE_PROJECT_DIR"), env.get("CURSOR_PROJECT_DIR")]
    usable = [folder for each in named if isinstance(each, str) and (folder := _folder(each)) is not None]
    return tuple(dict.fromkeys([*usable, here]))


def _folder(named: str) -> Path | None:
    """Read a folder's name: a path, or a file's URL, as some builds of Cursor write it (`/c:/shop` on Windows)."""
    path = unquote(urlsplit(named).path) if named.startswith("file://") else named
    if os.name == "nt" and re.match(r"/[A-Za-z]:", path):
        path = path[1:]
    return Path(path) if path and "\0" not in path and Path(path).is_absolute() else None


def _cut(found: dict[str, Any], size: int) -> tuple[bytes, str]:
    for chars in STRING_CHARS:
        body = json.dumps(_shortened(found, chars)).encode()
        if len(body) <= MAX_SENT_BYTES:
            return body, f"its long texts were cut: it had {size / 2**20:.1f} MB"
    raise UnusablePayload(f"its input has {size / 2**20:.1f} MB, in too many parts to shorten: it was not sent")


def _shortened(value: Any, chars: int) -> Any:
    if isinstance(value, str):
        return value if len(value) <= chars else f"{value[:chars]}\n[{len(value) - chars} characters left out]"
    if isinstance(value, dict):
        return {name: _shortened(each, chars) for name, each in value.items()}
    return [_shortened(each, chars) for each in value] if isinstance(value, list) else value

"""Tool calls: readable input, outcome, and the pairing of a call with its result."""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime

from app.sessions.event import Event, Outcome, ReplyUsage, ToolUse
from app.sessions.formats.lines import loads
from app.sessions.formats.values import mapping, string, text_of

MAX_PENDING = 1000
"""Calls waiting for their result; beyond this the oldest is emitted without one."""
MAX_FILES, MAX_PATH_CHARS, MAX_PATCH_CHARS = 20, 500, 200_000
"""Limits on the file paths noted for one call."""
PATH_KEYS = ("file_path", "path", "filePath", "target_file", "notebook_path")
_PATCHED = re.compile(r"^\*\*\* (?:Add|Update|Delete) File: (.+)$", re.MULTILINE)
_EXIT = re.compile(r"(?:exit(?:ed with)?(?: code| status)?|exit_code|returned)[\"':= ]{1,4}(-?\d{1,3})\b", re.IGNORECASE)
_REJECTED = re.compile(r"The user doesn't want to (?:proceed with|take)|tool use was rejected|^\[Request interrupted by user for tool use")
_SAID = re.compile(r"the user said:\s*\n(.*)", re.DOTALL)
_FAILED = re.compile(r"^(?:<tool_use_error>|Error:|error:|Traceback \(most recent call last\)|bash: .*: command not found)")


@dataclass(frozen=True, slots=True)
class PendingToolCall:
    """A tool call whose result has not been seen yet."""

    id: str
    name: str
    input: str
    locator: str
    at: datetime | None
    sidechain: bool = False
    model: str | None = None
    usage: ReplyUsage | None = None
    parent: str | None = None
    files: tuple[str, ...] = ()

    def event(self, output: str = "", *, failed: bool | None = None, exit_code: int | None = None) -> Event:
        """Build the call's event with its result; without a result the outcome is None."""
        known = bool(output) or failed is not None or exit_code is not None
        outcome = outcome_of(output, failed=failed, exit_code=exit_code) if known else None
        return Event(
            id=self.id,
            role="tool",
            kind="tool",
            text="",
            locator=self.locator,
            at=self.at,
            tool=ToolUse(self.name, self.input, output, exit_code),
            outcome=outcome,
            sidechain=self.sidechain,
            model=self.model,
            usage=self.usage,
            parent=self.parent,
            files=self.files,
        )


class Pending:
    """Calls waiting for their results, by id, in order, bounded by MAX_PENDING."""

    def __init__(self) -> None:
        self._calls: OrderedDict[str, PendingToolCall] = OrderedDict()

    def __contains__(self, key: object) -> bool:
        return key in self._calls

    def add(self, key: str, call: PendingToolCall) -> list[Event]:
        """Remember a call. Return the events of evicted calls: an earlier one of the same key, or the oldest."""
        gone = []
        if key in self._calls:
            gone.append(self._calls.pop(key).event())
        self._calls[key] = call
        if len(self._calls) > MAX_PENDING:
            gone.append(self._calls.popitem(last=False)[1].event())
        return gone

    def take(self, key: str | None) -> PendingToolCall | None:
        """Remove and return the call of this key; None if there is none."""
        if key is not None and key in self._calls:
            return self._calls.pop(key)
        return None

    def awaits(self, name: str, given: str) -> bool:
        """Tell whether a call of this input waits for its result; of a patch, any that patches files."""
        patch = name == "apply_patch"
        return any(call.input == given or (patch and "apply_patch" in (call.name, call.input[:11])) for call in self._calls.values())

    def oldest(self) -> PendingToolCall | None:
        return self._calls.popitem(last=False)[1] if self._calls else None

    def rest(self) -> list[Event]:
        """Return the events of calls whose result never came, at the end of the file."""
        left = [call.event() for call in self._calls.values()]
        self._calls.clear()
        return left


def tool_input(name: str, given: object) -> str:
    """Render a tool's input: a command as such, an edit as its path and lines, anything else as compact JSON."""
    if isinstance(given, str):
        return _from_json(name, given)
    if not isinstance(given, dict):
        return "" if given is None else json.dumps(given, ensure_ascii=False)
    for key in ("command", "cmd", "commandLine", "script"):
        if key in given:
            return _command(given[key])
    path = next((found for key in PATH_KEYS if (found := string(given.get(key)))), None)
    if path is not None:
        return "\n".join([path, *_change(given)])
    values = [value for value in given.values() if value not in (None, "", [], {})]
    if len(values) == 1 and isinstance(values[0], str):
        return values[0]
    return json.dumps(given, ensure_ascii=False)


def files_of(given: object) -> tuple[str, ...]:
    """Return the files that a call names, in the usual fields of its input or in the headers of a patch."""
    if isinstance(given, str):
        if given[:1] in {"{", "["}:
            try:
                return files_of(loads(given))
            except (ValueError, RecursionError):
                return ()
        found = _PATCHED.findall(given[:MAX_PATCH_CHARS])
    elif isinstance(given, list):
        return files_of("\n".join(part for part in given if isinstance(part, str)))
    elif isinstance(given, dict):
        found = [path for key in PATH_KEYS if (path := string(given.get(key)))]
        for key in ("files", "paths", "file_paths"):
            found += [path for path in several if isinstance(path, str)] if isinstance(several := given.get(key), list) else []
        for key in ("command", "input", "patch", "cmd"):
            text = "\n".join(map(str, value)) if isinstance(value := given.get(key), list) else value
            found += _PATCHED.findall(text[:MAX_PATCH_CHARS]) if isinstance(text, str) else []
    else:
        return ()
    return tuple(dict.fromkeys(path.strip() for path in found if 0 < len(path.strip()) <= MAX_PATH_CHARS))[:MAX_FILES]


def outcome_of(output: str, *, failed: bool | None = None, exit_code: int | None = None) -> Outcome:
    if _REJECTED.search(output[:400]):
        return "rejected"
    if exit_code is not None:
        return "ok" if exit_code == 0 else "failed"
    if failed is not None:
        return "failed" if failed else "ok"
    return "failed" if _FAILED.search(output[:400]) else "ok"


def exit_code_of(output: str) -> int | None:
    """Find an exit code ("Exit code 1" and variants) at the beginning or the end of an output."""
    for part in (output[:200], output[-200:]):
        if found := _EXIT.search(part):
            return int(found[1])
    return None


def said_in_rejection(output: str) -> str | None:
    """Return what a person typed when rejecting a tool call; it is part of the tool's result."""
    found = _SAID.search(output) if _REJECTED.search(output[:400]) else None
    return found[1].strip() or None if found else None


def _from_json(name: str, given: str) -> str:
    """Render arguments that come as a JSON string."""
    if given[:1] in {"{", "["}:
        try:
            loaded = loads(given)
        except (ValueError, RecursionError):
            return given
        if isinstance(loaded, dict):
            return tool_input(name, loaded)
    return given


def _command(value: object) -> str:
    if isinstance(value, list):
        words = [str(word) for word in value]
        # A shell and its flag before the command itself.
        return words[2] if len(words) == 3 and words[1] in {"-lc", "-c"} else " ".join(words)
    if isinstance(value, dict):
        return text_of(value.get("original") or value.get("toolEdited") or "")
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _change(given: dict[str, object]) -> list[str]:
    """Render an edit's old and new lines, or a written file's content."""
    old, new = string(given.get("old_string")), string(given.get("new_string"))
    lines = [f"- {line}" for line in (old or "").splitlines()] + [f"+ {line}" for line in (new or "").splitlines()]
    for edit in given["edits"] if isinstance(given.get("edits"), list) else []:  # type: ignore[attr-defined]
        lines += _change(mapping(edit))
    content = string(given.get("content")) or string(given.get("contents"))
    return lines + ([f"+ {line}" for line in content.splitlines()] if content else [])

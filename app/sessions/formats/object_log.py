"""VS Code's log of changes to one object, replayed: the whole object, then values set, list ends replaced, and keys deleted."""

from __future__ import annotations

from typing import Any

from app.sessions.formats.lines import Line
from app.sessions.formats.tally import ParseTally
from app.sessions.formats.values import mapping

WHOLE, SET, PUSH, DELETE = range(4)
MAX_PATH = 50


class ObjectLog:
    """The object as its log has left it. Reading ends where the log is longer than `max_chars`: all of it may be in the object."""

    def __init__(self, tally: ParseTally, *, max_chars: int) -> None:
        self.state: dict[str, object] = {}
        self._tally = tally
        self._left = max_chars

    def apply(self, record: dict[str, object], line: Line) -> None:
        """Apply one record. One that fits nowhere is counted."""
        self._left -= len(line.text)
        if self._left < 0:
            self._tally.skip("the log is too long: the rest is not read", line.locator if self._left + len(line.text) >= 0 else None)
            return
        kind, value = record.get("kind"), record.get("v")
        if kind == WHOLE:
            self.state = mapping(value)
            return
        path = record.get("k")
        if not isinstance(path, list) or not 0 < len(path) <= MAX_PATH or not self._change(kind, path, value, record.get("i")):
            self._tally.skip("a change that refers to nothing", line.locator)

    def _change(self, kind: object, path: list[Any], value: object, start: object) -> bool:
        holder: Any = self.state
        for key in path[:-1]:
            holder = _child(holder, key)
        last = path[-1]
        if kind not in (SET, PUSH, DELETE):
            return False
        if kind == PUSH:
            grown = _child(holder, last)
            if grown is None and isinstance(holder, dict) and isinstance(last, str):
                grown = holder[last] = []
            if not isinstance(grown, list):
                return False
            if type(start) is int and 0 <= start <= len(grown):
                del grown[start:]
            grown += value if isinstance(value, list) else []
            return True
        if isinstance(holder, dict) and isinstance(last, str):
            holder[last] = value
            if kind == DELETE:
                del holder[last]
            return True
        if isinstance(holder, list) and kind == SET and type(last) is int and 0 <= last <= len(holder):
            holder[last : last + 1] = [value]
            return True
        return False


def _child(holder: object, key: object) -> object:
    if isinstance(holder, dict) and isinstance(key, str):
        return holder.get(key)
    return holder[key] if isinstance(holder, list) and type(key) is int and 0 <= key < len(holder) else None

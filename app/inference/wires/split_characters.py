"""Join characters that a stream splits between two events: a high surrogate waits for the next piece of the same text. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from app.inference.answers import finish_reason
from app.inference.provider_errors import malformed
from app.inference.surrogates import LONE, decode, encode, ends_open, mend, mend_text

PIECEWISE = frozenset({"content", "reasoning_content", "reasoning", "refusal", "arguments", "text", "thinking"})
"""Delta fields whose text continues in the next event."""
Path = tuple[object, ...]


class SplitCharacters:
    """The pending surrogates of one stream, by choice and field."""

    def __init__(self) -> None:
        self._open: dict[Path, str] = {}

    def event(self, raw: bytes) -> tuple[object, bytes]:
        """Decode an event and join its surrogates; its JSON is re-encoded only if needed. Raises ProviderError for invalid JSON."""
        try:
            data = msgspec.json.decode(raw)
            if not self._open:
                return data, raw
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            data = None
        try:
            data = decode(raw) if data is None else data
            self.join(data)
            return data, encode(data)
        except (ValueError, RecursionError) as error:
            raise malformed("its stream has an event that is not valid JSON") from error

    def join(self, data: object) -> None:
        """Join the surrogates of one event, in place."""
        if not isinstance(data, dict):
            return
        choices = data.get("choices")
        data.update({name: mend(value) for name, value in data.items() if name != "choices"})
        for place, choice in enumerate(choices if isinstance(choices, list) else ()):
            if isinstance(choice, dict):
                self._join_choice(choice, place)

    def _join_choice(self, choice: dict[str, Any], place: int) -> None:
        index = _key(choice, place)
        choice.update({name: mend(value) for name, value in choice.items() if name != "delta"})
        if isinstance(delta := choice.get("delta"), dict):
            choice["delta"] = self._walk(delta, (index,))
        if finish_reason(choice) is not None:
            self._end(choice, index)

    def _walk(self, value: Any, path: Path) -> Any:
        if isinstance(value, dict):
            return {name: self._walk(each, (*path, name)) for name, each in value.items()}
        if isinstance(value, list):
            return [self._walk(each, (*path, _key(each, place))) for place, each in enumerate(value)]
        if not isinstance(value, str):
            return value
        return self._continued(value, path) if path[-1] in PIECEWISE else mend_text(value)

    def _continued(self, text: str, path: Path) -> str:
        """Return the text with the pending surrogate before it, and hold back one at its end."""
        if not text:
            return text
        text = self._open.pop(path, "") + text
        if ends_open(text):
            self._open[path], text = text[-1], text[:-1]
        return mend_text(text)

    def _end(self, choice: dict[str, Any], index: object) -> None:
        """Flush a finished choice: a surrogate still pending becomes U+FFFD."""
        for path in [path for path in self._open if path[0] == index]:
            del self._open[path]
            if len(path) == 2:  # a field of the delta itself; tool arguments that end so are invalid JSON anyway
                delta = found if isinstance(found := choice.get("delta"), dict) else {}
                choice["delta"] = {**delta, path[1]: f"{delta.get(path[1]) or ''}{LONE}"}


def _key(value: object, place: int) -> object:
    index = value.get("index") if isinstance(value, dict) else None
    return index if isinstance(index, int) else place

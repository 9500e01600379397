"""Join characters that a stream splits between two events: a high surrogate waits for the next piece of the same text. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import msgspec

from app.inference.answer_events import AnswerEvent, ArgumentsDelta, PartEnded, PartStarted, TextDelta
from app.inference.answers import finish_reason
from app.inference.provider_errors import malformed
from app.inference.surrogates import LONE, decode, encode, ends_open, mend, mend_text

PIECEWISE = frozenset({"content", "reasoning_content", "reasoning", "refusal", "arguments", "text", "thinking"})
"""Delta fields whose text continues in the next event."""
EVENT_PIECES = frozenset({"text", "thinking", "partial_json"})
"""The same in the events of other dialects."""
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


class SplitTexts:
    """The same for typed events: the pending surrogate of each part. Other texts of an event are mended where it is decoded."""

    def __init__(self) -> None:
        self._open: dict[tuple[int, int], str] = {}

    def join(self, event: AnswerEvent) -> Iterator[AnswerEvent]:
        """Yield the event with its text joined; before a part's end what is pending of it, as U+FFFD."""
        match event:
            case TextDelta(part, text, choice) | ArgumentsDelta(part, text, choice):
                text = self._open.pop((choice, part), "") + text
                if ends_open(text):
                    self._open[choice, part], text = text[-1], text[:-1]
                if text:
                    yield replace(event, text=mend_text(text))
            case PartEnded(part, choice):
                if self._open.pop((choice, part), ""):
                    yield TextDelta(part, LONE, choice)
                yield event
            case PartStarted(opaque=found) if found is not None:
                yield replace(event, opaque=replace(found, data=mend(found.data)))
            case _:
                yield event


def decode_event(raw: bytes) -> object:
    """Decode an event, keeping surrogates whose other halves may follow. Raises ProviderError for invalid JSON."""
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        return _mended(decode(raw))
    except (ValueError, RecursionError) as error:
        raise malformed("its stream has an event that is not valid JSON") from error


def _mended(value: Any) -> Any:
    """Return a value with all its texts mended but those that go on in the next event."""
    if isinstance(value, dict):
        return {mend_text(name): each if name in EVENT_PIECES and isinstance(each, str) else _mended(each) for name, each in value.items()}
    return [_mended(each) for each in value] if isinstance(value, list) else mend(value)


def _key(value: object, place: int) -> object:
    index = value.get("index") if isinstance(value, dict) else None
    return index if isinstance(index, int) else place

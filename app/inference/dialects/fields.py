"""Read a caller's JSON object field by field: a wrong one raises InvalidInput with its path and what it must be. Knows no dialect."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from app.errors import InvalidInput

KINDS: Mapping[type, str] = {str: "a string", bool: "true or false", dict: "an object", list: "a list", type(None): "null"}


class Fields:
    """One object. `path`: where it stands in the request, such as "messages[2]"; "" for the whole.

    A field that is missing or null reads as None. `rest` has the fields that were never read.
    """

    def __init__(self, value: object, path: str = "") -> None:
        if not isinstance(value, Mapping):
            raise wrong(path or "The request", f"must be an object, not {kind_of(value)}", param=path or None)
        self.path = path
        self._data: Mapping[str, Any] = value
        self._read: set[str] = set()

    def at(self, name: str) -> str:
        """Return the path of a field."""
        return f"{self.path}.{name}" if self.path else name

    def value(self, name: str) -> Any:
        self._read.add(name)
        return self._data.get(name)

    def text(self, name: str, *, max_chars: int | None = None) -> str | None:
        found = self.value(name)
        if found is not None and not isinstance(found, str):
            raise self.wrong(name, f"must be a string, not {kind_of(found)}")
        if found is not None and max_chars is not None and len(found) > max_chars:
            raise self.wrong(name, f"has {len(found):,} characters: at most {max_chars:,} are taken")
        return found

    def needed_text(self, name: str, *, max_chars: int | None = None) -> str:
        """Return a text that must be there, and not be empty."""
        found = self.text(name, max_chars=max_chars)
        if not found:
            raise self.wrong(name, "is missing: give a string that is not empty")
        return found

    def present_text(self, name: str) -> str:
        """Return a text that must be there, but may be empty."""
        found = self.text(name)
        if found is None:
            raise self.wrong(name, "is missing: give a string")
        return found

    def flag(self, name: str) -> bool | None:
        found = self.value(name)
        if found is not None and not isinstance(found, bool):
            raise self.wrong(name, f"must be true or false, not {kind_of(found)}")
        return found

    def integer(self, name: str, *, minimum: int, maximum: int) -> int | None:
        found = self.value(name)
        if found is None:
            return None
        if isinstance(found, bool) or not isinstance(found, int) or not minimum <= found <= maximum:
            raise self.wrong(name, f"must be a whole number from {minimum:,} to {maximum:,}")
        return found

    def number(self, name: str, *, minimum: float, maximum: float) -> float | None:
        found = self.value(name)
        if found is None:
            return None
        if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found) or not minimum <= found <= maximum:
            raise self.wrong(name, f"must be a number from {minimum:g} to {maximum:g}")
        return found

    def choice(self, name: str, allowed: Collection[str]) -> str | None:
        found = self.value(name)
        if found is not None and (not isinstance(found, str) or found not in allowed):
            raise self.wrong(name, f"must be one of {', '.join(sorted(allowed))}")
        return found

    def items(self, name: str, *, maximum: int) -> list[Any] | None:
        found = self.value(name)
        if found is not None and not isinstance(found, list):
            raise self.wrong(name, f"must be a list, not {kind_of(found)}")
        if found is not None and len(found) > maximum:
            raise self.wrong(name, f"has {len(found):,} elements: at most {maximum:,} are taken")
        return found

    def objects(self, name: str, *, maximum: int) -> Iterator[Fields]:
        """Yield a list's elements, each of which must be an object; nothing if the list is missing."""
        for place, each in enumerate(self.items(name, maximum=maximum) or ()):
            yield Fields(each, f"{self.at(name)}[{place}]")

    def object(self, name: str) -> Fields | None:
        found = self.value(name)
        return None if found is None else Fields(found, self.at(name))

    def needed_object(self, name: str) -> Fields:
        found = self.object(name)
        if found is None:
            raise self.wrong(name, "is missing: give an object")
        return found

    def mapping(self, name: str) -> Mapping[str, Any] | None:
        """Return an object as it is, such as a JSON schema."""
        found = self.value(name)
        if found is not None and not isinstance(found, Mapping):
            raise self.wrong(name, f"must be an object, not {kind_of(found)}")
        return found

    @property
    def whole(self) -> Mapping[str, Any]:
        return self._data

    def rest(self) -> dict[str, Any]:
        """Return the fields that were never read, without those that are null."""
        return {name: value for name, value in self._data.items() if name not in self._read and value is not None}

    def wrong(self, name: str, reason: str) -> InvalidInput:
        return wrong(self.at(name), reason)

    def invalid(self, reason: str) -> InvalidInput:
        """Return the refusal of the object itself."""
        return wrong(self.path, reason)


def wrong(path: str, reason: str, *, param: str | None = "") -> InvalidInput:
    """Return the error of a wrong field: its path, then the reason."""
    return InvalidInput(f"{path} {reason}.", param=path if param == "" else param)


def kind_of(value: object) -> str:
    return KINDS.get(type(value), "a number")

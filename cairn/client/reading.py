"""Reads JSON into records by their annotations. Fields that a record doesn't have are ignored: a newer server may send more."""

from __future__ import annotations

import dataclasses
import json
import types
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from cairn.client.errors import UnreadableReply

MAX_DIGITS = 18


class _Mismatch(Exception):
    """Something of a reply isn't what its record says."""


def parse(body: bytes | str) -> Any:
    """Parse JSON; numbers with a fraction stay exact. Raises ValueError."""
    return json.loads(body, parse_float=Decimal, parse_constant=_no_number)


def read(hint: Any, value: Any) -> Any:
    """Return a JSON value as the annotation says: a record, a tuple of them, a time, an amount. Raises UnreadableReply."""
    try:
        return _read(hint, value, "the reply")
    except _Mismatch as error:
        raise UnreadableReply(
            f"The server's reply can't be read: {error}. Is it a Cairn server, of a version near this client's?"
        ) from None


def _read(hint: Any, value: Any, place: str) -> Any:
    if hint is None:
        return None
    if dataclasses.is_dataclass(hint):
        return _record(hint, value, place)
    if get_origin(hint) in {Union, types.UnionType}:
        return _one_of(get_args(hint), value, place)
    if get_origin(hint) is tuple:
        _expect(isinstance(value, list), "a list", place)
        return tuple(_read(get_args(hint)[0], each, f"{place}[{index}]") for index, each in enumerate(value))
    if get_origin(hint) is Mapping:
        _expect(isinstance(value, dict), "an object", place)
        return {name: _read(get_args(hint)[1], each, f"{place}.{name}") for name, each in value.items()}
    if get_origin(hint) is Literal:
        _expect(value in get_args(hint), f"one of {get_args(hint)}", place)
        return value
    return _plain(hint, value, place)


def _plain(hint: Any, value: Any, place: str) -> Any:
    if hint is Any or hint is object:
        return value
    if hint is datetime:
        return _time(value, place)
    number = isinstance(value, int | Decimal) and not isinstance(value, bool)
    if hint is Decimal:
        _expect(number, "a number", place)
        return Decimal(value)
    if hint is float:
        _expect(number, "a number", place)
        return float(value)
    if hint is int:
        _expect(number and (isinstance(value, int) or _is_whole(value)), "a whole number", place)
        return int(value)
    _expect(isinstance(value, hint), f"of type {hint.__name__}", place)
    return value


def _record(kind: Any, value: Any, place: str) -> Any:
    _expect(isinstance(value, dict), "an object", place)
    given = {}
    for field, hint, optional in _fields(kind):
        nullable = type(None) in get_args(hint)
        if value.get(field) is not None or (field in value and not nullable and not optional):
            given[field] = _read(hint, value[field], f"{place}.{field}")
        elif nullable and not optional:
            given[field] = None
        elif not optional:
            raise _Mismatch(f"{place}.{field} is missing")
    return kind(**given)


@lru_cache
def _fields(kind: type) -> tuple[tuple[str, Any, bool], ...]:
    """Return a record's fields: name, annotation, and whether it has a default. One that may be None may be absent, too."""
    hints = get_type_hints(kind)
    missing = dataclasses.MISSING
    return tuple(
        (each.name, hints[each.name], each.default is not missing or each.default_factory is not missing)
        for each in dataclasses.fields(kind)
        if each.init
    )


def _one_of(hints: tuple[Any, ...], value: Any, place: str) -> Any:
    """Return what the first annotation that fits makes of the value."""
    if value is None and type(None) in hints:
        return None
    rest = [each for each in hints if each is not type(None)]
    for each in rest[:-1]:
        try:
            return _read(each, value, place)
        except _Mismatch:
            continue
    return _read(rest[-1], value, place)


def _time(value: Any, place: str) -> datetime:
    _expect(isinstance(value, str), "a time", place)
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        raise _Mismatch(f"{place} isn't a time") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _is_whole(value: Decimal) -> bool:
    return value.adjusted() < MAX_DIGITS and value == value.to_integral_value()


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _expect(right: bool, what: str, place: str) -> None:  # noqa: FBT001
    if not right:
        raise _Mismatch(f"{place} isn't {what}")

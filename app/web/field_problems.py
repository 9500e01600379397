"""Says in words what is wrong with a field: a sentence that names the field, the bound with its unit, and what to write instead."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

MAX_OTHERS: Final = 5
MEMBERS: Final = frozenset({"str", "int", "float", "bool", "nullable"})
UNITS: Final[Mapping[str, str]] = {
    "_usd": "US dollars", "_tokens": "tokens", "_seconds": "seconds", "seconds": "seconds", "_bytes": "bytes",
}  # fmt: skip
"""Endings of fields' names → the unit of their bounds."""
A_MOMENT: Final = "must be a moment, such as 2026-11-28T14:30:00Z"
A_DAY: Final = "must be a day of the calendar, such as 2026-11-28"
A_UUID: Final = "must be a whole UUID, as lists and citations show it"
WITHOUT_NUL: Final = r"^[^\x00]*$"

PROBLEMS: Final[Mapping[str, str]] = {
    "missing": "is missing: send it",
    "extra_forbidden": "is not a field of this request: leave it out",
    "less_than_equal": "must be at most {le}",
    "less_than": "must be below {lt}",
    "greater_than_equal": "must be at least {ge}",
    "greater_than": "must be above {gt}",
    "finite_number": "must be a finite number",
    "string_type": "must be a string",
    "string_unicode": "must be text in UTF-8",
    "string_sub_type": "must be a string",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "has too many digits: write a smaller number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "string_too_long": "has too many characters: the maximum is {max_length}",
    "string_too_short": "has too few characters: the minimum is {min_length}",
    "uuid_parsing": A_UUID,
    "uuid_type": A_UUID,
    "datetime_type": A_MOMENT,
    "datetime_parsing": A_MOMENT,
    "datetime_from_date_parsing": A_MOMENT,
    "datetime_object_invalid": A_MOMENT,
    "timezone_aware": "must have a time zone, as 2026-11-28T14:30:00Z has",
    "date_type": A_DAY,
    "date_parsing": A_DAY,
    "date_from_datetime_parsing": A_DAY,
    "date_from_datetime_inexact": A_DAY,
    "too_long": "has too many entries: the maximum is {max_length}",
    "too_short": "has too few entries: the minimum is {min_length}",
    "literal_error": "must be one of {expected}",
    "enum": "must be one of {expected}",
}
"""Our words for pydantic's kinds of problem; another kind keeps pydantic's."""
_CHARACTERS: Final = re.compile(r"\^\[(.+)\]\+\$")
_VERBS: Final = ("must ", "may ", "is ", "has ", "looks ", "lies ", "can't ", "holds ", "mixes ")
"""Beginnings of words that make a sentence with the field's name before them."""


def sentence_of(param: str, problem: Mapping[str, Any]) -> str:
    """Say what is wrong with a field in a sentence that begins with its name."""
    said = problem_of(problem)
    return f"{param} {said}." if said.startswith(_VERBS) else f"{param}: {said}."


def problem_of(problem: Mapping[str, Any]) -> str:
    """Say what is wrong with a field, without its name and a full stop."""
    known, bounds = PROBLEMS.get(problem["type"]), problem.get("ctx", {})
    if problem["type"] == "string_too_short" and bounds["min_length"] == 1:
        return "is empty: write something"
    if problem["type"] == "string_pattern_mismatch":
        return _pattern(bounds["pattern"])
    if known is None:
        return str(problem["msg"]).removeprefix("Value error, ")
    unit = _unit(problem.get("loc", ())) if "_than" in problem["type"] else ""
    return known.format_map({name: _written(value) for name, value in bounds.items()}) + unit


def most_precise(problems: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the problem to tell: the first. Where its field may be of several types, one of which fits but for what is inside: that."""
    first = problems[0]["loc"]
    inside = [each for each in problems if len(each["loc"]) > len(first) and each["loc"][: len(first) - 1] == first[:-1]]
    return inside[0] if _is_member(first[-1]) and len(inside) == 1 else problems[0]


def others(told: str, problems: Sequence[Mapping[str, Any]]) -> str:
    """Name the other fields that are wrong: none that holds the one that is told."""
    names = sorted({name for each in problems if (name := field(each["loc"])) is not None and not f"{told}.".startswith(f"{name}.")})
    if not names:
        return ""
    more = f" and {len(names) - MAX_OTHERS} more" if len(names) > MAX_OTHERS else ""
    return f" Also wrong: {', '.join(names[:MAX_OTHERS])}{more}."


def field(place: Sequence[str | int]) -> str | None:
    """Name a field: ("body", "tool", "name") → "tool.name"; None for the whole body. Members of a union (`str`, `list[…]`) are left out."""
    inner = place[1:] if place and place[0] in {"body", "query", "path", "header", "cookie"} else place
    return ".".join(str(part) for part in inner if not _is_member(part)) or None


def _pattern(pattern: str) -> str:
    if pattern == WITHOUT_NUL:
        return "holds the character NUL, which can't be stored: leave it out"
    characters = _CHARACTERS.fullmatch(pattern)
    return f"may hold only these characters: {characters[1]}" if characters else f"must match the pattern {pattern}"


def _unit(place: Sequence[str | int]) -> str:
    named = next((part for part in reversed(place) if isinstance(part, str) and not _is_member(part)), "")
    return next((f" {unit}" for ending, unit in UNITS.items() if named.endswith(ending)), "")


def _written(value: object) -> object:
    """Write a number plainly: 1000000.0 → 1,000,000."""
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        value = int(value)
    return f"{value:,}" if isinstance(value, int | float) and not isinstance(value, bool) else value


def _is_member(part: str | int) -> bool:
    return isinstance(part, str) and (part in MEMBERS or "[" in part)

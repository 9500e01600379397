"""Checks a tool's arguments against its schema, and fills in its defaults. A wrong one is named, with what to do. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from app.errors import InvalidInput
from app.mcp.definitions import TOOLS

SCHEMAS: Final[Mapping[str, dict[str, Any]]] = {tool["name"]: tool["inputSchema"] for tool in TOOLS}
_VALIDATORS: Final = {name: Draft202012Validator(schema) for name, schema in SCHEMAS.items()}
_WORDS: Final[Mapping[str, Callable[[ValidationError], str]]] = {
    "type": lambda error: f"must be of type {error.validator_value}",
    "enum": lambda error: f"must be one of {', '.join(map(str, error.validator_value))}",
    "minimum": lambda error: f"must be at least {error.validator_value}",
    "maximum": lambda error: f"must be at most {error.validator_value}",
    "minLength": lambda _: "is empty: send a text",
    "maxLength": lambda error: f"is longer than {error.validator_value:,} characters: shorten it",
    "minItems": lambda error: f"must have at least {error.validator_value}",
    "maxItems": lambda error: f"must have at most {error.validator_value}: call again for the others",
}


def checked(tool: str, given: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a tool's arguments with its defaults. InvalidInput for the first that is wrong; its message ends with what to do."""
    arguments = {name: _storable(value, name) for name, value in (given or {}).items()}
    error = next(iter(sorted(_VALIDATORS[tool].iter_errors(arguments), key=lambda each: len(each.absolute_path))), None)
    if error is not None:
        raise _invalid(tool, error)
    defaults = {name: field["default"] for name, field in SCHEMAS[tool]["properties"].items() if "default" in field}
    return defaults | {name: value for name, value in arguments.items() if value is not None}


def _invalid(tool: str, error: ValidationError) -> InvalidInput:
    place = ".".join(str(part) for part in error.absolute_path)
    known = ", ".join(SCHEMAS[tool]["properties"])
    match error.validator:
        case "required":
            missing = next((name for name in error.validator_value if name not in error.instance), "")
            return InvalidInput(f"{missing} is missing. {tool} takes: {known}.", param=missing)
        case "additionalProperties":
            return InvalidInput(f"{tool} takes only: {known}. Leave out the rest.", param=place or None)
        case rule:
            words = _WORDS.get(str(rule), lambda _: "doesn't match the tool's schema")
            return InvalidInput(f"{place} {words(error)}.", param=place)


def _storable(value: Any, name: str) -> Any:
    """Return a value whose texts PostgreSQL can store: half a character becomes U+FFFD. InvalidInput for NUL."""
    if isinstance(value, list):
        return [_storable(each, name) for each in value]
    if not isinstance(value, str):
        return value
    if "\x00" in value:
        raise InvalidInput(f"{name} contains a NUL character, which can't be stored: remove it.", param=name)
    return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")

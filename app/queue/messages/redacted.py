"""Redacts payloads of messages: every string, also by the name of its field. Pure CPU work."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import TypeAlias

from app.errors import InvalidInput
from app.redaction import redact
from app.redaction.stored_fields import without_invalid_chars

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

MAX_DEPTH = 100


def redact_payload(payload: object) -> tuple[str, Counter[str]]:
    """Return the payload as redacted JSON text, and the secrets removed, by kind. Raises InvalidInput if it is not JSON."""
    secrets: Counter[str] = Counter()
    return to_json(_clean(payload, "", secrets, 0)), secrets


def to_json(payload: object) -> str:
    """Encode as compact JSON. Raises InvalidInput for values that JSON lacks: NaN, infinities."""
    try:
        return json.dumps(payload, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except (ValueError, TypeError, RecursionError):
        raise InvalidInput("payload must be valid JSON, without NaN or infinity, and not nested too deeply.", param="payload") from None


def _clean(value: object, key: str, secrets: Counter[str], depth: int) -> Json:
    """Redact a value recursively. `key`: the nearest enclosing field's name."""
    if depth > MAX_DEPTH:
        raise InvalidInput(f"payload is nested deeper than {MAX_DEPTH} levels: flatten it.", param="payload")
    match value:
        case str():
            return _text(without_invalid_chars(value), key, secrets)
        case dict():
            return {
                _text(without_invalid_chars(str(name)), "", secrets): _clean(each, without_invalid_chars(str(name)), secrets, depth + 1)
                for name, each in value.items()
            }
        case list():
            return [_clean(each, key, secrets, depth + 1) for each in value]
        case int() if key and not isinstance(value, bool):
            said = str(value)
            hidden = _text(said, key, secrets)
            return value if hidden == said else hidden
        case None | bool() | int() | float():
            return value
        case _:
            raise InvalidInput("payload must be JSON: objects, arrays, strings, numbers, true, false and null.", param="payload")


def _text(text: str, key: str, secrets: Counter[str]) -> str:
    """Redact a text alone, then as the value of its field: `hunter2` is a word, `password: hunter2` a secret."""
    done = redact(text)
    secrets.update(finding.kind for finding in done.findings)
    current = done.text
    for before in _prefixes(key):
        current = _in_place(before, current, secrets)
    return current


def _prefixes(key: str) -> Iterator[str]:
    if key:
        yield f"{key}: "
        yield f'{{"{key}": "'


def _in_place(before: str, text: str, secrets: Counter[str]) -> str:
    """Redact what is recognised as a secret in the text when `before` precedes it."""
    after = '"}' if before.endswith('"') else ""
    start, end = len(before), len(before) + len(text)
    current, shift = text, 0
    for finding in redact(before + text + after).findings:
        first, last = max(finding.start, start) - start, min(finding.end, end) - start
        if first >= last:
            continue
        hidden = f"[REDACTED:{finding.kind}]"
        current = current[: first + shift] + hidden + current[last + shift :]
        shift += len(hidden) - (last - first)
        secrets[finding.kind] += 1
    return current

"""A payload as it may be stored: every string without its secrets, also those that only their field's name gives away. Pure CPU work."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import TypeAlias

from app.errors import InvalidInput
from app.redaction import redact

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

MOST_DEPTH = 100


def redacted(payload: object) -> tuple[str, Counter[str]]:
    """The payload as JSON's text, and what was taken out of it, by kind. InvalidInput for what is no JSON."""
    secrets: Counter[str] = Counter()
    return as_text(_clean(payload, "", secrets, 0)), secrets


def as_text(payload: object) -> str:
    """Compact JSON. InvalidInput where JSON has no word for it: NaN, the infinities."""
    try:
        return json.dumps(payload, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except (ValueError, TypeError, RecursionError):
        raise InvalidInput("payload must be JSON: no NaN, no infinity, not nested too deeply.", param="payload") from None


def _clean(value: object, key: str, secrets: Counter[str], depth: int) -> Json:
    """`key`: the field that the value stands in, also from within a list."""
    if depth > MOST_DEPTH:
        raise InvalidInput(f"payload is nested deeper than {MOST_DEPTH} levels: flatten it.", param="payload")
    match value:
        case str():
            return _text(_sayable(value), key, secrets)
        case dict():
            return {
                _text(_sayable(str(name)), "", secrets): _clean(each, _sayable(str(name)), secrets, depth + 1)
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
            raise InvalidInput("payload must be JSON.", param="payload")


def _text(text: str, key: str, secrets: Counter[str]) -> str:
    """The text alone, then as the value of its field: `hunter2` is a word, `password: hunter2` isn't."""
    done = redact(text)
    secrets.update(finding.kind for finding in done.findings)
    current = done.text
    for before in _settings(key):
        current = _in_place(before, current, secrets)
    return current


def _settings(key: str) -> Iterator[str]:
    if key:
        yield f"{key}: "
        yield f'{{"{key}": "'


def _in_place(before: str, text: str, secrets: Counter[str]) -> str:
    """What is found in the text when it stands behind `before`."""
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


def _sayable(text: str) -> str:
    """Neither NUL nor lone surrogates: PostgreSQL takes neither, and either could split a secret."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")

"""Repair JSON in which a provider split a character: an escaped lone surrogate (`\\ud83d`), which msgspec refuses. Pure.

Adjacent halves are joined; a half without its other becomes U+FFFD.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

LONE = "\ufffd"
_SURROGATE = re.compile("[\ud800-\udfff]")


def decode(raw: bytes) -> Any:
    """Decode JSON, keeping lone surrogates, whose other halves may follow. Raises ValueError or RecursionError for invalid JSON."""
    try:
        text = raw.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        text = raw.decode("utf-8", "replace")
    return json.loads(text, parse_constant=_refuse, parse_float=_finite)


def encode(data: object) -> bytes:
    """Encode a value that `decode` returned, integers of any size included. ValueError for an infinite number (1e400)."""
    return json.dumps(data, separators=(",", ":"), allow_nan=False).encode()


def mend(value: Any) -> Any:
    """Return a JSON value with the surrogates in its texts joined or replaced."""
    if isinstance(value, str):
        return mend_text(value)
    if isinstance(value, dict):
        return {mend_text(name): mend(each) for name, each in value.items()}
    return [mend(each) for each in value] if isinstance(value, list) else value


def mend_text(text: str) -> str:
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace") if _SURROGATE.search(text) else text


def ends_open(text: str) -> bool:
    """Tell whether a text ends with a high surrogate."""
    return "\ud800" <= text[-1:] <= "\udbff"


def _finite(number: str) -> float:
    found = float(number)
    return found if math.isfinite(found) else _refuse(number)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not valid JSON")

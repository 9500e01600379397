"""Characters that a provider cuts in two: JSON that escapes half a UTF-16 pair (`\\ud83d`), which msgspec refuses and others take.

Halves that stand beside each other are one character again; one that stays alone is U+FFFD. Pure.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

LONE = "\ufffd"
_SURROGATE = re.compile("[\ud800-\udfff]")


def decode(raw: bytes) -> Any:
    """Decode JSON and keep its halves, for their other halves may come. ValueError or RecursionError for what is no JSON."""
    try:
        text = raw.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        text = raw.decode("utf-8", "replace")
    return json.loads(text, parse_constant=_refuse, parse_float=_finite)


def encode(data: object) -> bytes:
    """Encode what `decode` may have made, whole numbers of any size among it. ValueError for a number that JSON can't tell (1e400)."""
    return json.dumps(data, separators=(",", ":"), allow_nan=False).encode()


def mend(value: Any) -> Any:
    """Mend every text within a JSON value; returns the mended value."""
    if isinstance(value, str):
        return mend_text(value)
    if isinstance(value, dict):
        return {mend_text(name): mend(each) for name, each in value.items()}
    return [mend(each) for each in value] if isinstance(value, list) else value


def mend_text(text: str) -> str:
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace") if _SURROGATE.search(text) else text


def ends_open(text: str) -> bool:
    """Say whether a text ends with the first half of a character."""
    return "\ud800" <= text[-1:] <= "\udbff"


def _finite(number: str) -> float:
    found = float(number)
    return found if math.isfinite(found) else _refuse(number)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")

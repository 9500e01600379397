"""Characters that a provider cuts in two: JSON that escapes half a UTF-16 pair (`\\ud83d`), which msgspec refuses and others take.

Halves that stand beside each other are one character again; one that stays alone is U+FFFD. Pure.
"""

from __future__ import annotations

import json
import re
from typing import Any

LONE = "\ufffd"
_SURROGATE = re.compile("[\ud800-\udfff]")


def decode(raw: bytes) -> Any:
    """Decode JSON and keep its halves, for their other halves may come. ValueError or RecursionError for what is no JSON."""
    try:
        text = raw.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        text = raw.decode("utf-8", "replace")
    return json.loads(text, parse_constant=_refuse)


def encode(data: object) -> bytes:
    """Encode what `decode` may have made, numbers of any size among it."""
    return json.dumps(data, separators=(",", ":")).encode()


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


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")

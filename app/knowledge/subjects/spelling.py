"""Spells names alike, so that two spellings of one thing are one subject."""

from __future__ import annotations

import re
import unicodedata

MAX_NAME_CHARS = 200
"""Characters of a name; longer ones (minified code, base64) name nothing that is asked for."""

_EDGES = " \t\r\n`'\"“”’«»()[]{}<>,;!?…、，。；：！？（）「」"
_PLACE = re.compile(r"(?::\d+){1,2}$|#L\d+(?:-L?\d+)?$")
"""A line (and column) behind a file's name."""
_TICKET = re.compile(r"[a-z][a-z0-9]{1,9}-\d{1,6}", re.IGNORECASE)


def normalised(name: str) -> str:
    """Return a name in the one spelling in which it is stored and looked for.

    Quotes, a line number, `./` and the brackets of a call are left out; case is folded, but a ticket's is upper (`SHOP-12`).
    """
    name = unicodedata.normalize("NFKC", name).strip(_EDGES).removesuffix("(")
    name = _PLACE.sub("", name.replace("\\", "/")).rstrip(".:/").removeprefix("./")
    return name.upper() if _TICKET.fullmatch(name) else name.casefold()

"""Parses the origins of settings: exact ones, as a browser sends them. A wildcard is refused."""

from __future__ import annotations

import re
from typing import Annotated, Final

from pydantic import AfterValidator

WRITE_ORIGINS: Final = 'write origins, such as ["https://app.example.com", "http://localhost:5173"], in a variable with spaces between them'
_ORIGIN: Final = re.compile(r"([a-z][a-z0-9+.-]*)(://(?:\[[0-9a-f:.]+\]|[a-z0-9_.-]+))(?::([0-9]{1,5}))?")
_USUAL_PORTS: Final = {"http": 80, "https": 443}
MAX_PORT: Final = 65_535


def parse_origins(value: object) -> object:
    """Parse a list or a text of origins. Raises ValueError, which says what to write."""
    listed = value.replace(",", " ").split() if isinstance(value, str) else value
    if not isinstance(listed, list | tuple):
        raise ValueError(f"is no list of origins: {WRITE_ORIGINS}")  # noqa: TRY004 - pydantic tells ValueError alone
    return tuple(dict.fromkeys(_origin(str(each)) for each in listed))


def _public_url(value: str | None) -> str | None:
    """Check the server's own address. ValueError for one with a path: pages and links stand at the root."""
    if value is None:
        return None
    found = _as_browsers_write(value)
    if found is None or not found.startswith(("http://", "https://")):
        raise ValueError("must be scheme, host and port, such as https://cairn.example.com, without a path")
    return found


PublicUrl = Annotated[str | None, AfterValidator(_public_url)]


def _origin(text: str) -> str:
    """Return an origin as browsers write it. ValueError for anything else, a wildcard and a path among them."""
    if "*" in text or text.strip().lower() == "null":
        raise ValueError(f"'{text}' would let pages of any site call the server: {WRITE_ORIGINS}")
    found = _as_browsers_write(text)
    if found is None:
        raise ValueError(f"'{text}' is no origin (scheme, host and port, without a path): {WRITE_ORIGINS}")
    return found


def _as_browsers_write(text: str) -> str | None:
    """Return an origin in lower case, without the port that its scheme has anyway; None: it is none."""
    found = _ORIGIN.fullmatch(text.strip().lower().removesuffix("/"))
    if found is None:
        return None
    scheme, host, port = found[1], found[2], None if found[3] is None else int(found[3])
    if port is not None and not 0 < port <= MAX_PORT:
        return None
    return f"{scheme}{host}" if port in {None, _USUAL_PORTS.get(scheme)} else f"{scheme}{host}:{port}"

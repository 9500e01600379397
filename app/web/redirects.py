"""Keeps redirects on this host (no open redirect), but for one to an OpenID provider.

`request_middleware.py` applies it to every response, whoever made it.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.types import Scope

HEADER = "location"
HOME = "/"
_ELSEWHERE = "cairn.redirect"


def local_path(place: str, *, otherwise: str = HOME) -> str:
    """Return the place if every browser reads it as a path of the same host; else `otherwise`.

    Browsers read a backslash as a slash, drop tabs and line breaks wherever they stand, and take `//` at the beginning for a host's name.
    """
    plain = place.isascii() and place.isprintable() and "\\" not in place and " " not in place
    if not plain or not place.startswith("/") or place.startswith("//"):
        return otherwise
    try:
        parts = urlsplit(place)
    except ValueError:
        return otherwise
    return otherwise if parts.scheme or parts.netloc else place


def allow(scope: Scope, url: str) -> None:
    """Let this request's answer lead to one address elsewhere, which no caller has chosen: an OpenID provider's of the settings."""
    scope[_ELSEWHERE] = url


def keep_on_host(headers: MutableHeaders, scope: Scope) -> None:
    """Reduce `location` to a path. The router's own redirects (a slash too many) repeat the request's Host header, which is not trusted."""
    place = headers.get(HEADER)
    if place is None or place == scope.get(_ELSEWHERE):
        return
    try:
        parts = urlsplit(place)
    except ValueError:
        headers[HEADER] = HOME
        return
    if parts.scheme in {"http", "https"} and parts.netloc:
        query = f"?{parts.query}" if parts.query else ""
        place = f"/{parts.path.lstrip('/')}{query}"
    headers[HEADER] = local_path(place)

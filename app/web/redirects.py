"""Keeps redirects on this host (no open redirect). `request_middleware.py` applies it to every response, whoever made it."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders

HEADER = "location"
HOME = "/"


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


def keep_on_host(headers: MutableHeaders) -> None:
    """Reduce `location` to a path. The router's own redirects (a slash too many) repeat the request's Host header, which is not trusted."""
    place = headers.get(HEADER)
    if place is None:
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

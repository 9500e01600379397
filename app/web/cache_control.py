"""Reads a request's `Cache-Control`, as a browser means it."""

from __future__ import annotations

from typing import Literal

from fastapi import Request


def cache_mode(request: Request) -> Literal["auto", "refresh", "never"]:
    """Return `never` for `no-store` (neither read nor stored), `refresh` for `no-cache` (not read, but stored), else `auto`."""
    control = request.headers.get("cache-control", "").lower()
    if "no-store" in control:
        return "never"
    return "refresh" if "no-cache" in control else "auto"

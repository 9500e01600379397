"""Reads a request's `Cache-Control`, as a browser means it."""

from __future__ import annotations

from typing import Literal

from fastapi import Request


def wish(request: Request) -> Literal["auto", "refresh", "never"]:
    """`no-store`: neither read nor keep; `no-cache`: a new answer, which is kept."""
    control = request.headers.get("cache-control", "").lower()
    if "no-store" in control:
        return "never"
    return "refresh" if "no-cache" in control else "auto"

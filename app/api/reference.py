"""The OpenAPI description and the page that shows it: each made once, then served from memory, compressed. They take no key.

The page and its files are Cairn's own: it asks no other host, and reads without JavaScript, which adds the forms to try a route.
"""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from fastapi import FastAPI, Request
from starlette.responses import Response

from app.api.reference_page import render_page

DESCRIPTION_PATH, DOCS_PATH = "/openapi.json", "/docs"
STATIC: Final = Path(__file__).parent / "static"
FILES: Final[Mapping[str, str]] = {"reference.css": "text/css; charset=utf-8", "reference.js": "text/javascript; charset=utf-8"}
FILE_PATHS: Final = tuple(f"{DOCS_PATH}/{name}" for name in FILES)
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; form-action 'none';"
    " base-uri 'none'; frame-ancestors 'none'"
)
PAGE_HEADERS: Final[Mapping[str, str]] = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}


@dataclass(frozen=True, slots=True)
class ServedFile:
    """A file in memory, plain and compressed."""

    content: bytes
    packed: bytes
    kind: str

    @classmethod
    def of(cls, content: bytes, kind: str) -> ServedFile:
        return cls(content, gzip.compress(content, 9, mtime=0), kind)

    def answer(self, request: Request) -> Response:
        headers = {**PAGE_HEADERS, "cache-control": "no-cache", "vary": "accept-encoding"}
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(self.packed, media_type=self.kind, headers=headers | {"content-encoding": "gzip"})
        return Response(self.content, media_type=self.kind, headers=headers)


def install(app: FastAPI) -> None:
    """Add the routes. What is made of the routes is made at the first request, when all of them are registered."""

    def description() -> ServedFile:
        return ServedFile.of(json.dumps(app.openapi(), ensure_ascii=False, separators=(",", ":")).encode(), "application/json")

    def page() -> ServedFile:
        return ServedFile.of(render_page(app.openapi()).encode(), "text/html; charset=utf-8")

    _add(app, DESCRIPTION_PATH, description)
    _add(app, DOCS_PATH, page)
    for path, (name, kind) in zip(FILE_PATHS, FILES.items(), strict=True):
        content = (STATIC / name).read_bytes()
        _add(app, path, partial(ServedFile.of, content, kind))


def _add(app: FastAPI, path: str, make: Callable[[], ServedFile]) -> None:
    made: list[ServedFile] = []

    async def answer(request: Request) -> Response:
        if not made:
            made.append(await asyncio.to_thread(make))
        return made[0].answer(request)

    app.add_api_route(path, answer, methods=["GET", "HEAD"], include_in_schema=False)

"""Writes records as JSON Lines, one object a line, streamed in turns with other exports."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any, Final

import msgspec
from fastapi import Request
from starlette.responses import StreamingResponse

from app.web.downloads import streamed

MEDIA_TYPE: Final = "application/x-ndjson"
LINES: Final[Mapping[int | str, dict[str, Any]]] = {200: {"content": {MEDIA_TYPE: {}}}}
"""The description of such a reply in OpenAPI."""


def json_lines(request: Request, records: AsyncGenerator[Mapping[str, Any]], *, name: str) -> StreamingResponse:
    """Answer with records, as they come; a browser saves them under this name."""
    return streamed(request, name, records, _line, media_type=MEDIA_TYPE)


def _line(record: Mapping[str, Any]) -> str:
    return msgspec.json.encode(record).decode() + "\n"

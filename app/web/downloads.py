"""Files that a browser saves under a name and that no cache keeps, whole or streamed in turns. Knows nothing of their content."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import TypeVar

from fastapi import Request
from starlette.responses import StreamingResponse

from app.web.fair_turns import exports_of

T = TypeVar("T")


def file_headers(name: str) -> dict[str, str]:
    """Return the headers of a file that a browser saves under this name, and that no cache keeps."""
    return {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}


def streamed(
    request: Request, name: str, entries: AsyncGenerator[T], line: Callable[[T], str], *, media_type: str, head: str = ""
) -> StreamingResponse:
    """Answer with a file of `head` and a line for each entry, written in turns with other exports."""
    return StreamingResponse(exports_of(request).lines(head, entries, line), media_type=media_type, headers=file_headers(name))

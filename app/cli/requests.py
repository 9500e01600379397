"""Sends one request to the server and prints its answer, for commands that do only that."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.cli.client import Json, ServerClient


def send_request(request: Callable[[ServerClient], Awaitable[Json]]) -> Json:
    """Run a request against the configured server, or one started for this command; return its answer."""
    import asyncio

    from app.cli.reach import open_client

    async def work() -> Json:
        async with open_client() as client:
            return await request(client)

    return asyncio.run(work())


def print_result(data: Json, as_json: bool, words: str) -> None:
    """Print an answer: as JSON, or else the given words."""
    from app.cli.output import out, plain, print_json

    if as_json:
        print_json(data)
    else:
        out.print(plain(words), soft_wrap=True)


def path_segment(name: str) -> str:
    """Quote a name as a URL path segment."""
    from urllib.parse import quote

    return quote(name, safe="")

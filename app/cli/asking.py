"""Shared by the short commands: send one request to the server, print one answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.cli.client import Json, ServerClient


def ask(question: Callable[[ServerClient], Awaitable[Json]]) -> Json:
    """Run a request against the configured server, or one started for this command; return its answer."""
    import asyncio

    from app import settings as config
    from app.cli.reach import reached

    async def work() -> Json:
        async with reached(config.load()) as client:
            return await question(client)

    return asyncio.run(work())


def said(data: Json, as_json: bool, words: str) -> None:
    """Print the data as JSON, or a sentence for people."""
    from app.cli.output import out, plain, print_json

    if as_json:
        print_json(data)
    else:
        out.print(plain(words), soft_wrap=True)


def quoted(name: str) -> str:
    """Quote a name as a URL path segment."""
    from urllib.parse import quote

    return quote(name, safe="")

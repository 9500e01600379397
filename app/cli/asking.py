"""One question to the server, one answer to the person: what the short commands share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.cli.client import Client, Json


def ask(question: Callable[[Client], Awaitable[Json]]) -> Json:
    """The answer of the server that the settings name, or of one started for this."""
    import asyncio

    from app import settings as config
    from app.cli.reach import reached

    async def work() -> Json:
        async with reached(config.load()) as client:
            return await question(client)

    return asyncio.run(work())


def said(data: Json, as_json: bool, words: str) -> None:
    """The data, or what a person wants to hear of it."""
    from app.cli.output import out, plain, print_json

    if as_json:
        print_json(data)
    else:
        out.print(plain(words), soft_wrap=True)


def quoted(name: str) -> str:
    """A name as a part of a path."""
    from urllib.parse import quote

    return quote(name, safe="")

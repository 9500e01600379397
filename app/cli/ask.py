"""`cairn ask`: a question, and the few sentences that answer it, each with its source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.output import AsJson
from app.cli.query import asked, closing, indented, say_nothing_found

if TYPE_CHECKING:
    from app.cli.client import Json

RESULTS = 10


def ask(
    question: Annotated[str, typer.Argument(help="A question, in whole words.", show_default=False)],
    *,
    project: Annotated[str | None, typer.Option("--project", "-p", help="Only this project.")] = None,
    team: Annotated[str | None, typer.Option(help="With the admin key: another team than `default`.")] = None,
    as_json: AsJson = False,
) -> None:
    """Ask, and read the sentences that answer: as they were said, with their sources."""
    import asyncio

    from app import settings as config
    from app.cli.output import print_json

    async def run() -> None:
        from app.cli.reach import reached

        async with reached(config.load(), team=team) as client:
            found = await client.post("/v1/knowledge/query", asked(question, project, RESULTS) | {"mode": "answer"})
            if as_json:
                print_json(found)
            elif found["answer"]["abstained"]:
                await say_nothing_found(client, project)
            else:
                show(found)

    asyncio.run(run())


def show(found: Json) -> None:
    """The quotes with their numbers, then the sources that these name."""
    from app.cli.output import out, plain

    citations = found["answer"]["citations"]
    for number, citation in enumerate(citations, start=1):
        out.print(indented(f"{citation['text']} [{number}]"))
        out.print()
    for number, citation in enumerate(citations, start=1):
        when = f", {citation['at'][:10]}" if citation.get("at") else ""
        out.print(plain(f"   [{number}] {citation['transcript']} {citation['locator']}{when}", "cyan"))
    out.print()
    out.print(plain(closing(found), "dim"))

"""`cairn ask`: answers a question in a few sentences, each with its source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.output import AsJson
from app.cli.query import closing_line, nothing_found, printed_source, query_body

if TYPE_CHECKING:
    from app.cli.client import Json, ServerClient

RESULTS = 10


def ask(
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="The question, as a whole sentence.", show_default=False)],
    *,
    project: Annotated[str | None, typer.Option("--project", "-p", help="Search only this project.")] = None,
    developer: Annotated[
        str | None, typer.Option(help="Developer whose budget pays if a model writes the answer; needs the admin key.")
    ] = None,
    team: Annotated[str | None, typer.Option(help="Team to act for; needs the admin key. Default: `default`.")] = None,
    as_json: AsJson = False,
) -> None:
    """Answer a question in a few sentences, with sources. They are quoted, unless knowledge.answer_model names a model to write them."""
    import asyncio

    from app.cli.output import print_json

    async def run() -> None:
        from app.cli.reach import open_client

        async with open_client(team=team) as client:
            headers = {"x-cairn-developer": developer} if developer else {}
            found = await client.post("/v1/knowledge/query", query_body(question, project, RESULTS) | {"mode": "answer"}, headers=headers)
            if as_json:
                print_json(found)
            else:
                await show(client, found, project)

    asyncio.run(run())


async def show(client: ServerClient, found: Json, project: str | None) -> None:
    """Print the answer with numbered sources and its author; if it abstained, say what to do."""
    from app.cli.output import err, indented, out, plain

    answer = found["answer"]
    if answer["abstained"]:
        err.print(plain(await nothing_found(client, project)))
        print_author(answer)
        return
    citations = answer["citations"]
    for text in [answer["text"]] if answer["by"] == "model" else [f"{each['text']} [{n}]" for n, each in enumerate(citations, start=1)]:
        out.print(indented(text))
        out.print()
    for number, citation in enumerate(citations, start=1):
        out.print(plain(f"   [{number}] {printed_source(citation, aged=True)}", "cyan"), soft_wrap=True)
    out.print()
    print_author(answer)
    out.print(plain(closing_line(found), "dim"))


def print_author(answer: Json) -> None:
    """Print the model asked, its outcome and cost, if a model was asked."""
    from app.cli.output import out, plain

    if "model" not in answer:
        return
    cost = f"${answer['cost_usd']:.6f}"
    if answer["by"] == "extract":
        out.print(plain(f"Quoted, since the answer of {answer['model']} ({cost}) could not be used.", "dim"))
    elif answer["abstained"]:
        out.print(plain(f"{answer['model']} found no answer in the passages ({cost}).", "dim"))
    else:
        out.print(plain(f"Written by {answer['model']} from the passages above ({cost}). Check what matters at its source.", "dim"))

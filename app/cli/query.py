"""`cairn query`: a question, and cited answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.output import AsJson

if TYPE_CHECKING:
    from rich.padding import Padding

    from app.cli.client import Client, Json

EXCERPT_LINES, EXCERPT_CHARS = 4, 400


def query(
    question: Annotated[str, typer.Argument(help="A question, an error message, a symbol, a flag.", show_default=False)],
    project: Annotated[str | None, typer.Option("--project", "-p", help="Only this project.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="At most so many answers.")] = 5,
    team: Annotated[str | None, typer.Option(help="With the admin key: another team than `default`.")] = None,
    as_json: AsJson = False,
) -> None:
    """Ask what the team has learnt."""
    import asyncio

    from app import settings as config
    from app.cli.output import print_json

    async def ask() -> None:
        from app.cli.reach import reached

        async with reached(config.load(), team=team) as client:
            answer = await client.post("/v1/knowledge/query", asked(question, project, limit))
            if as_json:
                print_json(answer)
            elif answer["results"]:
                show(answer)
            else:
                await _nothing(client, project)

    asyncio.run(ask())


def asked(question: str, project: str | None, limit: int) -> dict[str, object]:
    body: dict[str, object] = {"query": question, "limit": limit}
    return body if project is None else body | {"project": project}


def show(answer: Json) -> None:
    """Each answer with where it was said, in the words it was said in."""
    from app.cli.output import out, plain

    for number, result in enumerate(answer["results"], start=1):
        out.print(plain(f"{number}. {result['title']}", "bold"))
        out.print(plain(f"   {result['type']} · {result['project']} · score {result['score']:.2f} · {result['freshness']}", "dim"))
        out.print(_indented(result["text"]))
        source = result["source"]
        when = f", {source['at'][:10]}" if source["at"] else ""
        out.print(plain(f"   ─ {source['transcript']} {source['locator']}{when}", "cyan"))
        out.print(_indented(f"“{_short(source['excerpt'])}”", "dim italic"))
        out.print()
    out.print(plain(_closing(answer), "dim"))


def _closing(answer: Json) -> str:
    words = f"{len(answer['results'])} found in {answer['took_ms']:.0f} ms; quoted from your sessions"
    away = f". Narrower than usual: {', '.join(answer['degraded'])} away" if answer["degraded"] else ""
    return f"{words}{away}."


def _indented(text: str, style: str = "") -> Padding:
    from rich.padding import Padding

    from app.cli.output import plain

    return Padding(plain(text.strip(), style), (0, 0, 0, 3), expand=False)


def _short(text: str) -> str:
    lines = text.strip()[:EXCERPT_CHARS].splitlines()
    cut = len(text.strip()) > EXCERPT_CHARS or len(lines) > EXCERPT_LINES
    return "\n".join(lines[:EXCERPT_LINES]) + (" …" if cut else "")


async def _nothing(client: Client, project: str | None) -> None:
    """The empty state says what to do next."""
    from app.cli.output import out, plain

    sessions = await client.get("/v1/sessions", limit=1, project=project)
    if sessions["sessions"]:
        out.print("Nothing relevant was learnt about that yet. Ask in other words, or name an error code, a file or a flag.")
    elif project is not None:
        words = f"There are no sessions in a project {project!r} yet. Leave --project out, or give it some:"
        out.print(plain(f"{words} cairn ingest PATH --project {project}"))
    else:
        out.print("There are no sessions yet. Give it some: `cairn ingest` finds them, or `cairn ingest PATH`.")

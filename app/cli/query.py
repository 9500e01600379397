"""`cairn query`: searches, and prints cited results."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.output import AsJson

if TYPE_CHECKING:
    from rich.padding import Padding

    from app.cli.client import Json, ServerClient

EXCERPT_LINES, EXCERPT_CHARS = 4, 400
DATES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]
PASSAGE_LINES, PASSAGE_CHARS = 16, 1_200
"""Length to which a passage with its context is cut; `--json` prints all of it."""


class Kind(StrEnum):
    item = "item"
    passage = "passage"


def query(
    question: Annotated[
        str, typer.Argument(metavar="QUESTION", help="A question, an error message, a symbol or a flag.", show_default=False)
    ],
    *,
    project: Annotated[str | None, typer.Option("--project", "-p", help="Search only this project.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="Maximum number of results.")] = 5,
    kind: Annotated[Kind | None, typer.Option(help="Only items (what was learnt), or only passages (what was said).")] = None,
    since: Annotated[datetime | None, typer.Option(formats=DATES, help="Only what was said at this time or later (UTC).")] = None,
    until: Annotated[datetime | None, typer.Option(formats=DATES, help="Only what was said before this time (UTC).")] = None,
    team: Annotated[str | None, typer.Option(help="With the admin key: the team. Default: `default`.")] = None,
    as_json: AsJson = False,
) -> None:
    """Search what the team has said and learnt; print results with their sources."""
    import asyncio

    from app.cli.output import print_json

    async def ask() -> None:
        from app.cli.reach import open_client

        async with open_client(team=team) as client:
            answer = await client.post("/v1/knowledge/query", query_body(question, project, limit, kind=kind, since=since, until=until))
            if as_json:
                print_json(answer)
            else:
                await show(client, answer, project)

    asyncio.run(ask())


def query_body(
    question: str,
    project: str | None,
    limit: int,
    *,
    kind: Kind | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> dict[str, object]:
    """Build the body of the query's request."""
    body: dict[str, object] = {"query": question, "limit": limit}
    given = {"project": project, "kinds": kind and [kind.value], "since": since and since.isoformat(), "until": until and until.isoformat()}
    return body | {name: value for name, value in given.items() if value is not None}


async def show(client: ServerClient, answer: Json, project: str | None) -> None:
    """Print each result with its source, items with their proof, passages with their context; if there are none, say what to do."""
    from app.cli.output import out, plain

    if not answer["results"]:
        await print_nothing_found(client, project)
        return
    for number, result in enumerate(answer["results"], start=1):
        out.print(plain(f"{number}. {result['title']}", "bold"))
        said = result["kind"] == "passage"
        how = "recorded" if "session_id" not in result["source"] else "learnt"
        label = "said" if said else f"{how}: {result['type'].replace('_', ' ')}"
        times = f" · {result['evidence_count']} times" if result["evidence_count"] > 1 else ""
        out.print(plain(f"   {label} · {result['project']} · score {result['score']:.2f} · {result['freshness']}{times}", "dim"))
        out.print(indented(_short(result["text"], PASSAGE_LINES, PASSAGE_CHARS) if said else result["text"]))
        source = result["source"]
        when = f", {source['at'][:10]}" if source.get("at") else ""
        item = "" if said else f" · {result['id']}"
        out.print(plain(f"   ─ {source['transcript']} {source['locator']}{when}{item}", "cyan"))
        if not said and "session_id" in source:
            out.print(indented(f"“{_short(source['excerpt'])}”", "dim italic"))
        out.print()
    out.print(plain(closing_line(answer), "dim"))


def closing_line(answer: Json) -> str:
    """Return the last line of the output: number of results, time taken, and parts that were unavailable."""
    words = f"{len(answer['results'])} found in {answer['took_ms']:.0f} ms; quoted from your sessions"
    away = f". Incomplete: {', '.join(answer['degraded'])} unavailable" if answer["degraded"] else ""
    return f"{words}{away}."


def indented(text: str, style: str = "") -> Padding:
    """Indent a text under its title."""
    from rich.padding import Padding

    from app.cli.output import plain

    return Padding(plain(text.strip(), style), (0, 0, 0, 3), expand=False)


def _short(text: str, max_lines: int = EXCERPT_LINES, max_chars: int = EXCERPT_CHARS) -> str:
    lines = text.strip()[:max_chars].splitlines()
    cut = len(text.strip()) > max_chars or len(lines) > max_lines
    return "\n".join(lines[:max_lines]) + (" …" if cut else "")


async def print_nothing_found(client: ServerClient, project: str | None) -> None:
    """Say that nothing was found, and what to do next."""
    from app.cli.output import out, plain

    sessions = await client.get("/v1/sessions", limit=1, project=project)
    if sessions["sessions"]:
        out.print("Nothing in the sessions answers that. Use other words, or name an error code, a file or a flag.")
    elif project is not None:
        words = f"There are no sessions in a project {project!r} yet. Leave --project out, or send some:"
        out.print(plain(f"{words} cairn ingest PATH --project {project}"))
    else:
        out.print("There are no sessions yet. Send some: `cairn ingest` finds them, or name files with `cairn ingest PATH`.")

"""`cairn query`: searches, and prints cited results."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.output import AsJson
from app.clock import age_in_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.cli.client import Json, ServerClient

EXCERPT_LINES, EXCERPT_CHARS = 4, 400
DATES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]
OTHERS = 5
"""Other projects that are named where one has nothing."""
PASSAGE_LINES, PASSAGE_CHARS = 16, 1_200
"""Length to which a passage with its context is cut; `--json` prints all of it."""
FRESHNESS = {"stale": "marked as out of date", "changed": "its code changed since", "gone": "its code is gone"}
"""Words for a result, by its freshness; none for what is fresh."""

STANDING = {"portable": "holds in other projects too", "team_practice": "team practice"}


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
    subject: Annotated[
        str, typer.Option(help="Only items about this file, symbol, setting, tool, service or ticket, or with all of these words.")
    ] = "",
    intent: Annotated[
        list[str] | None, typer.Option(help="Only what was said or learnt for prompts of this intent; may be repeated. See cairn classify.")
    ] = None,
    team: Annotated[str | None, typer.Option(help="Team to act for; needs the admin key. Default: `default`.")] = None,
    as_json: AsJson = False,
) -> None:
    """Search what the team has said and learnt. Each result is printed with its source."""
    import asyncio

    from app.cli.output import print_json

    async def ask() -> None:
        from app.cli.reach import open_client

        async with open_client(team=team) as client:
            period = {"since": since and since.isoformat(), "until": until and until.isoformat()}
            filters = {**period, "subject": subject or None, "intents": intent or None}
            answer = await client.post("/v1/knowledge/query", query_body(question, project, limit, kind=kind, filters=filters))
            if as_json:
                print_json(answer)
            else:
                given = {"--kind": kind, "--since": since, "--until": until, "--subject": subject, "--intent": intent}
                await show(client, answer, project, narrowed=[name for name, value in given.items() if value])

    asyncio.run(ask())


def query_body(
    question: str,
    project: str | None,
    limit: int,
    *,
    kind: Kind | None = None,
    filters: Mapping[str, object] | None = None,
) -> dict[str, object]:
    """Build the body of the query's request. `filters`: further ones, by their names there; None is left out."""
    body: dict[str, object] = {"query": question, "limit": limit}
    given: dict[str, object] = {"project": project, "kinds": kind and [kind.value], **(filters or {})}
    return body | {name: value for name, value in given.items() if value is not None}


def printed_source(source: Json, *, aged: bool = False) -> str:
    """Return where something was said: transcript, place in it, and day; `aged`: with its age."""
    from app.cli.ages import dated

    when = f", {dated(source['at']) if aged else source['at'][:10]}" if source.get("at") else ""
    return f"{source['transcript']} {source['locator']}{when}"


async def show(client: ServerClient, answer: Json, project: str | None, *, narrowed: Sequence[str] = ()) -> None:
    """Print each result with its source, items with their proof, passages with their context; if there are none, say what to do.

    `narrowed`: the options that narrowed the search, but the project.
    """
    from app.cli.output import err, indented, out, plain

    if not answer["results"]:
        err.print(plain(await nothing_found(client, project, narrowed=narrowed)))
        return
    for number, result in enumerate(answer["results"], start=1):
        out.print(plain(f"{number}. {result['title']}", "bold"))
        said = result["kind"] == "passage"
        how = "recorded" if "session_id" not in result["source"] else "learnt"
        label = "said" if said else f"{how}: {result['type'].replace('_', ' ')}"
        times = f" · {result['evidence_count']} times" if result["evidence_count"] > 1 else ""
        out.print(plain(f"   {label} · {result['project']} · score {result['score']:.2f}{_age(result)}{times}{_standing(result)}", "dim"))
        out.print(indented(_short(result["text"], PASSAGE_LINES, PASSAGE_CHARS) if said else result["text"]))
        if replacement := result.get("replaced_by"):
            said_at = replacement["at"][:10]
            out.print(plain(f"   replaced on {said_at} by: {replacement['title']} · {replacement['id']}", "yellow"), soft_wrap=True)
        if like := result.get("like"):
            out.print(plain(f"   and {len(like)} like it: {', '.join(like)}", "dim"), soft_wrap=True)
        for other in result.get("contradicts", ()):
            out.print(plain(f"   contradicts {other}: decide with cairn decide", "yellow"), soft_wrap=True)
        source = result["source"]
        out.print(plain(f"   ─ {printed_source(source)} · {result['id']}", "cyan"), soft_wrap=True)
        if not said and "session_id" in source:
            out.print(indented(f"“{_short(source['excerpt'])}”", "dim italic"))
        out.print()
    out.print(plain(closing_line(answer), "dim"))


def _age(result: Json) -> str:
    """Return how old a result is, where known, and that people find it stale or its code changed."""
    age = f" · {age_in_words(result['age_days'])}" if "age_days" in result else ""
    said = FRESHNESS.get(result["freshness"])
    return age + (f" · {said}" if said else "")


def _standing(result: Json) -> str:
    return "".join(f" · {STANDING[each]}" for each in result.get("standing", ()))


def closing_line(answer: Json) -> str:
    """Return the last line of the output: number of results, time taken, and parts that were unavailable."""
    words = f"{len(answer['results'])} found in {answer['took_ms']:.0f} ms; quoted from your sessions"
    away = f". Incomplete: {', '.join(answer['degraded'])} unavailable" if answer["degraded"] else ""
    return f"{words}{away}."


def _short(text: str, max_lines: int = EXCERPT_LINES, max_chars: int = EXCERPT_CHARS) -> str:
    from app.cli.output import shortened

    lines = text.strip().splitlines()
    kept = "\n".join(lines[:max_lines])
    short = shortened(kept, max_chars)
    return f"{short.rstrip()} …" if len(lines) > max_lines and short == kept.strip() else short


async def nothing_found(client: ServerClient, project: str | None, *, narrowed: Sequence[str] = ()) -> str:
    """Say that nothing was found, where it was sought, and what to do next. `narrowed`: the options that narrowed the search."""
    if await _has_any(client, project):
        where = "the sessions" if project is None else f"the project {project!r}"
        words = f"Nothing in {where} answers that. Try other words, or name an error code, a file or a flag"
        words += f"; or search without {' and '.join(narrowed)}" if narrowed else ""
        words += "." if project is None else f"; or ask all projects, without --project{await _others(client, project)}."
    elif project is not None:
        words = f"The project {project!r} has no sessions and no recorded knowledge yet."
        words += f" Leave --project out{await _others(client, project)}, or send sessions: cairn ingest PATH --project {project}"
    else:
        words = (
            "There are no sessions yet. Send those that your agents keep on this machine: cairn ingest, or cairn ingest PATH."
            " Capture new ones: cairn connect claude-code (or codex, cursor, vscode)."
        )
    return words


async def _has_any(client: ServerClient, project: str | None) -> bool:
    """Tell whether there is anything to search: a session, or an item that a person recorded."""
    sessions = await client.get("/v1/sessions", limit=1, project=project)
    return bool(sessions["sessions"] or (await client.get("/v1/knowledge", limit=1, project=project))["items"])


async def _others(client: ServerClient, project: str) -> str:
    """Name some other projects."""
    names = [each["name"] for each in (await client.get("/v1/projects", limit=OTHERS + 2))["projects"] if each["name"] != project]
    if not names:
        return ""
    more = ", …" if len(names) > OTHERS else ""
    return f" (there are {', '.join(names[:OTHERS])}{more})" if len(names) > 1 else f" (there is {names[0]})"

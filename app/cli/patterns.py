"""`cairn patterns`: the troubles that recur in sessions, and what followed them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.output import AsJson
from app.cli.requests import send_request

if TYPE_CHECKING:
    from app.cli.client import Json

NONE = "No trouble recurs in {} sessions{}, as far as Cairn can tell. Less evidence: --min-sessions 1"
MORE = "There are more: raise --limit (100 at most)."


def patterns(
    *,
    project: Annotated[str | None, typer.Option("--project", "-p", help="Only this project's sessions.", show_default=False)] = None,
    min_sessions: Annotated[int, typer.Option("--min-sessions", min=1, max=100, help="Only troubles of at least so many sessions.")] = 2,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=100, help="Maximum number of patterns.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List the troubles that recur in sessions, with what followed them; those with most and latest evidence first."""
    from app.cli.output import err, plain, print_json

    found = send_request(lambda client: client.get("/v1/patterns", project=project, min_sessions=min_sessions, limit=limit))
    if as_json:
        print_json(found)
        return
    if not found["patterns"]:
        err.print(plain(NONE.format(min_sessions, f" of the project {project!r}" if project else "")), soft_wrap=True)
        return
    for each in found["patterns"]:
        _print_pattern(each)
    if found["next_cursor"]:
        err.print(plain(MORE))


def _print_pattern(pattern: Json) -> None:
    from app.cli.output import out, plain

    shape = " → ".join(pattern["failing"]) or ", ".join(pattern["troubles"])
    out.print(plain(f"{pattern['project']}: {pattern['family']} · {shape}", "bold"), soft_wrap=True)
    out.print(plain(f"   {pattern['words']}"), soft_wrap=True)
    for each in pattern["occurrences"]:
        where = f"events {each['first']} to {each['last']}, {each['outcome'].replace('_', ' ')}"
        out.print(plain(f"   ─ {each['at'][:10]} · {each['session_id']} · {where}", "cyan"), soft_wrap=True)
    out.print()

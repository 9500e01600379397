"""`cairn contradictions`: items that can't hold beside each other, until a person decides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.output import AsJson
from app.cli.requests import send_request

if TYPE_CHECKING:
    from app.cli.client import Json

NEXT = "Decide: cairn decide ID OTHER, where the first one holds; cairn decide ID OTHER --both, where both do."
NONE = "No items{} contradict each other, as far as Cairn can tell."
MORE = "There are more: raise --limit (200 at most), or decide some of these first."


def contradictions(
    *,
    project: Annotated[str | None, typer.Option("--project", "-p", help="Only this project's items.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=200, help="Maximum number of pairs.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List items of knowledge that contradict each other, between which nobody has decided."""
    from app.cli.output import err, plain, print_json

    found = send_request(lambda client: client.get("/v1/knowledge/contradictions", project=project, limit=limit))
    if as_json:
        print_json(found)
        return
    if not found["contradictions"]:
        err.print(plain(NONE.format(f" of the project {project!r}" if project else "")))
        return
    for each in found["contradictions"]:
        _print_pair(each)
    if found["next_cursor"]:
        err.print(plain(MORE))
    err.print(plain(NEXT, "dim"), soft_wrap=True)


def _print_pair(pair: Json) -> None:
    from app.cli.output import out, plain

    out.print(plain(pair["project"], "bold"))
    for item in pair["items"]:
        out.print(plain(f"   “{item['words']}”"), soft_wrap=True)
        out.print(plain(f"   ─ {item['said_at'][:10]} · {item['id']}", "cyan"), soft_wrap=True)
    out.print()

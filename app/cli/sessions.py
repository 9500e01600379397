"""`cairn sessions`: lists what was captured."""

from __future__ import annotations

from typing import Annotated

import typer

from app.cli.output import AsJson
from app.cli.requests import path_segment, send_request

sessions = typer.Typer(help="List the sessions that Cairn has, and show one.", no_args_is_help=True)

FACTS = (
    "id",
    "provider",
    "external_id",
    "project",
    "title",
    "transcript",
    "directory",
    "repository",
    "branch",
    "model",
    "started_at",
    "ended_at",
)


@sessions.command("list")
def list_sessions(
    mine: Annotated[bool, typer.Option("--mine", help="Only those that came with your key.")] = False,
    project: Annotated[str | None, typer.Option("--project", "-p", help="Only this project's.")] = None,
    agent: Annotated[str | None, typer.Option("--agent", help="Only this agent's, such as claude-code.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=200, help="Number of sessions.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List sessions, the latest first."""
    from app.cli.output import out, print_json, table

    found = send_request(
        lambda client: client.get("/v1/sessions", own="true" if mine else None, project=project, provider=agent, limit=limit)
    )
    if as_json:
        print_json(found)
        return
    if not found["sessions"]:
        typer.echo("No session was captured. Connect your IDE: cairn connect; or follow transcripts: cairn watch.")
        return
    rows = [
        each | {"at": (each["dated_at"] or "")[:16].replace("T", " "), "title": (each["title"] or each["transcript"])[:60]}
        for each in found["sessions"]
    ]
    columns = {"at": "Latest (UTC)", "provider": "Agent", "project": "Project", "title": "Title", "events": "Events", "id": "Id"}
    out.print(table(rows, columns))


@sessions.command("show")
def show(
    session: Annotated[str, typer.Argument(metavar="ID", help="As `cairn sessions list` shows it.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Show a session."""
    from app.cli.output import out, plain, print_json

    found = send_request(lambda client: client.get(f"/v1/sessions/{path_segment(session)}"))
    if as_json:
        print_json(found)
        return
    for name in FACTS:
        if found[name] is not None:
            out.print(plain(f"{name}: {found[name]}"), soft_wrap=True)
    out.print(f"events: {found['events']}, secrets redacted: {sum(found['redactions'].values())}")

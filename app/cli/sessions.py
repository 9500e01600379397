"""`cairn sessions`: lists what was captured, shows one, and finds those like it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.output import AsJson
from app.cli.requests import path_segment, send_request

if TYPE_CHECKING:
    from app.cli.client import Json, ServerClient

sessions = typer.Typer(help="List the sessions that Cairn stores, show one, and find those like it.", no_args_is_help=True)

TITLE_CHARS = 60
MAX_EXCHANGES = 200
OUTCOMES = ("accepted", "corrected", "neutral")
FINDINGS = {"health": "health", "loops": "loop", "policies": "broken policy"}
"""Parts of an analysis, and what a line of one is called."""
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
    *,
    mine: Annotated[bool, typer.Option("--mine", help="Only sessions that were sent with your key.")] = False,
    project: Annotated[str | None, typer.Option("--project", "-p", help="Only this project's sessions.")] = None,
    agent: Annotated[str | None, typer.Option("--agent", help="Only this agent's sessions, such as claude-code.")] = None,
    developer: Annotated[str | None, typer.Option("--developer", help="Only sessions that this developer sent first.")] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="2026-11-28", help="Only sessions that began on this day or later.")
    ] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="2026-11-28", help="Only sessions that began before this day.")] = None,
    subject: Annotated[str | None, typer.Option("--subject", help="Only sessions with these words in their title or conversation.")] = None,
    oldest: Annotated[bool, typer.Option("--oldest", help="List the oldest first.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=200, help="Number of sessions.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List sessions, the latest first."""
    from app.cli.output import print_json

    filters = {"project": project, "provider": agent, "developer": developer, "since": since, "until": until, "subject": subject}
    order = "oldest" if oldest else None
    found = send_request(lambda client: client.get("/v1/sessions", own="true" if mine else None, order=order, limit=limit, **filters))
    if as_json:
        print_json(found)
        return
    if not found["sessions"]:
        typer.echo(_none_yet(mine=mine, narrowed=bool(developer or since or until or subject), project=project, agent=agent), err=True)
        return
    _print(found["sessions"])


def _print(found: Sequence[Json]) -> None:
    from app.cli.output import out, shortened, table

    rows = [
        each
        | {
            "developer": each["developer"] or "",
            "at": (each["dated_at"] or "")[:16].replace("T", " "),
            "title": shortened(each["title"] or each["transcript"], TITLE_CHARS),
        }
        for each in found
    ]
    columns = {
        "at": "Latest (UTC)",
        "provider": "Agent",
        "project": "Project",
        "developer": "Developer",
        "title": "Title",
        "events": "Events",
        "id": "Id",
    }
    out.print(table(rows, columns))


def _none_yet(*, mine: bool, narrowed: bool, project: str | None, agent: str | None) -> str:
    """Say that there is nothing to list, and what to do."""
    asked = [*(["of yours"] if mine else []), *([f"of the project {project!r}"] if project else []), *([f"of {agent}"] if agent else [])]
    if narrowed:
        asked.append("of that developer, time or subject")
    if asked:
        return f"There are no sessions {' '.join(asked)}. List all: cairn sessions list"
    return (
        "There are no sessions yet. Send those that your agents keep on this machine: cairn ingest. Capture new ones: cairn connect "
        "claude-code (or codex, cursor, vscode), or cairn watch."
    )


@sessions.command("show")
def show(
    session: Annotated[str, typer.Argument(metavar="ID", help="Id of the session, as `cairn sessions list` shows it.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Show a session, and what its analysis found."""
    from app.cli.output import out, plain, print_json

    path = f"/v1/sessions/{path_segment(session)}"

    async def ask(client: ServerClient) -> Json:
        return await client.get(path) | {"analysis": await client.get(f"{path}/analysis", limit=MAX_EXCHANGES)}

    found = send_request(ask)
    if as_json:
        print_json(found)
        return
    for name in FACTS:
        if found[name] is not None:
            out.print(plain(f"{name}: {found[name]}"), soft_wrap=True)
    out.print(f"events: {found['events']}, secrets redacted: {sum(found['redactions'].values())}")
    for line in analysis_lines(found["analysis"]):
        out.print(plain(line), soft_wrap=True)


def analysis_lines(analysis: Json) -> list[str]:
    """Say what an analysis found, a line each."""
    if not analysis["analysed"]:
        return [f"analysis: not yet{'' if analysis['parked'] is None else ', it failed: ' + analysis['parked']}"]
    exchanges = analysis["exchanges"]
    outcomes = [f"{count} {name}" for name in OUTCOMES if (count := sum(each["outcome"] == name for each in exchanges))]
    more = "the first " if analysis["next_cursor"] is not None else ""
    lines = [f"analysis: {analysis['analysed']} of {analysis['events']} events, {more}{len(exchanges)} exchanges{_listed(outcomes)}"]
    stuck = {each["because"] for each in analysis["health"] if each["because"]}  # a loop that says why is told with it
    for part, label in FINDINGS.items():
        lines += [_finding_line(label, each) for each in analysis[part] if part != "loops" or each["because"] not in stuck]
    lines += [f"pattern: events {each['first']} to {each['last']}: {each['pattern']['words']}" for each in analysis["patterns"]]
    if activities := [f"{each['name']} ({_stretch(each)})" for each in analysis["activity"]]:
        lines.append(f"activity: {', '.join(activities)}")
    left_out = analysis["findings_left_out"]
    return [*lines, f"{left_out} more findings are left out"] if left_out else lines


def _finding_line(label: str, finding: Json) -> str:
    because = "" if finding["because"] is None else f": {finding['because']}"
    return f"{label}: {finding['name'].replace('_', ' ')}, {_stretch(finding)}{because}"


def _stretch(finding: Json) -> str:
    if finding["open"]:
        return f"from event {finding['first']} on"
    return f"event {finding['first']}" if finding["first"] == finding["last"] else f"events {finding['first']} to {finding['last']}"


def _listed(parts: Sequence[str]) -> str:
    return f" ({', '.join(parts)})" if parts else ""


@sessions.command("similar")
def similar(
    session: Annotated[str, typer.Argument(metavar="ID", help="Id of the session, as `cairn sessions list` shows it.", show_default=False)],
    *,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=50, help="Number of sessions.")] = 10,
    as_json: AsJson = False,
) -> None:
    """List the sessions that are like one, the likest first, with the share of phases in common, and why."""
    from app.cli.output import print_json

    found = send_request(lambda client: client.get(f"/v1/sessions/{path_segment(session)}/similar", limit=limit))
    if as_json:
        print_json(found)
    else:
        print_similar(found)


def print_similar(found: Json) -> None:
    """Print the sessions that are like one, two lines each; or why there are none."""
    from app.cli.output import out, plain, shortened
    from app.cli.wording import without_routes

    if not found["sessions"]:
        none = f"None of {found['compared']} other sessions is like it: none has a fifth of its phases in the same order."
        typer.echo(without_routes(found["reason"] or none), err=True)
    for each in found["sessions"]:
        title = shortened(each["title"] or each["transcript"], TITLE_CHARS)
        day = (each["ended_at"] or "no date")[:10]
        out.print(plain(f"{each['score']:4.0%}  {day:10}  {each['project']}  {title}  {each['id']}"), soft_wrap=True)
        out.print(plain(f"      {each['because']}"), soft_wrap=True)

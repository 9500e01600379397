"""`cairn jobs`: the server's background work, such as reading transcripts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from app.cli.output import AsJson
from app.cli.pages import PAGE_SIZE, first_entries
from app.cli.requests import path_segment, send_request

if TYPE_CHECKING:
    from app.cli.client import Json

jobs = typer.Typer(help="List the server's background jobs, such as the reading of transcripts, and show one.", no_args_is_help=True)

State = Literal["queued", "running", "done", "failed"]
"""As `queue.jobs.State`, whose import would slow every command; a test compares them."""
COLUMNS = {
    "created_at": "Asked for (UTC)", "kind": "Kind", "state": "State", "progress": "Progress", "developer": "By", "why": "Error",
    "id": "Id",
}  # fmt: skip


@jobs.command("list")
def list_jobs(
    *,
    state: Annotated[State | None, typer.Option(help="Only jobs in this state.", show_default=False)] = None,
    kind: Annotated[str | None, typer.Option(help="Only jobs of this kind, such as ingest.", show_default=False)] = None,
    project: Annotated[str | None, typer.Option("--project", "-p", help="Only jobs with a session of this project.")] = None,
    developer: Annotated[str | None, typer.Option(help="Only jobs that this developer asked for.", show_default=False)] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=10_000, help="Maximum number of jobs.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List jobs, the newest first: yours or, with the key of a lead or an admin, the team's. Ended ones are kept for a week."""
    from app.cli.output import err, out, print_json, table

    wanted = {"state": state, "kind": kind, "project": project, "developer": developer}
    found = send_request(lambda client: first_entries(client, "/v1/jobs", "jobs", limit, size=PAGE_SIZE, **wanted))
    if as_json:
        print_json(found)
    elif found["jobs"]:
        out.print(table([_row(each) for each in found["jobs"]], COLUMNS))
    elif any(wanted.values()):
        err.print("There are no such jobs. List all: cairn jobs list")
    else:
        err.print("There are no jobs: nothing was sent in the last week. Send sessions: cairn ingest")


@jobs.command("show")
def show(
    job: Annotated[str, typer.Argument(metavar="ID", help="Id of the job, as `cairn jobs list` shows it.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Show a job, with its result or why it failed."""
    from app.cli.output import out, plain, print_json

    found = send_request(lambda client: client.get(f"/v1/jobs/{path_segment(job)}"))
    if as_json:
        print_json(found)
        return
    facts = {"kind": found["kind"], "state": found["state"], "progress": _progress(found), "attempts": found["attempts"]}
    facts |= {"asked for": found["created_at"], "ended": found.get("finished_at"), "error": (found.get("error") or {}).get("message")}
    result = found.get("result") or {}
    facts["sessions"] = ", ".join(result.get("sessions") or ())
    facts |= {name: value for name, value in result.items() if isinstance(value, str | int)}
    for name, value in facts.items():
        if value not in (None, ""):
            out.print(plain(f"{name}: {value}"), soft_wrap=True)


def _row(job: Json) -> Json:
    return job | {"progress": _progress(job), "why": (job["error"] or {}).get("message", "")}


def _progress(job: Json) -> str:
    done, total = job["progress"]["done"], job["progress"]["total"]
    return f"{100 * done // total} %" if total else ""

"""`cairn projects`: anyone may list them; a lead or the admin opens, closes and shows prompts of them; the admin renames and merges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.output import AsJson
from app.cli.pages import every_page
from app.cli.requests import path_segment, print_result, send_request
from app.errors import NotFound

if TYPE_CHECKING:
    from app.cli.client import Json, ServerClient

projects = typer.Typer(help="List, open, close, rename and merge projects. A project groups sessions and knowledge.", no_args_is_help=True)

Project = Annotated[str, typer.Argument(metavar="PROJECT", help="Name or id, as `cairn projects list` shows them.", show_default=False)]


@projects.command("list")
def list_projects(as_json: AsJson = False) -> None:
    """List the team's projects that are open to you."""
    from app.cli.output import err, out, print_json, table

    found = send_request(lambda client: every_page(client, "/v1/projects", "projects"))
    if as_json:
        print_json(found)
    elif not found["projects"]:
        err.print(
            "There are no projects yet. A project is created with its first session. Send existing sessions: cairn ingest. Capture "
            "new ones: cairn connect"
        )
    else:
        shown = [each | {"open_to": _open_to(each), "prompts": _prompts(each, "")} for each in found["projects"]]
        columns = {"name": "Project", "open_to": "Open to", "prompts": "Prompts", "identity": "Known by", "id": "Id", "created_at": "Since"}
        out.print(table(shown, columns))


@projects.command("rename")
def rename(
    project: Project,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The new name.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Rename a project."""

    async def work(client: ServerClient) -> Json:
        return await client.patch(f"/v1/projects/{path_segment(await _id(client, project))}", {"name": name})

    renamed = send_request(work)
    print_result(renamed, as_json, f"Project {project} is renamed to {renamed['name']}.")


@projects.command("merge")
def merge(
    project: Project,
    into: Annotated[str, typer.Argument(metavar="INTO", help="Name or id of the project that remains.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Merge a project into another. Its sessions and knowledge move, and so does what is sent later under its name."""

    async def work(client: ServerClient) -> Json:
        body = {"into": await _id(client, into)}
        return await client.post(f"/v1/projects/{path_segment(await _id(client, project))}/merge", body)

    merged = send_request(work)
    print_result(merged, as_json, f"Project {project} is merged into {merged['project']['name']}: {merged['sessions']} sessions moved.")


@projects.command("open")
def open_to_team(project: Project, as_json: AsJson = False) -> None:
    """Open a project to its whole team. Its list of members is deleted."""
    changed = _change(project, {"open": "team"})
    print_result(changed, as_json, f"Project {changed['name']} is open to its team.")


@projects.command("close")
def close(
    project: Project,
    members: Annotated[
        str | None,
        typer.Option(help="Names of developers, separated by commas; they replace the current members.", metavar="NAME,…"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Restrict a project to its members, leads and admins. Nobody else sees it any more."""
    wanted: Json = {"open": "members"} if members is None else {"open": "members", "members": _names([members])}
    changed = _change(project, wanted)
    print_result(changed, as_json, f"Project {changed['name']} is open to {_open_to(changed)}.")


@projects.command("members")
def members_of(
    project: Project,
    add: Annotated[list[str] | None, typer.Option(help="Developer to add as a member; may be repeated.", metavar="NAME")] = None,
    remove: Annotated[list[str] | None, typer.Option(help="Developer to remove from the members; may be repeated.", metavar="NAME")] = None,
    as_json: AsJson = False,
) -> None:
    """Show whom a project is open to; add and remove members."""
    wanted: Json = {"add_members": _names(add or []), "remove_members": _names(remove or [])}
    if any(wanted.values()):
        shown = _change(project, wanted)
    else:
        shown = send_request(lambda client: _find(client, project))
    print_result(shown, as_json, f"Project {shown['name']} is open to {_open_to(shown)}.")


@projects.command("prompts")
def prompts(
    project: Project,
    show: Annotated[
        bool | None,
        typer.Option("--show/--hide", help="Show those of new sessions to leads, auditors and admins, or no longer.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Tell whether a project shows what is said in its sessions; switch that. Each reading of another's session is recorded."""
    if show is None:
        shown = send_request(lambda client: _find(client, project))
    else:
        shown = _change(project, {"show_prompts": show})
    print_result(shown, as_json, f"Prompts of project {shown['name']}: {_prompts(shown, 'not shown')}.")


def _change(project: str, wanted: Json) -> Json:
    async def work(client: ServerClient) -> Json:
        return await client.patch(f"/v1/projects/{path_segment(await _id(client, project))}", wanted)

    return send_request(work)


def _names(given: Sequence[str]) -> list[str]:
    """Return the names of options that may each hold several, with commas between."""
    return list(dict.fromkeys(name for each in given for part in each.split(",") if (name := part.strip())))


def _open_to(project: Json) -> str:
    if project["open"] == "team":
        return "its team"
    return ", ".join([*project["members"], "leads and admins"]) if project["members"] else "leads and admins only"


def _prompts(project: Json, otherwise: str) -> str:
    since = project["prompts_shown_since"]
    return f"shown since {since[:16].replace('T', ' ')} UTC" if since else otherwise


async def _id(client: ServerClient, project: str) -> str:
    """Return a project's id, given its name or id. Raises NotFound."""
    return str((await _find(client, project))["id"])


async def _find(client: ServerClient, project: str) -> Json:
    """Return a project, given its name or id. Raises NotFound."""
    found = (await every_page(client, "/v1/projects", "projects"))["projects"]
    for each in found:
        if project in (each["name"], each["id"]):
            return dict(each)
    raise NotFound(f"There is no project {project!r}. List them: cairn projects list")

"""`cairn projects`: anyone may list them; the admin renames and merges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.output import AsJson
from app.cli.requests import path_segment, print_result, send_request
from app.errors import NotFound

if TYPE_CHECKING:
    from app.cli.client import Json, ServerClient

projects = typer.Typer(help="List, rename and merge projects, which group sessions and knowledge.", no_args_is_help=True)

Project = Annotated[str, typer.Argument(metavar="PROJECT", help="Name or id, as `cairn projects list` shows them.", show_default=False)]


@projects.command("list")
def list_projects(as_json: AsJson = False) -> None:
    """List the team's projects."""
    from app.cli.output import out, print_json, table

    found = send_request(lambda client: client.get("/v1/projects"))
    if as_json:
        print_json(found)
    else:
        out.print(table(found["projects"], {"name": "Project", "identity": "Known by", "id": "Id", "created_at": "Since"}))


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
    """Merge a project into another, with its sessions, its knowledge, and what is sent later under its name."""

    async def work(client: ServerClient) -> Json:
        body = {"into": await _id(client, into)}
        return await client.post(f"/v1/projects/{path_segment(await _id(client, project))}/merge", body)

    merged = send_request(work)
    print_result(merged, as_json, f"Project {project} is merged into {merged['project']['name']}: {merged['sessions']} sessions moved.")


async def _id(client: ServerClient, project: str) -> str:
    """Return a project's id, given its name or id. Raises NotFound."""
    found = (await client.get("/v1/projects"))["projects"]
    for each in found:
        if project in (each["name"], each["id"]):
            return str(each["id"])
    raise NotFound(f"There is no project {project!r}. List them: cairn projects list")

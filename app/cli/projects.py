"""`cairn projects`: anyone may list them; the admin renames and merges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.asking import ask, quoted, said
from app.cli.output import AsJson
from app.errors import NotFound

if TYPE_CHECKING:
    from app.cli.client import Json, ServerClient

projects = typer.Typer(help="Projects: what sessions and knowledge are grouped by.", no_args_is_help=True)

Project = Annotated[str, typer.Argument(metavar="PROJECT", help="Its name or id, as `projects list` shows them.", show_default=False)]


@projects.command("list")
def list_projects(as_json: AsJson = False) -> None:
    """List projects."""
    from app.cli.output import out, print_json, table

    found = ask(lambda client: client.get("/v1/projects"))
    if as_json:
        print_json(found)
    else:
        out.print(table(found["projects"], {"name": "Project", "identity": "Known by", "id": "Id", "created_at": "Since"}))


@projects.command("rename")
def rename(project: Project, name: Annotated[str, typer.Argument(show_default=False)], as_json: AsJson = False) -> None:
    """Show a project under another name."""

    async def work(client: ServerClient) -> Json:
        return await client.patch(f"/v1/projects/{quoted(await _id(client, project))}", {"name": name})

    renamed = ask(work)
    said(renamed, as_json, f"{project} is {renamed['name']} now.")


@projects.command("merge")
def merge(
    project: Project,
    into: Annotated[str, typer.Argument(metavar="INTO", help="The project that stays: its name or id.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Merge a project into another: sessions, knowledge, and what comes later under its name."""

    async def work(client: ServerClient) -> Json:
        body = {"into": await _id(client, into)}
        return await client.post(f"/v1/projects/{quoted(await _id(client, project))}/merge", body)

    merged = ask(work)
    said(merged, as_json, f"{project} is {merged['project']['name']} now: {merged['sessions']} sessions moved.")


async def _id(client: ServerClient, project: str) -> str:
    """Return a project's id, given its name or id. Raises NotFound."""
    found = (await client.get("/v1/projects"))["projects"]
    for each in found:
        if project in (each["name"], each["id"]):
            return str(each["id"])
    raise NotFound(f"There is no project {project!r}. List them: cairn projects list")

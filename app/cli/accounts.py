"""`cairn teams`, `cairn developers`, `cairn keys`: account commands for the admin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from app.cli.asking import ask, quoted, said
from app.cli.output import AsJson

if TYPE_CHECKING:
    from app.cli.client import Json

teams = typer.Typer(help="Teams: what one knows, no other sees.", no_args_is_help=True)
developers = typer.Typer(help="Developers of a team.", no_args_is_help=True)
keys = typer.Typer(help="Developers' keys.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(show_default=False)]
Role = Literal["lead", "developer", "auditor"]  # as `DeveloperRole`, whose import would slow every command; a test compares them
ROLES = "lead: may also change what others of the team wrote, and read its budgets. auditor: reads as much, but neither changes nor spends."


@teams.command("add")
def add_team(name: Name, as_json: AsJson = False) -> None:
    """Make a team."""
    made = ask(lambda client: client.post("/v1/teams", {"name": name}))
    said(made, as_json, f"Team {made['name']} is made. Next: cairn developers add NAME --team {made['name']}")


@teams.command("list")
def list_teams(as_json: AsJson = False) -> None:
    """List teams."""
    found = ask(lambda client: client.get("/v1/teams"))
    _listed(found, as_json, "teams", {"name": "Team", "developers": "Developers", "created_at": "Since"})


@developers.command("add")
def add_developer(
    name: Name,
    team: Annotated[str, typer.Option(help="The team.")] = "default",
    monthly_limit_usd: Annotated[float | None, typer.Option(min=0, help="Default: budget.monthly_limit_usd, 8.33.")] = None,
    role: Annotated[Role, typer.Option(help=ROLES)] = "developer",
    as_json: AsJson = False,
) -> None:
    """Make a developer."""
    body: dict[str, object] = {"name": name, "team": team, "role": role}
    if monthly_limit_usd is not None:
        body["monthly_limit_usd"] = monthly_limit_usd
    made = ask(lambda client: client.post("/v1/developers", body))
    said(made, as_json, f"{made['name']} is in team {made['team']}. Next: cairn keys create {made['name']}")


@developers.command("set-role")
def set_role(name: Name, role: Annotated[Role, typer.Argument(show_default=False, help=ROLES)], as_json: AsJson = False) -> None:
    """Give a developer another role. Their keys stay, and have it at once."""
    changed = ask(lambda client: client.patch(f"/v1/developers/{quoted(name)}", {"role": role}))
    said(changed, as_json, f"{changed['name']} is {changed['role']} of team {changed['team']} now.")


@developers.command("list")
def list_developers(as_json: AsJson = False) -> None:
    """List developers."""
    found = ask(lambda client: client.get("/v1/developers"))
    columns = {
        "name": "Developer",
        "team": "Team",
        "role": "Role",
        "monthly_limit_usd": "USD a month",
        "keys": "Keys",
        "created_at": "Since",
    }
    _listed(found, as_json, "developers", columns)


@keys.command("create")
def create_key(developer: Name, as_json: AsJson = False) -> None:
    """Make a key for a developer. It is shown this once."""
    made = ask(lambda client: client.post(f"/v1/developers/{quoted(developer)}/keys"))
    said(made, as_json, f"{made['key']}\nKeep it: it is not shown again. To revoke it: cairn keys revoke {made['id']}")


@keys.command("revoke")
def revoke_key(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="As `keys create` showed it.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Revoke a key."""
    ask(lambda client: client.delete(f"/v1/keys/{quoted(key_id)}"))
    said({"revoked": key_id}, as_json, f"Key {key_id} is revoked.")


def _listed(data: Json, as_json: bool, name: str, columns: dict[str, str]) -> None:
    from app.cli.output import out, print_json, table

    if as_json:
        print_json(data)
    elif data[name]:
        out.print(table(data[name], columns))
    else:
        out.print(f"There are no {name} yet. Make one: cairn {name} add NAME")

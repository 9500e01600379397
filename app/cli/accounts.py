"""`cairn teams`, `cairn developers`, `cairn keys`: commands for admins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from app.cli.output import AsJson
from app.cli.requests import path_segment, print_result, send_request

if TYPE_CHECKING:
    from app.cli.client import Json

teams = typer.Typer(help="Create and list teams. No team sees another's knowledge.", no_args_is_help=True)
developers = typer.Typer(help="Create and list developers.", no_args_is_help=True)
keys = typer.Typer(help="Create and revoke developers' keys.", no_args_is_help=True)

TeamName = Annotated[str, typer.Argument(metavar="NAME", help="Name of the new team.", show_default=False)]
Developer = Annotated[str, typer.Argument(metavar="DEVELOPER", help="The developer's name.", show_default=False)]
Role = Literal["lead", "developer", "auditor"]  # as `DeveloperRole`, whose import would slow every command; a test compares them
ROLES = (
    "lead: may also change what others of the team wrote, and read the team's budgets. auditor: reads as much as a lead, but changes "
    "nothing and calls no model."
)
DeveloperName = Annotated[str, typer.Argument(metavar="NAME", help="Name of the new developer.", show_default=False)]


@teams.command("add")
def add_team(name: TeamName, as_json: AsJson = False) -> None:
    """Create a team."""
    made = send_request(lambda client: client.post("/v1/teams", {"name": name}))
    print_result(made, as_json, f"Team {made['name']} is created. Next: cairn developers add NAME --team {made['name']}")


@teams.command("list")
def list_teams(as_json: AsJson = False) -> None:
    """List all teams."""
    found = send_request(lambda client: client.get("/v1/teams"))
    _listed(found, as_json, "teams", {"name": "Team", "developers": "Developers", "created_at": "Since"})


@developers.command("add")
def add_developer(
    name: DeveloperName,
    team: Annotated[str, typer.Option(help="Name of the team.")] = "default",
    monthly_limit_usd: Annotated[
        float | None, typer.Option(min=0, help="Monthly spending limit in dollars. Default: the setting budget.monthly_limit_usd (8.33).")
    ] = None,
    role: Annotated[Role, typer.Option(help=ROLES)] = "developer",
    as_json: AsJson = False,
) -> None:
    """Create a developer in a team."""
    body: dict[str, object] = {"name": name, "team": team, "role": role}
    if monthly_limit_usd is not None:
        body["monthly_limit_usd"] = monthly_limit_usd
    made = send_request(lambda client: client.post("/v1/developers", body))
    print_result(made, as_json, f"Developer {made['name']} is created in team {made['team']}. Next: cairn keys create {made['name']}")


@developers.command("set-role")
def set_role(
    developer: Developer,
    role: Annotated[Role, typer.Argument(metavar="ROLE", show_default=False, help=ROLES)],
    as_json: AsJson = False,
) -> None:
    """Change a developer's role. The developer's keys have it at once."""
    changed = send_request(lambda client: client.patch(f"/v1/developers/{path_segment(developer)}", {"role": role}))
    print_result(changed, as_json, f"{changed['name']} is {changed['role']} of team {changed['team']} now.")


@developers.command("list")
def list_developers(as_json: AsJson = False) -> None:
    """List all developers, with their limits and keys."""
    found = send_request(lambda client: client.get("/v1/developers"))
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
def create_key(developer: Developer, as_json: AsJson = False) -> None:
    """Create a key for a developer. It is shown only once."""
    made = send_request(lambda client: client.post(f"/v1/developers/{path_segment(developer)}/keys"))
    print_result(made, as_json, f"{made['key']}\nKeep this key: it is not shown again. To revoke it: cairn keys revoke {made['id']}")


@keys.command("revoke")
def revoke_key(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The key's id, as `cairn keys create` printed it.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Revoke a key: it is refused from now on."""
    send_request(lambda client: client.delete(f"/v1/keys/{path_segment(key_id)}"))
    print_result({"revoked": key_id}, as_json, f"Key {key_id} is revoked.")


def _listed(data: Json, as_json: bool, name: str, columns: dict[str, str]) -> None:
    from app.cli.output import out, print_json, table

    if as_json:
        print_json(data)
    elif data[name]:
        out.print(table(data[name], columns))
    else:
        out.print(f"There are no {name} yet. Create one: cairn {name} add NAME")

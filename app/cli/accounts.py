"""`cairn teams` and `cairn developers`: commands for admins. Removal: `removal.py`, invitations: `invitations.py`, keys: `keys.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from app.cli.arguments import Developer
from app.cli.output import AsJson
from app.cli.pages import every_page
from app.cli.requests import path_segment, print_result, send_request

if TYPE_CHECKING:
    from app.cli.client import Json

teams = typer.Typer(help="Create and list teams. No team sees another's knowledge.", no_args_is_help=True)
developers = typer.Typer(help="Create, invite, list, disable and remove developers.", no_args_is_help=True)

TeamName = Annotated[str, typer.Argument(metavar="NAME", help="Name of the new team.", show_default=False)]
Role = Literal["admin", "lead", "developer", "auditor"]  # as `DeveloperRole`, whose import would slow every command; a test compares them
ROLES = (
    "admin: may do what the admin key may, in every team. lead: may also change what others of the team wrote, and read the team's "
    "budgets. auditor: reads as much as a lead, but changes nothing and calls no model."
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
    found = send_request(lambda client: every_page(client, "/v1/teams", "teams"))
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
    print_result(made, as_json, f"Developer {made['name']} is created in team {made['team']}. Next: cairn developers invite {made['name']}")


@developers.command("set-role")
def set_role(
    developer: Developer,
    role: Annotated[Role, typer.Argument(metavar="ROLE", show_default=False, help=ROLES)],
    as_json: AsJson = False,
) -> None:
    """Change a developer's role. It applies to the developer's keys at once."""
    changed = send_request(lambda client: client.patch(f"/v1/developers/{path_segment(developer)}", {"role": role}))
    print_result(changed, as_json, f"{changed['name']} is {changed['role']} of team {changed['team']} now.")


@developers.command("disable")
def disable(developer: Developer, as_json: AsJson = False) -> None:
    """Refuse a developer's keys and sign-ins from now on, until they are enabled again."""
    changed = send_request(lambda client: client.patch(f"/v1/developers/{path_segment(developer)}", {"disabled": True}))
    print_result(changed, as_json, f"{developer} is disabled: all their keys are refused. Undo: cairn developers enable {developer}")


@developers.command("enable")
def enable(developer: Developer, as_json: AsJson = False) -> None:
    """Accept a disabled developer's keys again."""
    changed = send_request(lambda client: client.patch(f"/v1/developers/{path_segment(developer)}", {"disabled": False}))
    print_result(changed, as_json, f"{developer} is enabled: the keys that are neither revoked nor expired work again.")


@developers.command("list")
def list_developers(
    team: Annotated[str | None, typer.Option(help="Only this team's.", show_default=False)] = None,
    removed: Annotated[bool, typer.Option("--all", help="Also list removed developers, under the names they have now.")] = False,
    as_json: AsJson = False,
) -> None:
    """List all developers, with their limits and keys."""
    wanted = {"team": team, "removed": "true" if removed else None}
    found = send_request(lambda client: every_page(client, "/v1/developers", "developers", **wanted))
    columns = {
        "name": "Developer",
        "team": "Team",
        "role": "Role",
        "state": "State",
        "monthly_limit_usd": "USD a month",
        "keys": "Keys",
        "created_at": "Since",
    }
    if not as_json:
        found = {"developers": [each | {"state": _state(each), "created_at": each["created_at"][:10]} for each in found["developers"]]}
    _listed(found, as_json, "developers", columns)


def _state(developer: Json) -> str:
    if developer["removed_at"]:
        return "removed"
    return f"disabled {developer['disabled_at'][:10]}" if developer["disabled_at"] else "active"


def _listed(data: Json, as_json: bool, name: str, columns: dict[str, str]) -> None:
    from app.cli.output import err, out, print_json, table

    if as_json:
        print_json(data)
    elif data[name]:
        out.print(table(data[name], columns))
    else:
        err.print(f"There are no {name} yet. Create one: cairn {name} add NAME")

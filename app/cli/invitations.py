"""`cairn developers invite` and what follows: one-time links by which a developer gets a key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.accounts import ROLES, Role
from app.cli.keys import EXPIRES
from app.cli.output import AsJson
from app.cli.pages import every_page
from app.cli.requests import path_segment, print_result, send_request

if TYPE_CHECKING:
    from app.cli.client import Json, ServerClient

INVITE = "/invite/"


def invite(
    developer: Annotated[str, typer.Argument(metavar="NAME", help="The developer's name; a new developer is created.", show_default=False)],
    team: Annotated[str | None, typer.Option(help="Team of a new developer. Default: `default`.", show_default=False)] = None,
    role: Annotated[Role | None, typer.Option(help=ROLES + " Default: developer.", show_default=False)] = None,
    expires: Annotated[str, typer.Option(help=EXPIRES.format(default="7d"), show_default=False)] = "7d",
    as_json: AsJson = False,
) -> None:
    """Create a link that gives a developer a key. It works once: with `cairn login LINK`, or opened in a browser."""
    from app.cli.server_address import is_local

    body = {name: value for name, value in {"team": team, "role": role, "expires": expires}.items() if value is not None}

    async def work(client: ServerClient) -> Json:
        made = await client.post(f"/v1/developers/{path_segment(developer)}/invitations", body)
        return made | {"link": f"{client.url}{INVITE}{made['token']}"}  # as this machine reaches the server, which may be behind a proxy

    made = send_request(work)
    until = made["expires_at"][:16].replace("T", " ")
    words = f"{made['link']}\nGive this link to {developer}, who types: cairn login LINK. It works once, until {until} UTC."
    if is_local(made["link"]):
        words += " The link works on this machine only. For other machines, replace its address by the server's."
    print_result(made, as_json, words)


def list_invitations(
    ended: Annotated[bool, typer.Option("--all", help="Also list used, revoked and expired invitations.")] = False,
    as_json: AsJson = False,
) -> None:
    """List invitations, the newest first."""
    from app.cli.output import err, out, print_json, table

    wanted = {"ended": "true" if ended else None}
    found = send_request(lambda client: every_page(client, "/v1/invitations", "invitations", **wanted))
    if as_json:
        print_json(found)
    elif found["invitations"]:
        rows = [each | {"expires_at": each["expires_at"][:16].replace("T", " ")} for each in found["invitations"]]
        columns = {"developer": "Developer", "team": "Team", "role": "Role", "created_by": "By", "expires_at": "Expires (UTC)"}
        out.print(table(rows, columns | {"state": "State", "id": "Id"}))
    else:
        err.print("No invitation is open. Make one: cairn developers invite NAME")


def revoke(
    invitation: Annotated[
        str, typer.Argument(metavar="ID", help="Id of the invitation, as `cairn developers invitations` shows it.", show_default=False)
    ],
    as_json: AsJson = False,
) -> None:
    """Revoke an open invitation: its link stops working at once."""
    send_request(lambda client: client.delete(f"/v1/invitations/{path_segment(invitation)}"))
    print_result({"revoked": invitation}, as_json, f"Invitation {invitation} is revoked.")

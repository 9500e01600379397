"""`cairn developers link` and what belongs to it: which account at the OpenID provider is which developer."""

from __future__ import annotations

from typing import Annotated

import typer

from app.cli.arguments import Developer
from app.cli.output import AsJson
from app.cli.pages import every_page
from app.cli.requests import path_segment, print_result, send_request


def link(
    developer: Developer,
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="Their verified address at the provider.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Let whoever has this address at the OpenID provider sign in to the dashboard as this developer."""
    made = send_request(lambda client: client.put(f"/v1/developers/{path_segment(developer)}/openid", {"email": email}))
    print_result(made, as_json, f"Whoever has the verified address {made['email']} signs in as {developer} from now on.")


def unlink(developer: Developer, as_json: AsJson = False) -> None:
    """Forget a developer's account at the OpenID provider, and end its sign-ins. Their keys stay."""
    send_request(lambda client: client.delete(f"/v1/developers/{path_segment(developer)}/openid"))
    print_result({"unlinked": developer}, as_json, f"{developer} is unlinked, and signed out where they had signed in so.")


def list_linked(as_json: AsJson = False) -> None:
    """List developers' accounts at the OpenID provider."""
    from app.cli.output import err, out, print_json, table

    found = send_request(lambda client: every_page(client, "/v1/openid/accounts", "accounts"))
    if as_json:
        print_json(found)
    elif found["accounts"]:
        rows = [
            each | {"email": each["email"] or "", "used": (each["last_used_at"] or "not yet")[:16].replace("T", " ")}
            for each in found["accounts"]
        ]
        out.print(table(rows, {"developer": "Developer", "email": "E-mail", "used": "Last sign-in (UTC)", "issuer": "Provider"}))
    else:
        err.print("Nobody has signed in with an OpenID provider yet. How it is set up: docs/how-to/sign-in-with-openid.md")

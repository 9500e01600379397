"""`cairn keys`: an admin creates, lists, changes and revokes everybody's, a developer lists, limits and revokes their own."""

from __future__ import annotations

import math
import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.arguments import Developer
from app.cli.output import AsJson, dollars
from app.cli.pages import every_page
from app.cli.requests import path_segment, print_result, send_request
from app.errors import Conflict, InvalidInput, NotFound

if TYPE_CHECKING:
    from app.cli.client import Json, ServerClient

keys = typer.Typer(help="Create, list, limit and revoke developers' keys.", no_args_is_help=True)

EXPIRES = "A duration (12h, 90d, 4w), a date (2027-01-31: the end of that day in UTC) or a time in ISO 8601. Default: {default}."
MODELS = "Names of models, patterns such as anthropic/*, and names of chains such as auto, separated by commas."
MAX_NAMED = 10
_MORE = {"last_used_at": "Last used (UTC)", "expires_at": "Expires", "state": "State", "limit": "Limit", "models": "Models"}
_SECRET = re.compile(r"(cairn_[a-z0-9]{12})_.*", re.DOTALL)

Which = Annotated[str, typer.Argument(metavar="WHICH", help="The key's name, its id, or how it begins (cairn_k3f9…).", show_default=False)]
Whose = Annotated[str | None, typer.Option("--developer", help="Whose key it is: a name may be several developers'.", show_default=False)]


@keys.command("create")
def create(
    developer: Developer,
    name: Annotated[str | None, typer.Option(help="Name of the key, such as laptop. Default: today's date.", show_default=False)] = None,
    expires: Annotated[str | None, typer.Option(help=EXPIRES.format(default="never"), show_default=False)] = None,
    limit: Annotated[
        float | None,
        typer.Option(min=0, help="US dollars a month that its calls may spend. Default: no limit.", show_default=False),
    ] = None,
    models: Annotated[str | None, typer.Option(help=f"{MODELS} Default: every model.", show_default=False)] = None,
    as_json: AsJson = False,
) -> None:
    """Create a key for a developer. It is shown only once."""
    given = {"name": name, "expires": expires, "monthly_limit_usd": limit, "models": None if models is None else _names(models)}
    body = {field: value for field, value in given.items() if value is not None}
    made = send_request(lambda client: client.post(f"/v1/developers/{path_segment(developer)}/keys", body))
    until = f", until {_minute(made['expires_at'])} UTC" if made["expires_at"] else ""
    revoke = f"To revoke it: cairn keys revoke {made['lookup']}"
    print_result(made, as_json, f"{made['key']}\nKeep this key ({made['name']}{until}): it is not shown again. {revoke}")


@keys.command("list")
def list_keys(
    developer: Annotated[
        str | None,
        typer.Argument(
            metavar="[DEVELOPER]", help="Only this developer's keys. Default: your own or, for an admin, all.", show_default=False
        ),
    ] = None,
    ended: Annotated[bool, typer.Option("--all", help="Also list revoked and expired keys.")] = False,
    as_json: AsJson = False,
) -> None:
    """List keys, the newest first."""
    from app.cli.output import err, out, print_json, table

    found = send_request(lambda client: _all(client, developer=developer, ended=ended))
    if as_json:
        print_json(found)
    elif found["keys"]:
        rows = [
            each
            | {name: _minute(each[name])[:10] for name in ("created_at", "expires_at")}
            | {"last_used_at": _minute(each["last_used_at"]), "limit": _limit_words(each), "models": _models_words(each)}
            for each in found["keys"]
        ]
        columns = {"name": "Name", "developer": "Developer", "lookup": "Begins with cairn_", "created_at": "Created"}
        out.print(table(rows, columns | _MORE))
    else:
        err.print("There is no active key. List revoked and expired ones: cairn keys list --all. Create one: cairn keys create DEVELOPER")


@keys.command("revoke")
def revoke(which: Which, developer: Whose = None, as_json: AsJson = False) -> None:
    """Revoke a key: it is refused from now on."""

    async def end(client: ServerClient, key: Json) -> Json:
        await client.delete(f"/v1/keys/{key['id']}")
        return key

    key = _with_one(which, developer, end)
    print_result({"revoked": key["id"]}, as_json, f"The key {key['name']} of {key['developer']} (cairn_{key['lookup']}_…) is revoked.")


@keys.command("limit")
def limit_key(
    which: Which,
    usd: Annotated[str, typer.Argument(metavar="USD", help="US dollars a month, or none: no limit of its own.", show_default=False)],
    developer: Whose = None,
    as_json: AsJson = False,
) -> None:
    """Set what the calls with a key may spend a month, within its developer's budget. Counts what this month has cost already."""
    change = {"monthly_limit_usd": None if usd.strip().lower() == "none" else _amount(usd)}
    key = _with_one(which, developer, lambda client, key: client.patch(f"/v1/keys/{key['id']}", change))
    print_result(key, as_json, f"The key {key['name']} of {key['developer']} (cairn_{key['lookup']}_…): {_limit_words(key)}.")


@keys.command("models")
def set_models(
    which: Which,
    models: Annotated[str, typer.Argument(metavar="MODELS", help=f"{MODELS} Or all: every model.", show_default=False)],
    developer: Whose = None,
    as_json: AsJson = False,
) -> None:
    """Set the models that a key may ask for; a chain then asks only those of its providers that are among them."""
    change = {"models": None if models.strip().lower() == "all" else _names(models)}
    key = _with_one(which, developer, lambda client, key: client.patch(f"/v1/keys/{key['id']}", change))
    print_result(key, as_json, f"The key {key['name']} of {key['developer']} (cairn_{key['lookup']}_…) may use {_models_words(key)}.")


def _with_one(which: str, developer: str | None, act: Callable[[ServerClient, Json], Awaitable[Json]]) -> Json:
    """Find the one key that is meant, and return what is made of it."""
    meant = _SECRET.sub(r"\1", which.strip())  # of a whole key only the part that is no secret is sent or shown

    async def work(client: ServerClient) -> Json:
        return await act(client, _one((await _all(client, developer=developer, ended=True, which=meant))["keys"], meant))

    return send_request(work)


async def _all(client: ServerClient, *, developer: str | None, ended: bool, which: str | None = None) -> Json:
    return await every_page(client, "/v1/keys", "keys", developer=developer, which=which, ended="true" if ended else None)


def _one(found: list[Json], which: str) -> Json:
    """Return the one key that is meant. NotFound or Conflict, which name what there is instead."""
    unrevoked = [each for each in found if each["state"] != "revoked"]
    if len(unrevoked) == 1:
        return unrevoked[0]
    if unrevoked:
        named = "; ".join(f"{each['name']} of {each['developer']}: cairn_{each['lookup']}" for each in unrevoked[:MAX_NAMED])
        more = f"; and {len(unrevoked) - MAX_NAMED} more" if len(unrevoked) > MAX_NAMED else ""
        raise Conflict(
            f"{which} matches {len(unrevoked)} keys ({named}{more}). Nothing was changed: give the beginning of one key, or --developer."
        )
    if found:
        raise NotFound(f"The key {found[0]['name']} of {found[0]['developer']} was already revoked, on {found[0]['revoked_at'][:10]}.")
    raise NotFound(f"There is no key {which}. List them: cairn keys list")


def _minute(moment: str | None) -> str:
    return moment[:16].replace("T", " ") if moment else "never"


def _names(models: str) -> list[str]:
    return [name for each in models.split(",") if (name := each.strip())]


def _amount(text: str) -> float:
    try:
        amount = float(text.strip().removeprefix("$"))
    except ValueError:
        amount = -1.0
    if not math.isfinite(amount) or amount < 0:
        raise InvalidInput(f"USD is {text[:40]!r}: name US dollars a month such as 2.00, or none for no limit.", param="monthly_limit_usd")
    return amount


def _limit_words(key: Json) -> str:
    if key["monthly_limit_usd"] is None:
        return "no limit of its own"
    return f"{dollars(key['monthly_limit_usd'])} a month, {dollars(key['spent_usd'])} spent"


def _models_words(key: Json) -> str:
    return "every model" if key["models"] is None else ", ".join(key["models"])

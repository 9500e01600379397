"""`cairn budget`: balances, limits, top-ups, history, and the check of balances against their rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.arguments import Developer
from app.cli.exits import FAILED, USAGE
from app.cli.output import AsJson, dollars
from app.cli.pages import every_page
from app.cli.progress import working
from app.cli.requests import path_segment, print_result, send_request

if TYPE_CHECKING:
    from app.cli.client import Json, ServerClient

budget = typer.Typer(
    help="Show and change budgets. A budget is a developer's limit per calendar month, and can't be overspent.", no_args_is_help=True
)

Dollars = Annotated[float, typer.Argument(metavar="USD", min=0, help="Amount in dollars.", show_default=False)]
COLUMNS = {
    "developer": "Developer", "team": "Team", "limit": "Limit", "spent": "Spent", "held": "Reserved for running calls", "remaining": "Left",
    "unreconciled": "Unconfirmed charges", "forecast": "Forecast", "alerts": "Alerts",
}  # fmt: skip
KINDS = {
    "settle": "charge", "unreconciled": "unconfirmed charge", "reconcile": "unconfirmed charge settled", "limit": "new limit",
    "top_up": "top-up", "correction": "correction",
}  # fmt: skip
"""Kinds of the ledger's movements → words."""
MARKS = {
    "usage": "as the provider reported", "counted": "as counted by Cairn", "partial": "for the part sent before the client disconnected",
    "overrun": "at the reserved amount: the call cost more", "disputed": "at the reserved amount: the provider's report can't be true",
    "corrected": "by an admin",
}  # fmt: skip
"""Marks of charges → words: how each came about."""
SUMS = {"requests": "Calls", "input": "Input tokens", "output": "Output tokens", "cost": "Cost", "saved": "Saved by caches"}


class ListOrder(Enum):
    """Orders of a list of sessions, as the route names them."""

    recent = "recent"
    cost = "cost"


@budget.command("show")
def show(
    developer: Annotated[
        str | None, typer.Argument(metavar="DEVELOPER", help="Default: you or, with the admin key, all developers.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show budgets: limit, spent, reserved for running calls, left, unconfirmed charges, and the forecast for the month.

    Unconfirmed charges: calls charged at their highest possible cost, because the provider did not report the real one.
    """
    from app.cli.exits import ServerRefused
    from app.cli.output import err, out, print_json, table

    async def state(client: ServerClient) -> Json:
        if developer is not None:
            return {"budgets": [await client.get(f"/v1/budgets/{path_segment(developer)}")]}
        try:
            return {"budgets": [await client.get("/v1/budget")]}
        except ServerRefused as error:
            if error.status != 422:
                raise
            return await every_page(client, "/v1/budgets", "budgets")

    found = send_request(state)
    if as_json:
        print_json(found)
    elif not found["budgets"]:
        err.print("There are no developers yet, so there is no budget either. Create one: cairn developers add NAME")
    else:
        out.print(table([_row(each) for each in found["budgets"]], COLUMNS))
        period = found["budgets"][0]["period"]
        out.print(f"[dim]Month: {month_of(period['start'])}, until {_minute(period['end'])} UTC.[/]")


@budget.command("set")
def set_limit(developer: Developer, usd: Dollars, as_json: AsJson = False) -> None:
    """Set a developer's monthly limit, from this month on."""
    made = send_request(lambda client: client.put(f"/v1/budgets/{path_segment(developer)}", {"monthly_limit_usd": usd}))
    print_result(
        made,
        as_json,
        f"{developer} may spend {dollars(made['limit_usd'])} a month; {dollars(made['remaining_usd'])} are left this month.",
    )


@budget.command("set-team")
def set_team(
    team: Annotated[str, typer.Argument(metavar="TEAM", help="The team's name.", show_default=False)],
    usd: Annotated[float | None, typer.Option(min=0, help="Dollars a month.")] = None,
    tokens: Annotated[int | None, typer.Option(min=0, help="Tokens a month.")] = None,
    no_limit: Annotated[bool, typer.Option("--no-limit", help="Remove the limits that are not given here.")] = False,
    as_json: AsJson = False,
) -> None:
    """Set a team's monthly limits, from this month on."""
    body: dict[str, object] = {"monthly_limit_usd": None, "monthly_limit_tokens": None} if no_limit else {}
    if usd is not None:
        body["monthly_limit_usd"] = usd
    if tokens is not None:
        body["monthly_limit_tokens"] = tokens
    if not body:
        typer.echo("cairn: no limit was given. Add --usd 250, --tokens 80000000 or --no-limit.", err=True)
        raise typer.Exit(USAGE)
    made = send_request(lambda client: client.put(f"/v1/teams/{path_segment(team)}/budget", body))
    limit = "no limit in dollars" if made["limit_usd"] is None else dollars(made["limit_usd"])
    wall = "no limit in tokens" if made["limit_tokens"] is None else f"{made['limit_tokens']:,} tokens"
    print_result(made, as_json, f"Team {team}: {limit} and {wall} a month.")


@budget.command("top-up")
def top_up(
    developer: Developer,
    usd: Dollars,
    note: Annotated[str | None, typer.Option(help="The reason, for the history.")] = None,
    as_json: AsJson = False,
) -> None:
    """Top up a developer's budget, for this month only."""
    made = send_request(lambda client: client.post(f"/v1/budgets/{path_segment(developer)}/top-ups", {"amount_usd": usd, "note": note}))
    print_result(made, as_json, f"{dollars(usd)} added for this month; {developer} has {dollars(made['remaining_usd'])} left.")


@budget.command("history")
def history(
    developer: Developer,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Maximum number of lines.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List the charges of a budget and the changes of its limit, the newest first."""
    from app.cli.output import err, out, plain, print_json, table

    found = send_request(lambda client: client.get(f"/v1/budgets/{path_segment(developer)}/movements", limit=limit))
    if as_json:
        print_json(found)
    elif not found["movements"]:
        err.print(plain(f"{developer} has no charges and no changes of the limit yet."))
    else:
        columns = {
            "id": "Id",
            "at": "At (UTC)",
            "kind": "What",
            "mark": "How it was charged",
            "usd": "USD",
            "model": "Model",
            "tokens": "Tokens",
            "actor": "By",
            "note": "Note",
        }
        out.print(table([_movement(each) for each in found["movements"]], columns))


@budget.command("sessions")
def sessions(
    session: Annotated[
        str | None,
        typer.Argument(metavar="SESSION", help="A session's id in the coding agent: show only this session, by agent and by model."),
    ] = None,
    project: Annotated[str | None, typer.Option(help="Only this project.")] = None,
    developer: Annotated[str | None, typer.Option(help="Only this developer's calls.")] = None,
    order: Annotated[ListOrder, typer.Option(help="Latest calls first, or most expensive sessions first.")] = ListOrder.recent,
    limit: Annotated[int, typer.Option(min=1, max=200, help="Maximum number of sessions.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List what coding sessions cost. Leads, auditors and admins also see other developers' sessions."""
    from app.cli.output import err, out, plain, print_json, table

    if session is not None:
        found = send_request(lambda client: client.get(f"/v1/budget/sessions/{path_segment(session)}"))
    else:
        wanted: dict[str, str | int | None] = {"project": project, "developer": developer, "order": order.value, "limit": limit}
        found = send_request(lambda client: client.get("/v1/budget/sessions", **wanted))
    if as_json:
        print_json(found)
    elif session is not None:
        agents = [_sums(each, each["agent"] or "main agent") for each in found["agents"]]
        models = [_sums(each, each["model"] or "no answer") for each in found["models"]]
        out.print(table([*agents, *models, _sums(found, "all")], {"name": "Part", **SUMS}))
        out.print(plain(f"Calls of {', '.join(found['developers'])}, {found['first_at'][:16]} to {found['last_at'][:16]}.", style="dim"))
    elif not found["sessions"]:
        err.print(
            "No call has named its session yet. Claude Code and Codex do so automatically; other clients send the header x-cairn-session."
        )
    else:
        rows = [_sums(each, each["session"]) | {"about": each["title"] or "", "by": each["developer"] or ""} for each in found["sessions"]]
        out.print(table(rows, {"name": "Session", "about": "Title", "by": "Developer", **SUMS}))


@budget.command("verify")
def verify(as_json: AsJson = False) -> None:
    """Check that every balance equals the sum of its charges and reservations for running calls. Exits with 1 if one differs."""
    from app.cli.output import out, print_json

    with working("Recomputing every balance", piped=False):
        found = send_request(lambda client: client.get("/v1/budget/verify"))
    if as_json:
        print_json(found)
    elif not found["differences"]:
        out.print("Every balance equals the sum of its charges and reservations for running calls.")
    for each in [] if as_json else found["differences"]:
        stored, counted = each["spent_usd"]
        held, open_ones = each["held_usd"]
        out.print(f"[red]DIFFERENT[/] {each['subject']} {each['subject_id']}, month of {month_of(each['period_start'])}:")
        out.print(f"  spent ${stored:.9f} stored, ${counted:.9f} counted; reserved ${held:.9f} stored, ${open_ones:.9f} counted")
        (stored, counted), (held, open_ones) = each["spent_tokens"], each["held_tokens"]
        out.print(f"  spent {stored:,} tokens stored, {counted:,} counted; reserved {held:,} stored, {open_ones:,} counted")
    if found["differences"]:
        raise typer.Exit(FAILED)


@budget.command("reconcile")
def reconcile(
    developer: Developer,
    usd: Annotated[float | None, typer.Option(min=0, help="What each of these calls really cost, in dollars. Default: 0.")] = None,
    note: Annotated[str | None, typer.Option(help="The reason, for the history.")] = None,
    as_json: AsJson = False,
) -> None:
    """Replace a developer's unconfirmed charges by the calls' real cost. The provider did not report it: enter it here."""
    body = {"amount_usd": usd, "note": note}
    made = send_request(lambda client: client.post(f"/v1/budgets/{path_segment(developer)}/reconcile", body))
    count = made["closed"]
    print_result(made, as_json, f"{count} unconfirmed charge{'' if count == 1 else 's'} of {developer} settled.")


@budget.command("correct")
def correct(
    developer: Developer,
    movement: Annotated[
        int, typer.Argument(metavar="MOVEMENT", min=1, help="Id of the charge, as `cairn budget history` lists it.", show_default=False)
    ],
    usd: Annotated[
        float, typer.Argument(metavar="USD", min=0, help="The call's correct cost in dollars, not the difference.", show_default=False)
    ],
    note: Annotated[str, typer.Option(help="The reason, for the history.", show_default=False)],
    tokens: Annotated[int | None, typer.Option(min=0, help="The call's correct number of tokens. Default: unchanged.")] = None,
    as_json: AsJson = False,
) -> None:
    """Correct the charge of a call. The history keeps both charges, and who made the correction."""
    body = {"movement": movement, "charged_usd": usd, "charged_tokens": tokens, "note": note}
    made = send_request(lambda client: client.post(f"/v1/budgets/{path_segment(developer)}/corrections", body))
    print_result(
        made,
        as_json,
        f"The call of movement {movement} now costs {dollars(usd)}; {developer} has {dollars(made['remaining_usd'])} left this month.",
    )


def _sums(found: Json, name: str) -> dict[str, Any]:
    """Return a row of sums over calls."""
    cached = f" ({found['cached_input_tokens']:,} cached)" if found["cached_input_tokens"] else ""
    return {
        "name": name,
        "requests": f"{found['requests']:,}",
        "input": f"{found['input_tokens']:,}{cached}",
        "output": f"{found['output_tokens']:,}",
        "cost": dollars(found["cost_usd"]),
        "saved": dollars(found["saved_usd"]),
    }


def _row(found: Json) -> dict[str, Any]:
    names = ("limit", "spent", "held", "remaining", "unreconciled", "forecast")
    amounts = {name: dollars(found[f"{name}_usd"]) for name in names}
    if found["too_early_to_tell"]:
        amounts["forecast"] = "too early to tell"
    return {"developer": found["developer"], "team": found["team"], **amounts, "alerts": ", ".join(found["alerts"])}


def _movement(found: Json) -> dict[str, Any]:
    row = {name: "" if value is None else value for name, value in found.items()}
    changed = found["usd"] if found["amount"] is None else found["amount"]
    return row | {
        "kind": KINDS.get(found["kind"], found["kind"]),
        "mark": MARKS.get(found["mark"], found["mark"] or ""),
        "at": found["at"][:19].replace("T", " "),
        "usd": f"{changed:,.6f}" if found["unit"] != "tokens" else f"{changed:,} tokens",
    }


def month_of(start: str) -> str:
    """Return the month (2026-11) that begins at a moment, which is midnight in `budget.time_zone` and perhaps another day in UTC.

    No zone is more than 14 hours ahead of UTC or 12 behind it: 14 hours later it is the 1st or 2nd of that month, in UTC too.
    """
    return f"{datetime.fromisoformat(start).astimezone(UTC) + timedelta(hours=14):%Y-%m}"


def _minute(moment: str) -> str:
    return f"{datetime.fromisoformat(moment).astimezone(UTC):%Y-%m-%d %H:%M}"

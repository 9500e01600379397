"""`cairn budget spend` and `cairn budget calls`: where money went over any range of days, and the calls behind it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from app.cli.exits import USAGE
from app.cli.output import AsJson
from app.cli.pages import first_entries
from app.cli.requests import send_request

if TYPE_CHECKING:
    from app.cli.client import Json

Dimension = Literal["model", "provider", "project", "purpose", "developer", "session", "day"]
Outcome = Literal["answered", "refused", "failed", "cancelled"]
# As `SpendDimension` and `CallEnd`, whose import would slow every command; a test compares them.
DAY = ["%Y-%m-%d"]
MAX_CALLS_PAGE = 200

Begin = Annotated[
    datetime | None, typer.Option("--from", formats=DAY, help="The first day. Default: the 1st of that month.", show_default=False)
]
End = Annotated[datetime | None, typer.Option("--to", formats=DAY, help="The last day. Default: today.", show_default=False)]
OfDeveloper = Annotated[
    str | None,
    typer.Option(
        help="Only this developer's calls. Default: yours; with the key of a lead, an auditor or an admin, the team's.", show_default=False
    ),
]
OfTeam = Annotated[str | None, typer.Option(help="With an admin's key: another team.", show_default=False)]
Project = Annotated[str | None, typer.Option("--project", "-p", help="Only calls of this project.", show_default=False)]
Model = Annotated[str | None, typer.Option(help="Only calls that this model answered.", show_default=False)]
Provider = Annotated[str | None, typer.Option(help="Only calls that this provider answered.", show_default=False)]
Purpose = Annotated[str | None, typer.Option(help="Only calls for this purpose.", show_default=False)]
Session = Annotated[str | None, typer.Option(help="Only calls of this coding session, by its id in the agent.", show_default=False)]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print all of it as CSV, with exact amounts.")]

SPEND_COLUMNS = {
    "name": "Part", "provider": "Provider", "spent": "Spent", "before": "Before", "attempts": "Calls charged", "input": "Input tokens",
    "output": "Output tokens",
}  # fmt: skip
CALL_COLUMNS = {
    "at": "Ended (UTC)", "developer": "Developer", "project": "Project", "model": "Model", "provider": "Provider", "status": "Status",
    "cost": "Cost", "tokens": "Tokens in/out", "took": "Took", "cache": "Cache", "request_id": "Request",
}  # fmt: skip


def spend(
    *,
    by: Annotated[Dimension, typer.Option(help="Group spending by this.")] = "model",
    begin: Begin = None,
    end: End = None,
    developer: OfDeveloper = None,
    team: OfTeam = None,
    project: Project = None,
    model: Model = None,
    provider: Provider = None,
    purpose: Purpose = None,
    session: Session = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="Maximum number of parts; the others are added up.")] = 20,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Break spending down over a range of days, compared with as many days before. Default: this month, by model."""
    calls = {"project": project, "model": model, "provider": provider, "purpose": purpose, "session": session}
    wanted = _wanted(begin, end, by=by, developer=developer, team=team, **calls)
    if as_csv:
        _print_csv("/v1/budget/spend.csv", wanted, as_json=as_json)
        return
    found = send_request(lambda client: client.get("/v1/budget/spend", **wanted, limit=limit))
    _print_spend(found, as_json)


def calls(
    *,
    begin: Begin = None,
    end: End = None,
    developer: OfDeveloper = None,
    team: OfTeam = None,
    project: Project = None,
    model: Model = None,
    provider: Provider = None,
    purpose: Purpose = None,
    session: Session = None,
    outcome: Annotated[Outcome | None, typer.Option(help="Only calls with this outcome.", show_default=False)] = None,
    min_cost: Annotated[
        float | None, typer.Option(min=0, max=1_000_000, help="Only calls that cost at least this many dollars.", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=10_000, help="Maximum number of calls.")] = 20,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """List calls of models, the latest first: who made them, what answered, what they cost. Default: this month's."""
    calls = {"project": project, "model": model, "provider": provider, "purpose": purpose, "session": session}
    wanted = _wanted(begin, end, developer=developer, team=team, outcome=outcome, **calls)
    wanted["min_cost_usd"] = None if min_cost is None else f"{min_cost:f}"
    if as_csv:
        _print_csv("/v1/budget/calls.csv", wanted, as_json=as_json)
        return
    found = send_request(lambda client: first_entries(client, "/v1/budget/calls", "calls", limit, size=MAX_CALLS_PAGE, **wanted))
    _print_calls(found, as_json)


def _wanted(begin: datetime | None, end: datetime | None, **filters: str | None) -> dict[str, str | None]:
    days = {name: None if day is None else f"{day:%Y-%m-%d}" for name, day in (("from", begin), ("to", end))}
    return {**days, **filters}


def _print_csv(route: str, wanted: dict[str, str | None], *, as_json: bool) -> None:
    """Print the server's CSV line by line as it comes: an export is never held whole."""
    import asyncio

    from app.cli.reach import open_client

    if as_json:
        typer.echo("cairn: --csv and --json are two forms of output: choose one.", err=True)
        raise typer.Exit(USAGE)

    async def work() -> None:
        async with open_client() as client:
            async for line in client.text_lines(route, **wanted):
                typer.echo(line.rstrip("\r\n"))

    asyncio.run(work())


def _print_spend(found: Json, as_json: bool) -> None:
    from app.cli.output import err, out, plain, print_json, table

    if as_json:
        print_json(found)
        return
    days = f"{found['from']} to {found['to']}"
    if not found["parts"]:
        err.print(plain(f"Nothing was spent from {days}, nor in as many days before. Another range: --from, --to."))
        return
    rows = [_spend_row(each, _part_name(each)) for each in found["parts"]]
    out.print(table([*rows, _spend_row({**found, "provider": ""}, "all")], SPEND_COLUMNS))
    out.print(plain(f"Team {found['team']}, {days}; before: as many days before.", style="dim"), soft_wrap=True)


def _print_calls(found: Json, as_json: bool) -> None:
    from app.cli.output import err, out, plain, print_json, table

    if as_json:
        print_json(found)
        return
    if found["calls"]:
        out.print(table([_call_row(each) for each in found["calls"]], CALL_COLUMNS))
    elif not found["next_cursor"]:
        err.print("There are no such calls in these days. Another range: --from, --to.")
    if found["next_cursor"]:
        more = "Others follow" if found["searched_to"] is None else f"Searched back to {found['searched_to'][:16].replace('T', ' ')} UTC"
        err.print(plain(f"{more}: ask for more with --limit, for earlier ones with --to, for all with --csv."))


def _part_name(part: Json) -> str:
    if part["key"] is None:
        return "all others"
    return part["key"] or "(none named)"


def _spend_row(sums: Json, name: str) -> dict[str, Any]:
    from app.cli.output import dollars

    return {
        "name": name,
        "provider": sums["provider"],
        "spent": dollars(sums["spent_usd"]),
        "before": dollars(sums["before_usd"]),
        "attempts": f"{sums['attempts']:,}",
        "input": f"{sums['input_tokens']:,}",
        "output": f"{sums['output_tokens']:,}",
    }


def _call_row(call: Json) -> dict[str, Any]:
    from app.cli.output import dollars

    tokens = "" if call["input_tokens"] is None else f"{call['input_tokens']:,} / {call['output_tokens'] or 0:,}"
    return call | {
        "at": call["at"][:19].replace("T", " "),
        "developer": call["developer"] or "",
        "project": call["project"] or "",
        "model": call["model"] or call["model_asked"],
        "provider": call["provider"] or "",
        "cost": dollars(call["cost_usd"]),
        "tokens": tokens,
        "took": f"{call['milliseconds']:,} ms",
        "cache": "" if call["cache"] == "miss" else call["cache"],
    }

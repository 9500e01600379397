"""Exports all that a team has, as far as the requester may see it: one record after another, and the numbers of them at the end.

No secret is in it: of a key only its name, of a developer no address. Messages between agents are not: they are on their way, and end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Collection, Sequence
from dataclasses import asdict
from datetime import date
from typing import Final
from uuid import UUID

import structlog

from app import clock
from app.accounts.accounts import LastingRequester
from app.accounts.requester import Permission, Requester
from app.accounts.views import DeveloperView, KeyView
from app.budget.requests import CallFilter, CallView
from app.budget.views import Budget, ReportDays
from app.services.administration import list_members, list_projects
from app.services.item_export import Record
from app.services.services import Services
from app.storage.pages import EntryPage, PageWanted, every_entry

log = structlog.get_logger()

TEAM_FORMAT: Final = 1
"""Raised when a record of a team's export changes its meaning."""
CALLS_PAGE: Final = 500
KEYS_PAGE: Final = 1000
FIRST_DAY: Final = date(2000, 1, 1)
"""Before any call: an export has them all, not the three years of a report."""
AMOUNTS: Final = frozenset({"limit", "added", "spent", "held", "unreconciled", "forecast"})
"""Fields of a budget in nano-dollars."""


async def export_team(services: Services, requester: Requester) -> AsyncGenerator[Record]:
    """Read all of the requester's team that they may see. To an admin that is everything; it is recorded for each other developer.

    Others: the items and sessions of projects that are open to them, and what was said in their own sessions. Budgets and calls as their
    role reads them. Errors are raised before the first record; without the record `end` the export is cut off.
    """
    requester.check("read")
    reader, whole = await services.accounts.lasting(requester), requester.may("administer")
    members = await list_members(services, requester, removed=True)
    said_by: set[UUID | None] = {requester.developer_id}
    if whole:
        others = set(await services.sessions.export.developers_of(requester.team_id)) - {requester.developer_id}
        await services.accounts.prompts.record_export(requester, sorted(others), requester.team_id)
        said_by |= {None, *others}  # not those who send their first session from now on: no entry says so
    log.info("accounts.team_exported", team=requester.team, by=requester.name, whole=whole)
    return _counted(services, reader, members, said_by=said_by, needs="administer" if whole else "read")


async def _counted(
    services: Services,
    reader: LastingRequester,
    members: Sequence[DeveloperView],
    *,
    said_by: Collection[UUID | None],
    needs: Permission,
) -> AsyncGenerator[Record]:
    team, whole = (await reader.now()).team, needs == "administer"
    yield {"kind": "export", "format": TEAM_FORMAT, "team": team, "whole": whole, "exported_at": clock.now()}
    counts: Counter[str] = Counter()
    for part in (
        _people(services, members, whole=whole),
        _projects(services, reader),
        services.sessions.export.team_records(reader, said_by=said_by, needs=needs),
        services.knowledge.export.whole_records(reader),
        _budgets(services, reader, members),
        _calls(services, reader),
    ):
        (await reader.now()).check(needs)
        async for record in part:
            (await reader.now()).check(needs)
            counts[record["kind"]] += 1
            yield record
    yield {"kind": "end", "records": dict(sorted(counts.items()))}


async def _people(services: Services, members: Sequence[DeveloperView], *, whole: bool) -> AsyncGenerator[Record]:
    """Yield the developers; to an admin after each their keys, without the secrets."""
    for member in members:
        fields = asdict(member)
        del fields["id"]
        yield {"kind": "developer", **fields}
        if not whole:
            continue
        async for key in await _keys(services, member.id):
            details = asdict(key)
            del details["lookup"]  # the half of the key that isn't secret: nobody needs it here
            yield {"kind": "key", **details}


async def _keys(services: Services, developer_id: UUID) -> AsyncGenerator[KeyView]:
    async def read(after: str | None) -> EntryPage[KeyView]:
        return await services.accounts.keys.list_page(PageWanted(KEYS_PAGE, after=after), developer_id=developer_id, ended=True)

    return every_entry(await read(None), read)


async def _projects(services: Services, reader: LastingRequester) -> AsyncGenerator[Record]:
    for each in await list_projects(services, await reader.now()):
        yield {"kind": "project", **asdict(each)}


async def _budgets(services: Services, reader: LastingRequester, members: Sequence[DeveloperView]) -> AsyncGenerator[Record]:
    """Yield this month's budgets of the developers; to those who read the team's, its own and every movement. Amounts: nano-dollars."""
    now, budgets = await reader.now(), services.budget.budgets
    await services.budget.ledger.flush()
    found = await budgets.get_many(members)
    for member in members:
        yield {"kind": "budget", "developer": member.name, **_amounts(found[member.id])}
    if not now.may("read_team_budget"):
        return
    yield {"kind": "budget", "developer": None, **_amounts(await budgets.get_team(now, now.team))}
    names = {each.id: each.name for each in members}
    async for entry in await budgets.export_team_movements(now):
        fields = asdict(entry)
        developer = names.get(fields.pop("developer_id"))
        del fields["team_id"]
        yield {**fields, "kind": "movement", "movement_kind": entry.kind, "developer": developer}


def _amounts(budget: Budget) -> dict[str, object]:
    return {f"{name}_nanousd" if name in AMOUNTS else name: value for name, value in asdict(budget).items()}


async def _calls(services: Services, reader: LastingRequester) -> AsyncGenerator[Record]:
    """Yield the calls, the latest first, without prompts, which aren't kept."""
    calls = services.budget.calls
    wanted = CallFilter(ReportDays(FIRST_DAY, calls.days(None, None).last))

    async def read(before: str | None) -> EntryPage[CallView]:
        page = await calls.list_calls(await reader.now(), wanted, before=before, limit=CALLS_PAGE)
        return EntryPage(page.calls, page.next)

    async for call in every_entry(await read(None), read):
        details = {name: value for name, value in asdict(call).items() if name != "spending"}
        yield {"kind": "call", **asdict(call.spending), **details}

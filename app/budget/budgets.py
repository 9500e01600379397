"""Operations on budgets, by name: the same call for a route, a tool and a page.

Each takes the requester, checks its permission and records it as the author of what changes.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from uuid import UUID

from app import clock
from app.accounts.accounts import Accounts
from app.accounts.requester import Requester
from app.accounts.views import DeveloperView
from app.budget.balances import BalanceReader, DeveloperSpending, Difference
from app.budget.corrections import Corrections
from app.budget.holds import Unit
from app.budget.ledger import Ledger
from app.budget.limits import Account, BudgetLimits
from app.budget.periods import BudgetPeriod
from app.budget.views import ALL_MOVEMENTS, Budget, MovementEntry, MovementFilter, NamedBudget
from app.errors import InvalidInput, NotFound, NotPermitted
from app.money import to_usd
from app.redaction.labels import free_text
from app.storage.pages import EntryPage, PageWanted

RECONCILE_BATCH = 1000


class Budgets:
    """Shows and sets budgets; corrects and reconciles what was charged."""

    def __init__(self, accounts: Accounts, limits: BudgetLimits, balances: BalanceReader, ledger: Ledger, corrections: Corrections) -> None:
        self._corrections = corrections
        self._accounts = accounts
        self._limits = limits
        self._balances = balances
        self._ledger = ledger

    async def get_own(self, requester: Requester) -> NamedBudget:
        """Return the requester's own budget. InvalidInput for an admin key, which belongs to no developer."""
        requester.check("read")
        if requester.developer is None:
            raise InvalidInput(
                "An admin key has no budget of its own. List all with `cairn budget show` or GET /v1/budgets, or name a developer."
            )
        return await self._named(requester.developer)

    async def get(self, requester: Requester, developer: str) -> NamedBudget:
        """Return a developer's budget; a lead or auditor gets those of their own team. NotFound for an unknown developer."""
        requester.check("read_team_budget")
        return await self._named(developer, team_id=_readable_team(requester))

    async def list_page(self, requester: Requester, wanted: PageWanted) -> EntryPage[NamedBudget]:
        """List a page of developers' budgets; for a lead or auditor those of their team. Opens no month: see `get_many`."""
        requester.check("read_team_budget")
        page = await self._accounts.developers.list_page(wanted, team_id=_readable_team(requester))
        await self._ledger.flush()
        found = await self.get_many(page.entries)
        named = [NamedBudget(each.name, each.team, found[each.id]) for each in page.entries]
        return EntryPage(named, page.next)

    async def get_many(self, developers: Sequence[DeveloperView], period: BudgetPeriod | None = None) -> dict[UUID, Budget]:
        """Return the budgets of these developers, of this month or an earlier one. Opens no month: this one is shown as it will open.

        A developer who had no budget in an earlier month is shown without a limit.
        """
        found = await self._balances.read_budgets([Account("developer", each.id, each.team_id) for each in developers], period)
        return {
            each.id: found[each.id] or self._balances.empty_budget(each.monthly_limit_nanousd if period is None else None, period)
            for each in developers
        }

    async def get_team(self, requester: Requester, team: str) -> Budget:
        """Return a team's own budget, on which all of its developers draw. NotFound for an unknown team, NotPermitted for another's."""
        requester.check("read_team_budget")
        if team != requester.team and not requester.is_admin:
            raise NotPermitted("Only an admin can read another team's budget. Name your own team.")
        return await self._state(await self._team(team))

    async def get_team_month(self, requester: Requester, period: BudgetPeriod) -> Budget:
        """Return the budget of the requester's team in an earlier month, with the limit as it was then."""
        requester.check("read_team_budget")
        account = Account("team", requester.team_id, requester.team_id)
        return (await self._balances.read_budgets([account], period))[account.id] or self._balances.empty_budget(None, period)

    async def list_spending(self) -> list[tuple[str, DeveloperSpending]]:
        """List the spending of all developers with a request this month, the highest spending first. One query; opens no month."""
        found = await self._balances.read_spending()
        names = await self._accounts.names([each.developer_id for each in found])
        return [(names[each.developer_id], each) for each in found if each.developer_id in names]

    async def set_limit(
        self, requester: Requester, developer: str, nanousd: int, *, note: str | None = None, revision: str | None = None
    ) -> NamedBudget:
        """Set a developer's monthly limit from now on, this month included. NotFound for an unknown one, Conflict for a removed one.

        ChangedMeanwhile where their limits and top-ups are not at `revision`.
        """
        requester.check("administer")
        account = await self._account_to_fund(developer)
        await self._limits.set_all(account, {"nanousd": nanousd}, actor=requester.name, note=_note(note), revision=revision)
        return await self._named(developer)

    async def set_team_limits(
        self, requester: Requester, team: str, limits: dict[Unit, int | None], *, revision: str | None = None
    ) -> Budget:
        """Set a team's limits in those units that are named; None: no limit. NotFound for an unknown team; ChangedMeanwhile as above."""
        requester.check("administer")
        account = await self._team(team)
        await self._limits.set_all(account, limits, actor=requester.name, revision=revision)
        return await self._state(account)

    async def top_up(self, requester: Requester, developer: str, nanousd: int, *, note: str | None) -> NamedBudget:
        """Add to this month's limit, once. Errors as for `set_limit`."""
        requester.check("administer")
        account = await self._account_to_fund(developer)
        await self._limits.top_up(account, nanousd, actor=requester.name, note=_note(note))
        return await self._named(developer)

    async def list_movements(
        self, requester: Requester, developer: str, wanted: MovementFilter = ALL_MOVEMENTS, *, after: int | None, limit: int
    ) -> EntryPage[MovementEntry]:
        """List one page of a budget's movements. `after`: the last id of the page before."""
        requester.check("read_team_budget")
        account, _ = await self._account(developer, team_id=_readable_team(requester))
        await self._ledger.flush()
        found = await self._balances.read_movements(account, wanted, after=after, limit=limit + 1)
        page = found[:limit]
        return EntryPage(page, str(page[-1].id) if len(found) > limit else None)

    async def export_movements(self, requester: Requester, developer: str) -> AsyncGenerator[MovementEntry]:
        """Read every movement of a budget, the newest first, while the requester may. Errors are raised before the first entry."""
        requester.check("read_team_budget")
        account, _ = await self._account(developer, team_id=_readable_team(requester))
        return self._accounts.while_permitted(requester, self._balances.iterate_movements(account), needs="read_team_budget")

    async def export_team_movements(self, requester: Requester) -> AsyncGenerator[MovementEntry]:
        """Read every movement of the requester's team: of its developers' budgets and its own. As `export_movements`."""
        requester.check("read_team_budget")
        await self._ledger.flush()
        movements = self._balances.iterate_movements(Account("team", requester.team_id, requester.team_id))
        return self._accounts.while_permitted(requester, movements, needs="read_team_budget")

    async def reconcile(
        self, requester: Requester, developer: str, *, nanousd: int | None, hold_ids: Sequence[UUID] | None, note: str | None
    ) -> int:
        """Close unreconciled holds (all of them, or those named) at `nanousd` each, or at nothing. Returns how many.

        NotFound for a hold that is not one of theirs, or not open. InvalidInput for more than a hold covered: that may not fit the limit.
        """
        requester.check("administer")
        account, _ = await self._account(developer)
        note, actor = _note(note), requester.name
        if hold_ids is not None:
            found = await self._balances.find_unreconciled(account, among=hold_ids, limit=len(hold_ids))
            if unknown := set(hold_ids) - set(found):
                raise NotFound(
                    f"{developer} has no unreconciled hold {min(unknown)}. List them with"
                    f" `cairn budget history {developer}` or GET /v1/budgets/{developer}/movements."
                )
            await self._check_covered(account, nanousd, among=found)
            return await self._ledger.reconcile(found, nanousd=nanousd, actor=actor, note=note) if found else 0
        await self._check_covered(account, nanousd)
        closed = 0
        while found := await self._balances.find_unreconciled(account, limit=RECONCILE_BATCH):
            closed += await self._ledger.reconcile(found, nanousd=nanousd, actor=actor, note=note)
        return closed

    async def correct(
        self, requester: Requester, developer: str, movement_id: int, *, nanousd: int, tokens: int | None = None, note: str
    ) -> NamedBudget:
        """Set what a call is charged in all, by a movement against what it was charged.

        NotFound, or Conflict for what can't be corrected, needs no correction, or would pass a limit.
        """
        requester.check("administer")
        account, _ = await self._account(developer)
        await self._ledger.flush()
        note = free_text(note)
        await self._corrections.correct(account, movement_id, nanousd=nanousd, tokens=tokens, actor=requester.name, note=note)
        return await self._named(developer)

    async def verify(self, requester: Requester) -> list[Difference]:
        """Recompute every balance from its rows. Returns those that differ: none, as it should be."""
        requester.check("administer")
        return await self._balances.verify()

    async def _named(self, developer: str, *, team_id: UUID | None = None) -> NamedBudget:
        account, team = await self._account(developer, team_id=team_id)
        await self._ledger.flush()
        return NamedBudget(developer, team, await self._state(account))

    async def _check_covered(self, account: Account, nanousd: int | None, *, among: Sequence[UUID] | None = None) -> None:
        """InvalidInput where a hold is to be closed at more than it covered: that might pass the limit."""
        short = None if nanousd is None else await self._balances.find_below(account, nanousd, among=among)
        if short is not None:
            covered = f"Hold {short[0]} covered ${to_usd(short[1]):.6f}: close it at that amount or less."
            raise InvalidInput(f"{covered} Then charge the rest as a correction, within the limit.", param="amount_usd")

    async def _state(self, account: Account) -> Budget:
        found = (await self._balances.read_budgets([account]))[account.id]
        if found is None:
            await self._limits.open_one(account, clock.now())
            found = (await self._balances.read_budgets([account]))[account.id]
        assert found is not None
        return found

    async def _account(self, developer: str, *, team_id: UUID | None = None) -> tuple[Account, str]:
        found = await self._accounts.find_developer(developer, team_id=team_id)
        return Account("developer", found.id, found.team_id), found.team

    async def _account_to_fund(self, developer: str) -> Account:
        """Return the account of a developer who can still spend. What a removed one was charged is still corrected and reconciled."""
        found = await self._accounts.find_present_developer(developer)
        return Account("developer", found.id, found.team_id)

    async def _team(self, team: str) -> Account:
        team_id = await self._accounts.team_id(team)
        return Account("team", team_id, team_id)


def _readable_team(requester: Requester) -> UUID | None:
    """Return the team whose developers' budgets the requester reads; None: every team's."""
    return None if requester.is_admin else requester.team_id


def _note(note: str | None) -> str | None:
    return None if note is None else free_text(note)

"""The developer who pays for a team's distillation: `distiller`, made with its monthly limit when it is first needed.

It is a developer like any other: an admin changes its limit, and disables it where a team's sessions are to go to no model.
"""

from __future__ import annotations

from contextlib import suppress
from uuid import UUID

from app.accounts.accounts import DEFAULT_TEAM, Accounts
from app.accounts.names import MAX_CHARS
from app.accounts.requester import Requester
from app.accounts.views import DeveloperView
from app.errors import Conflict, NotFound, NotPermitted

NAME = "distiller"


class Distillers:
    """Finds the payers. `monthly_limit`: nano-dollars, of one that is made."""

    def __init__(self, accounts: Accounts, *, monthly_limit: int) -> None:
        self._accounts = accounts
        self._limit = monthly_limit

    async def payer(self, team_id: UUID) -> UUID:
        """Return who pays for a team's distillation. NotPermitted where they are disabled or may not call models."""
        found = await self._found(team_id)
        requester = Requester(found.team_id, found.team, found.id, found.name, role=found.role)
        if found.disabled_at is not None or not requester.may("call_models"):
            raise NotPermitted(
                f"{found.name}, who pays for the distillation of {found.team}'s sessions, is disabled or may not call models: enable them,"
                " give them the role developer, or leave it: no session of the team is sent to a model."
            )
        return found.id

    async def _found(self, team_id: UUID) -> DeveloperView:
        team = (await self._accounts.names([team_id])).get(team_id)
        if team is None:
            raise NotFound("The team of this session is gone.")
        names = _names_of(team, team_id)
        for name in names:
            with suppress(NotFound):
                return await self._accounts.find_developer(name, team_id=team_id)
        for name in names:
            with suppress(Conflict):
                return await self._accounts.create_developer(name, team=team, monthly_limit_nanousd=self._limit)
            with suppress(NotFound):  # no other worker made it meanwhile: it is another team's
                return await self._accounts.find_developer(name, team_id=team_id)
        raise NotPermitted(f"The developers {' and '.join(names)} are of other teams, so that nobody pays for the distillation of {team}.")


def _names_of(team: str, team_id: UUID) -> list[str]:
    """Return the payer's names, the one to have first: a developer's is taken in all teams, and long names of teams may begin alike."""
    named = NAME if team == DEFAULT_TEAM else f"{NAME}-{team}"[:MAX_CHARS].rstrip()
    by_id = f"{NAME}-{team_id.hex[:12]}"
    return [named, by_id] if named.isascii() else [by_id]

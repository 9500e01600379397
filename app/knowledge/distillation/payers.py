"""The developer who pays for a team's distillation: `distiller`, made with its monthly limit when it is first needed.

It is a developer like any other: an admin changes its limit, and disables it where a team's sessions are to go to no model.
"""

from __future__ import annotations

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
        name = NAME if team == DEFAULT_TEAM else f"{NAME}-{team if team.isascii() else team_id.hex[:8]}"[:MAX_CHARS].rstrip()
        try:
            return await self._accounts.find_developer(name, team_id=team_id)
        except NotFound:
            pass
        try:
            return await self._accounts.create_developer(name, team=team, monthly_limit_nanousd=self._limit)
        except Conflict:  # another worker made it meanwhile, or it is another team's
            return await self._accounts.find_developer(name, team_id=team_id)

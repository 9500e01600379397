"""Dependencies of routes: the requester that `authentication.py` has put into the scope, and the services. Checks no key."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer
from fastapi.security.base import SecurityBase
from starlette.types import Scope

from app.accounts.requester import Permission, Requester
from app.errors import NotPermitted
from app.services import Services
from app.services.answers import payer_of
from app.web import access_log
from app.web.key_headers import AGENT, DEVELOPER, PARENT_AGENT, PURPOSE, SESSION, TEAM, described

REQUESTER, SCRAPER = "cairn.requester", "cairn.scraper"
"""Keys of the scope: the requester; and True where the request came with the metrics key (`scrape_key`), which belongs to no requester."""

TEAM_HEADER: Final = described(TEAM, "For admins: the team to act for. Default: their own; the admin key's is `default`.")
DEVELOPER_HEADER: Final = described(
    DEVELOPER, "For admins: the developer whose budget pays for model calls. Default: themselves. Required with the admin key."
)
PURPOSE_HEADER: Final = described(PURPOSE, "The purpose of the call, such as `review`, for the request log.")

SESSION_HEADER: Final = described(SESSION, "Id of the call's coding session in its agent. Claude Code and Codex send it automatically.")
AGENT_HEADER: Final = described(AGENT, "The agent within the session that makes the call. Absent: the main agent.")
PARENT_AGENT_HEADER: Final = described(PARENT_AGENT, "The agent that started this one. Absent: the main agent.")


def services_in(scope: Scope) -> Services:
    services = scope["app"].state.services
    assert isinstance(services, Services)
    return services


def services_of(request: Request) -> Services:
    """Return the services, without a FastAPI dependency: that would cost 20 µs of every model call."""
    return services_in(request.scope)


async def _services(request: Request) -> Services:
    """Return the services. Async only because FastAPI runs a plain function in a thread, which costs 0.15 ms."""
    return services_of(request)


TheServices = Annotated[Services, Depends(_services)]


def requester_of(request: Request) -> Requester:
    """Return the request's requester. KeyError (a 500) on a path that takes no key: nobody is let in by mistake.

    The assertion is for the type checker: `authentication.py` puts nothing else there.
    """
    requester = request.scope[REQUESTER]
    assert isinstance(requester, Requester)
    return requester


class KeyAuth(SecurityBase):
    """Security dependency of a route that takes a key; its value is the requester. In OpenAPI: the scheme, and the headers that go with it.

    `needs`: a permission that the requester's role must include; `AuthenticatedRoute` checks it before the body is read.
    """

    headers: tuple[dict[str, Any], ...] = (TEAM_HEADER,)

    def __init__(self, needs: Permission) -> None:
        self.needs = needs
        self.scheme_name = "key"
        self.model = HTTPBearer(description="A developer's key (`cairn keys create NAME`) or the admin key.").model

    def check(self, scope: Scope) -> None:
        """Raise NotPermitted if the requester lacks the permission."""
        scope[REQUESTER].check(self.needs)

    async def __call__(self, request: Request) -> Requester:
        return requester_of(request)


class PayerAuth(KeyAuth):
    """Security dependency of a model call; its value is the developer who pays, the requester or whom an admin names."""

    headers = (TEAM_HEADER, DEVELOPER_HEADER, PURPOSE_HEADER, SESSION_HEADER, AGENT_HEADER, PARENT_AGENT_HEADER)

    async def __call__(self, request: Request) -> Requester:
        requester = requester_of(request)
        if requester.acts_for is None:
            if requester.developer_id is not None:
                return requester
            raise NotPermitted("Model calls are charged to a developer: use a developer's key, or name the developer in x-cairn-developer.")
        payer = payer_of(await services_of(request).accounts.find_developer(requester.acts_for), requester)
        access_log.record_requester(request.scope, payer)
        return payer


class ScrapeKeyAuth(KeyAuth):
    """Security dependency that also accepts the scrape key, where one is set; its value is None then."""

    headers = ()

    def check(self, scope: Scope) -> None:
        if not scope.get(SCRAPER):
            super().check(scope)

    async def __call__(self, request: Request) -> Any:
        return request.scope.get(REQUESTER)


Reader = Annotated[Requester, Security(KeyAuth("read"))]
Manager = Annotated[Requester, Security(KeyAuth("manage_members"))]
Admin = Annotated[Requester, Security(KeyAuth("administer"))]
BudgetReader = Annotated[Requester, Security(KeyAuth("read_team_budget"))]
Payer = Annotated[Requester, Security(PayerAuth("call_models"))]
Scraper = Security(ScrapeKeyAuth("administer"))
"""Not `Annotated` as those above: for a route's `dependencies`, since there may be no requester to pass on."""

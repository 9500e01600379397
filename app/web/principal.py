"""Who asks: the principal behind the request's key; and the services that answer. What routes depend on."""

from __future__ import annotations

import hmac
from typing import Annotated

from fastapi import Depends, Header, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from app.accounts.accounts import Principal
from app.errors import NotAuthenticated, NotPermitted
from app.services import Services
from app.storage.replicas.asker import identify
from app.web import told
from app.web.connections import mark_keyed

bearer = HTTPBearer(
    auto_error=False,
    scheme_name="key",
    description="A developer's key (`cairn keys create NAME`) or the admin key.",
)

Credentials = Annotated[HTTPAuthorizationCredentials | None, Security(bearer)]
TeamHeader = Annotated[
    str | None,
    Header(alias="x-cairn-team", description="Admin only: the team to act for. Without it: `default`.", max_length=100),
]

DeveloperHeader = Annotated[
    str | None,
    Header(alias="x-cairn-developer", description="Admin only: the developer who pays for a call of a model.", max_length=200),
]


def services_of(request: Request) -> Services:
    """The same as `TheServices`, without the cost of a dependency: 20 µs on the way of every call of a model."""
    services = request.app.state.services
    assert isinstance(services, Services)
    return services


async def _services(request: Request) -> Services:
    """It waits for nothing, but FastAPI would send a plain function through a thread: 0.15 ms."""
    return services_of(request)


TheServices = Annotated[Services, Depends(_services)]


async def _principal(request: Request, credentials: Credentials, x_cairn_team: TeamHeader = None) -> Principal:
    caller = await services_of(request).accounts.authenticate(_key(credentials), team=x_cairn_team)
    identify("admin" if caller.is_admin else str(caller.developer_id))
    mark_keyed(request.scope)
    told.who(request.scope, caller.developer, caller.team)
    return caller


async def presented_key(request: Request) -> str | None:
    """The key that came with a request, whatever it is worth."""
    credentials = await bearer(request)
    return None if credentials is None else credentials.credentials or None


async def authenticated(request: Request) -> None:
    """NotAuthenticated, before anything of the body is read."""
    caller = await services_of(request).accounts.authenticate(_key(await bearer(request)), team=request.headers.get("x-cairn-team"))
    mark_keyed(request.scope)
    told.who(request.scope, caller.developer, caller.team)


Caller = Annotated[Principal, Depends(_principal)]


async def _admin(caller: Caller) -> Principal:
    if not caller.is_admin:
        raise NotPermitted("This needs the admin key: a developer's key is not enough.")
    return caller


Admin = Annotated[Principal, Depends(_admin)]


async def _scraper(request: Request, services: TheServices, credentials: Credentials) -> None:
    """The scrape key, where one is set, or the admin key."""
    key = _key(credentials)
    scrape = services.settings.scrape_key
    if scrape is None or not hmac.compare_digest(key.encode(), scrape.get_secret_value().encode()):
        await _admin(await services.accounts.authenticate(key))
    mark_keyed(request.scope)


async def _payer(
    request: Request, credentials: Credentials, x_cairn_developer: DeveloperHeader = None, x_cairn_team: TeamHeader = None
) -> Principal:
    """Who pays for a call of a model: a developer. An admin key names one."""
    caller = await _principal(request, credentials, x_cairn_team)
    if not caller.is_admin:
        return caller
    if x_cairn_developer is None:
        raise NotPermitted("Calls of models are charged to a developer: use a developer's key, or name one in x-cairn-developer.")
    found = await services_of(request).accounts.find_developer(x_cairn_developer)
    told.who(request.scope, found.name, found.team)
    return Principal(found.team_id, found.team, found.id, found.name)


Payer = Annotated[Principal, Depends(_payer)]

Scraper = Depends(_scraper)


def _key(credentials: HTTPAuthorizationCredentials | None) -> str:
    if credentials is None or not credentials.credentials:
        raise NotAuthenticated("Send a key: Authorization: Bearer KEY. `cairn keys create NAME` makes one.")
    return credentials.credentials

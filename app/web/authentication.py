"""Authentication: checks a request's key once, before its body is read, and puts the requester into the ASGI scope.

Pure ASGI, so that it covers routes and mounted applications alike. Fail-closed: only the paths named as open take no key.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, replace

from starlette.types import ASGIApp, Receive, Scope, Send

from app.accounts.requester import Requester
from app.errors import CairnError, RateLimited
from app.services import Services
from app.storage.replicas.read_session import identify
from app.web import access_log, errors
from app.web.connections import mark_keyed, mark_keyless
from app.web.key_headers import KeyHeaders, read_key_headers
from app.web.rate_limits import RequestLimits, with_limit_headers
from app.web.requester import REQUESTER, SCRAPER, services_in


@dataclass(frozen=True, slots=True)
class PathAccess:
    """Paths that take no key (`open`), or also the scrape key. Every other path takes a key.

    `open_under`: all paths that begin so take none. `pages`: this path and all under it check a cookie of their own. `models`: calls of
    models, which have limits of their own.
    """

    open: frozenset[str]
    pages: str
    scraped: frozenset[str]
    models: frozenset[str]
    open_under: str | None = None

    def is_open(self, path: str) -> bool:
        return path in self.open or self.is_page(path) or (self.open_under is not None and path.startswith(self.open_under))

    def is_page(self, path: str) -> bool:
        return path == self.pages or path.startswith(f"{self.pages}/")


class Authentication:
    """Refuses with 401, 403 or 429 before the body is read, and puts the requester into the scope of what it lets through.

    A path or method that no route takes is answered 404 or 405, with or without a key.
    """

    def __init__(self, app: ASGIApp, *, access: PathAccess) -> None:
        self._app = app
        self._access = access
        self._limits = RequestLimits()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._access.is_open(scope["path"]):
            if scope["type"] == "http" and not self._access.is_page(scope["path"]):
                mark_keyless(scope)
            await self._app(scope, receive, send)
            return
        services = services_in(scope)
        if services.limits.any:
            send = with_limit_headers(scope, send)
        try:
            await self._admit(scope, services)
        except CairnError as error:
            mark_keyless(scope)
            if access_log.record_route(scope) or isinstance(error, RateLimited):
                await errors.reply_to(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _admit(self, scope: Scope, services: Services) -> None:
        """Authenticate, count against the rate limits, and put the requester into the scope. CairnError for a bad key, limit or header."""
        path, headers = scope["path"], read_key_headers(scope)
        key = headers.key
        if path in self._access.scraped and _is_scrape_key(services, key):
            scope[SCRAPER] = True
            mark_keyed(scope)
            return
        requester = await services.accounts.authenticate(key)
        identify(str(requester.developer_id or "admin"))
        mark_keyed(scope)
        access_log.record_requester(scope, requester)
        if services.limits.any:
            await self._limits.admit(scope, services.limits, requester, model=path in self._access.models)
        if headers.team is not None or headers.developer is not None or headers.purpose is not None or headers.twice:
            requester = await _with_headers(requester, headers, services)
            access_log.record_requester(scope, requester)
        scope[REQUESTER] = requester


async def _with_headers(requester: Requester, headers: KeyHeaders, services: Services) -> Requester:
    """Apply the headers beside the key. InvalidInput for a bad header, NotFound for an unknown team, NotPermitted for another one."""
    headers.check()
    if headers.team is not None:
        requester = await services.accounts.in_team(requester, headers.team)
    pays = (headers.developer or requester.acts_for) if requester.is_admin else None
    return replace(requester, acts_for=pays, purpose=headers.purpose)


def _is_scrape_key(services: Services, key: str) -> bool:
    scrape = services.settings.scrape_key
    return scrape is not None and hmac.compare_digest(key.encode("utf-8", "surrogatepass"), scrape.get_secret_value().encode())

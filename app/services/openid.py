"""Operations on sign-in with an OpenID provider: who signs in, which account there is which developer, and whether it can be used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

import structlog

from app.accounts.requester import Requester
from app.accounts.views import OpenIdAccountView
from app.errors import Unavailable
from app.openid.claims import ExternalIdentity
from app.services import account_log
from app.services.services import Services
from app.storage.pages import EntryPage, PageWanted

log = structlog.get_logger()

NO_PAGES: Final = (
    "It is set up, but the dashboard is off, and nobody signs in to anything else: set dashboard.enabled = true, or remove openid.issuer."
)


@dataclass(frozen=True, slots=True)
class OpenIdState:
    """Sign-in with an OpenID provider; all None: none is set.

    `callback`: the redirect URI to enter there; None: there are no pages to return to. `problem`: why it can't be used now.
    """

    name: str | None = None
    issuer: str | None = None
    callback: str | None = None
    problem: str | None = None


async def sign_in(services: Services, identity: ExternalIdentity) -> UUID:
    """Begin a sign-in at the dashboard of somebody whom the provider has identified. See `SignIns.begin_with`.

    What it changes of a developer is logged as an admin's change is, with the provider's issuer in the admin's place.
    """
    begun = await services.sign_ins.begin_with(identity, hours=services.settings.dashboard.session_hours)
    who = begun.developer
    if who.made is not None:
        account_log.developer_created(who.made, by=identity.issuer)
    if who.linked:
        account_log.openid_linked(who.name, by=identity.issuer)
    if who.new_role is not None:
        account_log.role_set(who.name, who.new_role, by=identity.issuer)
    return begun.id


async def link(services: Services, requester: Requester, developer: str, *, email: str) -> OpenIdAccountView:
    """Let whoever has a verified address at the provider be this developer. See `OpenIdAccounts.link`."""
    requester.check("administer")
    found = await services.account_services.openid_accounts.link(developer, email)
    account_log.openid_linked(developer, by=requester.name)
    return found


async def unlink(services: Services, requester: Requester, developer: str) -> None:
    """Forget a developer's account at the provider, and end its sign-ins. See `OpenIdAccounts.unlink`."""
    requester.check("administer")
    await services.account_services.openid_accounts.unlink(developer)
    log.info("accounts.openid_unlinked", developer=developer, by=requester.name)


async def list_linked(services: Services, requester: Requester, wanted: PageWanted) -> EntryPage[OpenIdAccountView]:
    """List a page of developers' accounts at OpenID providers."""
    requester.check("administer")
    return await services.account_services.openid_accounts.list_page(wanted)


async def check(services: Services, requester: Requester) -> OpenIdState:
    """Tell whether a provider is set, and whether it can be used now. It is asked, or was within the hour."""
    requester.check("administer")
    settings, found = services.settings.openid, services.openid
    if settings.issuer is None:
        return OpenIdState()
    if found is None:
        return OpenIdState(settings.name, settings.issuer, problem=NO_PAGES)
    try:
        await found.provider.describe()
    except Unavailable as error:
        return OpenIdState(settings.name, settings.issuer, found.callback, error.message)
    return OpenIdState(settings.name, settings.issuer, found.callback)

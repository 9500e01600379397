"""Opens accounts: who is behind a key, and who is signed in at the dashboard."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from app.accounts.accounts import DEFAULT_TEAM, Accounts
from app.accounts.invitations import Invitations
from app.accounts.openid_accounts import OpenIdAccounts
from app.accounts.secrets import Secrets
from app.accounts.sign_ins import SignIns
from app.cache.tiers import TieredCache
from app.errors import Unavailable
from app.money import from_usd
from app.part import Loop, Maintenance, Opened, Part, Role
from app.settings import Settings
from app.storage.part import StorageServices

KEYS_TIMEOUT_SECONDS = 1
"""The deadline of a tier below memory, which this cache doesn't have."""
USES_SECONDS = 30
"""Pause between two writes of which keys were used."""
USES_MEANWHILE = "The last use of keys is not recorded."


@dataclass(frozen=True, slots=True)
class AccountServices:
    """The room's live objects."""

    accounts: Accounts
    sign_ins: SignIns
    invitations: Invitations
    openid_accounts: OpenIdAccounts


@asynccontextmanager
async def open_accounts(
    settings: Settings, role: Role, *, secrets: Secrets, storage: StorageServices
) -> AsyncIterator[Opened[AccountServices]]:
    """Open accounts and sign-ins; in a server, make sure that the team `default` exists."""
    accounts = Accounts(
        storage.database,
        admin_key=secrets.admin_key,
        secret_key=secrets.secret_key,
        default_limit_nanousd=from_usd(settings.budget.monthly_limit_usd),
        cached=settings.cache.keys,
        invalidations=storage.invalidations,
    )
    openid_accounts = OpenIdAccounts(storage.database, accounts.developers, settings.openid)
    sign_ins = SignIns(storage.database, accounts, admin_key=secrets.admin_key, secret_key=secrets.secret_key, openid=openid_accounts)
    keys = TieredCache("keys", accounts.known, (), timeout_seconds=KEYS_TIMEOUT_SECONDS, invalidations=storage.invalidations)
    if role == "serve":
        await accounts.ensure_defaults()
    invitations = Invitations(
        storage.database, accounts.developers, accounts.keys, secret_key=secrets.secret_key, default_team=DEFAULT_TEAM
    )
    uses = Loop(name="accounts.key_uses", step=accounts.keys.write_uses, pause=USES_SECONDS, at_once=False, meanwhile=USES_MEANWHILE)
    yield (
        AccountServices(accounts, sign_ins, invitations, openid_accounts),
        Part(name="accounts", caches=[keys], loops=[uses], maintenance=[Maintenance("invitations", invitations.sweep)]),
    )
    with suppress(Unavailable):
        await accounts.keys.write_uses()

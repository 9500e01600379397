"""Opens accounts: who is behind a key, and who is signed in at the dashboard."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from app.accounts.accounts import Accounts
from app.accounts.secrets import Secrets
from app.accounts.sign_ins import SignIns
from app.cache.tiers import TieredCache
from app.money import from_usd
from app.part import Opened, Part, Role
from app.settings import Settings
from app.storage.part import StorageServices

KEYS_TIMEOUT_SECONDS = 1
"""The deadline of a tier below memory, which this cache doesn't have."""


@dataclass(frozen=True, slots=True)
class AccountServices:
    """The room's live objects."""

    accounts: Accounts
    sign_ins: SignIns


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
    sign_ins = SignIns(storage.database, accounts, admin_key=secrets.admin_key, secret_key=secrets.secret_key)
    keys = TieredCache("keys", accounts.known, (), timeout_seconds=KEYS_TIMEOUT_SECONDS, invalidations=storage.invalidations)
    if role == "serve":
        await accounts.ensure_defaults()
    yield AccountServices(accounts, sign_ins), Part(name="accounts", caches=[keys])

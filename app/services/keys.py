"""Operations on keys: made, listed, limited and revoked. One call for a route, a page and a command alike, which knows who asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from app.accounts.requester import Requester
from app.accounts.views import CreatedKey, DeveloperView, KeyView
from app.budget.holds import KeyMonth
from app.errors import Conflict, InvalidInput
from app.services import account_log
from app.services.services import Services
from app.storage.pages import EntryPage, PageWanted
from app.storage.revisions import check_revision, revision_from

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class KeyDetails:
    """A key with its limit, and what its calls have spent and hold this month."""

    key: KeyView
    month: KeyMonth

    @property
    def revision(self) -> str:
        """Return the revision of a key and its limit: whatever but its use changes it."""
        key = self.key
        return revision_from(
            key.id, key.name, key.expires_at, key.revoked_at, None if key.models is None else [*key.models], self.month.limit
        )


@dataclass(frozen=True, slots=True)
class KeyChange:
    """A change of a key: of its limit where `sets_limit`, of its models where `sets_models`. None: no limit, every model."""

    limit_nanousd: int | None = None
    sets_limit: bool = False
    models: Sequence[str] | None = None
    sets_models: bool = False


async def detailed(services: Services, keys: Sequence[KeyView], connection: AsyncConnection | None = None) -> list[KeyDetails]:
    """Add to keys, which whoever asks may see, their limits and this month's sums, in two queries for all."""
    months = await services.budget.key_limits.read([each.id for each in keys], connection) if keys else {}
    return [KeyDetails(each, months[each.id]) for each in keys]


async def list_keys(
    services: Services,
    requester: Requester,
    wanted: PageWanted,
    *,
    developer: str | None = None,
    which: str | None = None,
    ended: bool = False,
) -> EntryPage[KeyDetails]:
    """List a page of the keys without their secrets: one's own, to an admin everybody's or a developer's. See `ApiKeys.list_page`."""
    requester.check("read" if developer is None or developer == requester.developer else "administer")
    owner = None if requester.may("administer") else requester.developer_id
    if developer is not None:
        owner = (await services.accounts.find_developer(developer)).id
    page = await services.accounts.keys.list_page(wanted, developer_id=owner, which=which, ended=ended)
    return EntryPage(await detailed(services, page.entries), page.next)


async def create_key(
    services: Services,
    requester: Requester,
    developer: str,
    *,
    name: str | None = None,
    expires: str | None = None,
    limit_nanousd: int | None = None,
    models: Sequence[str] | None = None,
) -> CreatedKey:
    """Make a key, the only time that it can be seen. Errors as for `ApiKeys.create`; InvalidInput for a model that isn't known.

    `limit_nanousd`: what its calls may spend a month, within the developer's budget; `models`: all that it may ask for.
    """
    requester.check("administer")
    allowed = None if models is None else services.inference.catalog.checked_models(models)
    limit = None if limit_nanousd is None else partial(services.budget.key_limits.set_initial, nanousd=limit_nanousd)
    made = await services.accounts.keys.create(developer, name=name, expires=expires, models=allowed, limit=limit)
    account_log.key_created(developer, made, by=requester.name)
    return replace(made, limit_nanousd=limit_nanousd)


async def show_key(services: Services, requester: Requester, key_id: UUID, *, owner: DeveloperView | None = None) -> KeyDetails:
    """Show a key without its secret: one of one's own, to an admin any, with `owner` only one of theirs. NotFound for any other."""
    requester.check("read")
    return (await detailed(services, [await services.accounts.keys.find(key_id, developer_id=_whose(requester, owner))]))[0]


async def revoke_key(
    services: Services, requester: Requester, key_id: UUID, *, owner: DeveloperView | None = None, revision: str | None = None
) -> None:
    """Revoke an active key: one of one's own, to an admin any, with `owner` only one of theirs. NotFound for any other.

    ChangedMeanwhile for one that is not at `revision`.
    """
    requester.check("read")  # whoever holds a key may end it
    owner_id = _whose(requester, owner)

    async def at_revision(connection: AsyncConnection) -> None:
        key = await services.accounts.keys.find(key_id, developer_id=owner_id, connection=connection)
        if key.revoked_at is None:
            (found,) = await detailed(services, [key], connection)
            check_revision(revision, found.revision, f"The key {key.name}")

    await services.accounts.keys.revoke(key_id, developer_id=owner_id, before=None if revision is None else at_revision)
    log.info("accounts.key_revoked", key_id=str(key_id), by=requester.name)


async def change_key(
    services: Services,
    requester: Requester,
    key_id: UUID,
    change: KeyChange,
    *,
    owner: DeveloperView | None = None,
    revision: str | None = None,
) -> KeyDetails:
    """Set a key's limit, its models, or both; an admin's any, else one's own: of that only a lower limit, or one where there is none.

    Both or none is changed. With `owner` only a key of theirs.

    NotFound for an unknown key or another's, Conflict for a revoked one, NotPermitted for what only an admin may, InvalidInput for a model
    that isn't known, ChangedMeanwhile for a key that is not at `revision`.
    """
    requester.check("read")  # whoever holds a key may let it do less
    if not change.sets_limit and not change.sets_models:
        raise InvalidInput("Nothing is to change: send monthly_limit_usd, or models, or both.", param="monthly_limit_usd")
    if change.sets_models:
        requester.check("administer")
    models = None if change.models is None else services.inference.catalog.checked_models(change.models)
    keys, limits, only_lower = services.accounts.keys, services.budget.key_limits, not requester.may("administer")
    owner_id = _whose(requester, owner)
    _check_unrevoked(await keys.find(key_id, developer_id=owner_id))
    counted = await limits.count(key_id) if change.limit_nanousd is not None else None
    async with keys.one_change(key_id) as connection:
        key = await keys.find(key_id, developer_id=owner_id, connection=connection)
        _check_unrevoked(key)
        (present,) = await detailed(services, [key], connection)
        check_revision(revision, present.revision, f"The key {key.name}")
        if change.sets_models:
            await keys.set_models(connection, key_id, models)
        if change.sets_limit:
            await limits.set(connection, key_id, change.limit_nanousd, counted=counted, only_lower=only_lower)
    _tell(requester, key, change)
    (changed,) = await detailed(services, [await keys.find(key_id)])
    return changed


def _tell(requester: Requester, key: KeyView, change: KeyChange) -> None:
    """Log a change that was made."""
    if change.sets_limit:
        log.info("accounts.key_limit_set", key=key.lookup, developer=key.developer, nanousd=change.limit_nanousd, by=requester.name)
    if change.sets_models:
        log.info("accounts.key_models_set", key=key.lookup, developer=key.developer, models=change.models, by=requester.name)


def _whose(requester: Requester, owner: DeveloperView | None) -> UUID | None:
    """Return the developer whose keys the requester may name: themselves; for an admin `owner`, or None: anybody."""
    if not requester.may("administer"):
        return requester.developer_id
    return None if owner is None else owner.id


def _check_unrevoked(key: KeyView) -> None:
    if key.revoked_at is not None:
        raise Conflict(f"The key {key.name} of {key.developer} is revoked: nothing of it can be changed. Name an active key.")

"""Operations on single keys: their limits and models, and their end. How keys are made and listed: `administration.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from app.accounts.requester import Requester
from app.accounts.views import DeveloperView, KeyView
from app.budget.holds import KeyMonth
from app.errors import Conflict, InvalidInput, NotFound
from app.services import administration
from app.services.services import Services
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


async def show_key(services: Services, requester: Requester, key_id: UUID) -> KeyDetails:
    """Show a key without its secret: one of one's own, to an admin any. NotFound for any other."""
    return (await detailed(services, [await administration.show_key(services, requester, key_id)]))[0]


async def revoke_key(
    services: Services, requester: Requester, key_id: UUID, *, owner: DeveloperView | None = None, revision: str | None = None
) -> None:
    """Revoke an active key: one of one's own, to an admin any, with `owner` only one of theirs. NotFound for any other.

    ChangedMeanwhile for one that is not at `revision`.
    """
    requester.check("read")  # whoever holds a key may end it
    anybodys = requester.may("administer")
    owner_id = (None if owner is None else owner.id) if anybodys else requester.developer_id

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
    await _own(services, requester, key_id, owner)
    counted = await limits.count(key_id) if change.limit_nanousd is not None else None
    async with keys.one_change(key_id) as connection:
        key = await _own(services, requester, key_id, owner, connection)
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


async def _own(
    services: Services, requester: Requester, key_id: UUID, owner: DeveloperView | None, connection: AsyncConnection | None = None
) -> KeyView:
    """Find a key that the requester may change, with `owner` only one of theirs."""
    key = await services.accounts.keys.find(key_id, developer_id=None if owner is None else owner.id, connection=connection)
    if not requester.may("administer") and key.developer != requester.developer:
        raise NotFound(f"There is no key {key_id} of yours. List them: GET /v1/keys or `cairn keys list`.")
    if key.revoked_at is not None:
        raise Conflict(f"The key {key.name} of {key.developer} is revoked: nothing of it can be changed. Name an active key.")
    return key

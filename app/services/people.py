"""Operations on people: who asks, invitations, and the removal of a developer with what they sent."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal
from uuid import UUID

import structlog

from app.accounts.requester import PERMISSIONS, DeveloperRole, Permission, Requester
from app.accounts.views import CreatedKey, DeveloperView, InvitationView
from app.services import account_log
from app.services.administration import show_developer
from app.services.keys import KeyDetails, detailed
from app.services.services import Services
from app.storage.pages import EntryPage, PageWanted

log = structlog.get_logger()

SessionsFate = Literal["keep", "erase"]
"""The fate of a removed developer's sessions, with what only they say."""
INVITATION_PATH: Final = "/invite/"
"""Path of an invitation's link; the token follows."""
DEFAULT_OPEN: Final = "7d"
"""For how long an invitation is open where nobody says."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The requester, as they are told. `key` None: the admin key, which has no name, never expires and has no limit.

    `shows_prompts`: names of the projects in which others can read what is said in new sessions.
    """

    developer: str | None
    team: str
    role: DeveloperRole
    permissions: Sequence[Permission]
    key: KeyDetails | None
    shows_prompts: Sequence[str]


@dataclass(frozen=True, slots=True)
class Removal:
    """A removal: under which name the developer's row stays, what became of the sessions; `job_id`: of the job that erases them."""

    name: str
    sessions: int
    job_id: UUID | None


async def whoami(services: Services, requester: Requester) -> Identity:
    """Tell who asks, and what they may."""
    requester.check("read")
    found = [] if requester.key_id is None else await detailed(services, [await services.accounts.keys.find(requester.key_id)])
    shows = await services.accounts.names_showing_prompts(requester.team_id, closed=requester.closed)
    return Identity(
        requester.developer, requester.team, requester.role, sorted(PERMISSIONS[requester.role]), next(iter(found), None), shows
    )


async def invite(
    services: Services, requester: Requester, developer: str, *, team: str | None, role: DeveloperRole | None, expires: str
) -> tuple[InvitationView, str]:
    """Make an invitation, and the developer if there is none of that name: (the invitation, its token). See `Invitations.create`."""
    requester.check("administer")
    made = await services.account_services.invitations.create(developer, expires=expires, created_by=requester.name, team=team, role=role)
    if made.developer is not None:
        account_log.developer_created(made.developer, by=requester.name)
    log.info("accounts.invited", developer=developer, invitation=str(made.view.id), by=requester.name)
    return made.view, made.token


def invitation_link(services: Services, token: str, *, came_under: str) -> str:
    """Return an invitation's link, at the server's public address, else the one under which the request came."""
    return (services.settings.server.public_url or came_under.rstrip("/")) + INVITATION_PATH + token


async def list_invitations(
    services: Services, requester: Requester, wanted: PageWanted, *, ended: bool = False
) -> EntryPage[InvitationView]:
    """List a page of the open invitations, with `ended` of all of them."""
    requester.check("administer")
    return await services.account_services.invitations.list_page(wanted, ended=ended)


async def list_invitation_page(services: Services, requester: Requester, wanted: PageWanted, *, ended: bool) -> EntryPage[InvitationView]:
    """List a page of the invitations into the requester's team."""
    requester.check("administer")
    return await services.account_services.invitations.list_page(wanted, team_id=requester.team_id, ended=ended)


async def revoke_invitation(services: Services, requester: Requester, invitation_id: UUID) -> None:
    """Revoke an open invitation. NotFound for any other."""
    requester.check("administer")
    await services.account_services.invitations.revoke(invitation_id)
    log.info("accounts.invitation_revoked", invitation=str(invitation_id), by=requester.name)


async def look_at_invitation(services: Services, token: str) -> InvitationView:
    """Show an open invitation to whoever has its token, without using it. See `Invitations.look`."""
    return await services.account_services.invitations.look(token)


async def redeem(services: Services, token: str, *, key_name: str | None) -> tuple[InvitationView, CreatedKey]:
    """Use an invitation, whose token is all the permission that is needed. See `Invitations.redeem`."""
    invitation, key = await services.account_services.invitations.redeem(token, key_name=key_name)
    account_log.key_created(invitation.developer, key, by=invitation.developer)
    log.info("accounts.invitation_used", invitation=str(invitation.id), developer=invitation.developer, key=key.lookup)
    return invitation, key


async def export_sessions(services: Services, requester: Requester, developer: str) -> AsyncGenerator[Mapping[str, Any]]:
    """Read all that a developer's sessions hold: one's own, to an admin anybody's; without those of projects that are closed to the reader.

    Errors are raised before the first record.
    """
    requester.check("read" if developer == requester.developer else "administer")  # a lead's or auditor's team reads what is open to them
    found = await show_developer(services, requester, developer)
    if found.id != requester.developer_id:
        await services.accounts.prompts.record_export(requester, [found.id], found.team_id)
    log.info("accounts.sessions_exported", developer=found.name, by=requester.name)
    return services.sessions.export.records(found, await services.accounts.lasting(requester))


async def count_sessions(services: Services, requester: Requester, developer: DeveloperView) -> int:
    """Count the sessions that a removal would keep or erase."""
    requester.check("administer")
    async with services.database.begin() as connection:
        return await services.sessions.erasure.count(connection, developer.id)


async def remove_developer(
    services: Services, requester: Requester, developer: str, *, sessions: SessionsFate, revision: str | None = None
) -> Removal:
    """Remove a developer: nothing of theirs signs in any more. The ledger stays, and calls under way are settled in it.

    With `erase` a job erases their sessions, which begins once this is committed. NotFound for an unknown one, Conflict for a removed one,
    ChangedMeanwhile for one who is not at `revision`.
    """
    requester.check("administer")
    erasure, developers = services.sessions.erasure, services.accounts.developers
    async with services.database.begin() as connection:
        removed = await developers.remove(connection, developer, erase_sessions=sessions == "erase", revision=revision)
        count = await erasure.count(connection, removed.id)
        await erasure.forget_captures(connection, removed.id)
        job_id = await erasure.enqueue(connection, removed.id, removed.team_id) if sessions == "erase" else None
    developers.removed(removed)
    log.info("accounts.removed", developer=removed.name, sessions=sessions, by=requester.name)
    return Removal(removed.name, count, job_id)

"""Logs changes of developers, the same whoever makes them: an admin, or a sign-in with the OpenID provider. Logs no address and no key."""

from __future__ import annotations

import structlog

from app.accounts.requester import DeveloperRole
from app.accounts.views import DeveloperView

log = structlog.get_logger()


def developer_created(made: DeveloperView, *, by: str) -> None:
    """Log that a developer was made. `by`: the name of the requester, or the address of the provider, which is no developer's name."""
    log.info("accounts.developer_created", developer=made.name, team=made.team, role=made.role, by=by)


def role_set(developer: str, role: DeveloperRole, *, by: str) -> None:
    """Log that a developer was given a role."""
    log.info("accounts.role_set", developer=developer, role=role, by=by)


def openid_linked(developer: str, *, by: str) -> None:
    """Log that a developer was linked to an account at the OpenID provider, or to an address that hasn't signed in yet."""
    log.info("accounts.openid_linked", developer=developer, by=by)

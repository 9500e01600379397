"""Logs changes of developers and keys alike whoever makes them: an admin, an invitation's holder, or a sign-in with OpenID.

Logs no address and no secret.
"""

from __future__ import annotations

import structlog

from app.accounts.requester import DeveloperRole
from app.accounts.views import CreatedKey, DeveloperView

log = structlog.get_logger()


def developer_created(made: DeveloperView, *, by: str) -> None:
    """Log that a developer was made. `by`: the name of the requester, or the address of the provider, which is no developer's name."""
    log.info("accounts.developer_created", developer=made.name, team=made.team, role=made.role, by=by)


def key_created(developer: str, made: CreatedKey, *, by: str) -> None:
    """Log that a key was made, by its public part."""
    log.info("accounts.key_created", developer=developer, key=made.lookup, by=by)


def role_set(developer: str, role: DeveloperRole, *, by: str) -> None:
    """Log that a developer was given a role."""
    log.info("accounts.role_set", developer=developer, role=role, by=by)


def openid_linked(developer: str, *, by: str) -> None:
    """Log that a developer was linked to an account at the OpenID provider, or to an address that hasn't signed in yet."""
    log.info("accounts.openid_linked", developer=developer, by=by)

"""Teams, developers, keys and projects as they are shown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.accounts.requester import DeveloperRole


@dataclass(frozen=True, slots=True)
class TeamView:
    id: UUID
    name: str
    created_at: datetime
    developers: int


@dataclass(frozen=True, slots=True)
class DeveloperView:
    """`keys` counts the live ones."""

    id: UUID
    name: str
    team_id: UUID
    team: str
    monthly_limit_nanousd: int
    role: DeveloperRole
    keys: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class KeyView:
    """A key without its secret. `lookup` is its public part."""

    id: UUID
    lookup: str
    created_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class ProjectView:
    """`identity`: what its sessions have in common; `owner` tells it from another of that name."""

    id: UUID
    name: str
    identity: str | None
    owner: str | None
    created_at: datetime

"""The requester, the record that every operation is given, and the one table of what each role may do. Knows no HTTP, no key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID

from app.errors import NotPermitted

RequesterRole = Literal["admin", "lead", "developer", "auditor"]
Permission = Literal[
    "read",  # the team's knowledge, sessions, projects, jobs and messages
    "write",  # record and judge knowledge, send sessions and messages; change what is one's own
    "change_any",  # correct, delete and purge what others of the team wrote
    "call_models",  # at the cost of one's own budget, or of the developer whom an admin names
    "read_team_budget",
    "administer",  # teams, developers, keys, budgets, projects; caches, the index, alerts, metrics: of every team
]

PERMISSIONS: Final[Mapping[RequesterRole, frozenset[Permission]]] = {
    "admin": frozenset({"read", "write", "change_any", "call_models", "read_team_budget", "administer"}),
    "lead": frozenset({"read", "write", "change_any", "call_models", "read_team_budget"}),
    "developer": frozenset({"read", "write", "call_models"}),
    "auditor": frozenset({"read", "read_team_budget"}),
}
"""The table of roles. What isn't named is refused."""

_REFUSALS: Final[Mapping[Permission, str]] = {
    "administer": "This needs the admin key: a developer's key is not enough.",
    "call_models": "Your role can't call models: ask an admin for a developer's key.",
    "write": "Your role can read, but not change anything: ask an admin for a developer's key.",
}


@dataclass(frozen=True, slots=True)
class Requester:
    """The person or program behind a key or a sign-in, and the team that they act for.

    The admin key is no developer's: without `developer_id`, `developer` and `key_id`. `acts_for`: the developer whom an admin names to pay.
    `purpose`: one word of the caller's on what the request is for. `projects`: those open to them; None: all of the team's, which is so
    for everybody as long as nothing closes a project.
    """

    team_id: UUID
    team: str
    developer_id: UUID | None = None
    developer: str | None = None
    key_id: UUID | None = None
    role: RequesterRole = "developer"
    acts_for: str | None = None
    purpose: str | None = None
    projects: frozenset[UUID] | None = None

    def __post_init__(self) -> None:
        if (self.role == "admin") != (self.developer_id is None):  # rooms take nobody's work for an admin's
            raise ValueError("Who is no developer is an admin, and the other way round.")

    @property
    def is_admin(self) -> bool:
        return self.role == "admin"

    @property
    def name(self) -> str:
        """Return the name that stands in histories and logs: the developer's, or `admin`."""
        return self.developer or "admin"

    def may(self, permission: Permission) -> bool:
        return permission in PERMISSIONS[self.role]

    def check(self, permission: Permission) -> None:
        """Raise NotPermitted where the role lacks the permission."""
        if permission not in PERMISSIONS[self.role]:
            raise NotPermitted(_REFUSALS.get(permission, "Your role doesn't include this: ask an admin."))

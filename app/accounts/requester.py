"""The requester, the record that every operation is given, and the one table of what each role may do. Knows no HTTP, no key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID

from app.errors import NotPermitted

DeveloperRole = Literal["lead", "developer", "auditor"]
"""The roles that a developer can be given; `admin` belongs to the admin key."""
RequesterRole = Literal["admin", DeveloperRole]
Permission = Literal[
    "read",  # the team's knowledge, sessions, projects, jobs and messages
    "write",  # record and judge knowledge, send sessions and messages; change what is one's own
    "change_any",  # correct, delete and purge what others of the team wrote
    "call_models",  # at the cost of one's own budget, or of the developer whom an admin names
    "read_team_budget",  # the budgets of one's team and of its developers, and what moved them
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
    "call_models": "Your role can't call models: ask an admin to give you the role developer.",
    "write": "Your role can read, but not change anything: ask an admin to give you the role developer.",
    "read_team_budget": "This needs the admin key, or the role lead or auditor. Your own budget: `cairn budget show` or GET /v1/budget.",
}


@dataclass(frozen=True, slots=True)
class Requester:
    """The person or program behind a key or a sign-in, and the team that they act for.

    The admin key is no developer's: without `developer_id`, `developer` and `key_id`. `acts_for`: the developer whom an admin names to pay.
    `purpose`: one word of the caller's on what the request is for.
    """

    team_id: UUID
    team: str
    developer_id: UUID | None = None
    developer: str | None = None
    key_id: UUID | None = None
    role: RequesterRole = "developer"
    acts_for: str | None = None
    purpose: str | None = None

    def __post_init__(self) -> None:
        if (self.role == "admin") != (self.developer_id is None):  # rooms take nobody's work for an admin's
            raise ValueError("A requester without a developer must have the role admin, and one with a developer another role.")

    @property
    def is_admin(self) -> bool:
        return self.role == "admin"

    @property
    def name(self) -> str:
        """Return the name that stands in histories and logs: the developer's, or `admin`."""
        return self.developer or "admin"

    def may(self, permission: Permission) -> bool:
        return permission in PERMISSIONS[self.role]

    def may_change(self, author: UUID | None) -> bool:
        """Tell whether they may change what this developer of their team wrote; None: an admin, or somebody who was removed."""
        return self.may("change_any") or (self.may("write") and author is not None and author == self.developer_id)

    def check(self, permission: Permission) -> None:
        """Raise NotPermitted where the role lacks the permission."""
        if permission not in PERMISSIONS[self.role]:
            raise NotPermitted(_REFUSALS.get(permission, "Your role doesn't include this: ask an admin."))

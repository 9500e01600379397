"""The requester, the record that every operation is given, and the one table of what each role may do. Knows no HTTP, no key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID

from app.errors import NotPermitted

ADMIN_NAME: Final = "admin"
"""The admin key's name in histories and logs, which no developer may have."""
DeveloperRole = Literal["admin", "lead", "developer", "auditor"]
"""The roles that a developer can be given. The admin key has the role `admin`, too, without being a developer's."""
Openness = Literal["team", "members"]
"""A project is open to everybody of its team, or to its members (and the roles that have `manage_members`)."""
PromptAction = Literal["shown", "hidden", "merged", "read", "exported"]
"""An entry of the audit of prompts: a project shows them from now on, or no longer; a merge began that period anew; somebody read a
session, or exported all of a developer's.
"""
Permission = Literal[
    "read",  # the team's knowledge, sessions, projects, jobs and messages
    "write",  # record and judge knowledge, send sessions and messages; change what is one's own
    "change_any",  # correct, delete and purge what others of the team wrote
    "call_models",  # at the cost of one's own budget, or of the developer whom an admin names
    "read_captures",  # whose sessions of one's team are captured, and how; one's own everybody may
    "read_team_budget",  # the budgets of one's team and of its developers, and what moved them
    "manage_members",  # say whom the team's projects are open to, and see every one of them
    "switch_prompts",  # say whether a project shows the prompts of its sessions to those with `read_prompts`
    "read_prompts",  # read what was said in others' sessions, where the project shows it; each reading is recorded
    "read_audit",  # who switched prompts on or off, and who read whose; what concerns oneself everybody may
    "administer",  # teams, developers, keys, budgets, projects; caches, the index, alerts, metrics: of every team
]

PERMISSIONS: Final[Mapping[DeveloperRole, frozenset[Permission]]] = {
    "admin": frozenset(
        {
            *("read", "write", "change_any", "call_models", "read_captures", "read_team_budget", "manage_members", "administer"),
            *("switch_prompts", "read_prompts", "read_audit"),
        }
    ),
    "lead": frozenset(
        {
            *("read", "write", "change_any", "call_models", "read_captures", "read_team_budget", "manage_members"),
            *("switch_prompts", "read_prompts"),
        }
    ),
    "developer": frozenset({"read", "write", "call_models"}),
    "auditor": frozenset({"read", "read_team_budget", "read_prompts", "read_audit"}),
}
"""The table of roles. What isn't named is refused."""

_REFUSALS: Final[Mapping[Permission, str]] = {
    "administer": "This needs the admin key, or the key of a developer with the role admin.",
    "change_any": "Only a lead or an admin can do this: ask one of them.",
    "call_models": "Your role can't call models: ask an admin to give you the role developer.",
    "write": "Your role can read, but not change anything: ask an admin to give you the role developer.",
    "manage_members": "Only a lead or an admin can change who a project is open to: ask one of them.",
    "switch_prompts": "Only a lead or an admin can change whether a project shows prompts: ask one of them.",
    "read_team_budget": "This needs the admin key, or the role lead or auditor. Your own budget: `cairn budget show` or GET /v1/budget.",
}


CLOSED = (
    "This session or name belongs to a project that isn't open to you, and nothing was stored: send it under another project's name,"
    " or ask a lead or an admin to make you a member."
)
"""Said to who sends something into a project that is closed to them."""


@dataclass(frozen=True, slots=True)
class Requester:
    """The person or program behind a key or a sign-in, and the team that they act for.

    The admin key is no developer's: without `developer_id`, `developer` and `key_id`. `team`: the one that an admin acts for may be another
    than their own. `acts_for`: the developer who pays, where an admin names one. `purpose`: one word on what the request is for.
    `closed`: the team's projects that are closed to them (`membership`): whatever reads or changes what belongs to a project leaves these
    out, as if they weren't there. `models`: the models that the key may ask for, as names and patterns; None: every one.
    """

    team_id: UUID
    team: str
    developer_id: UUID | None = None
    developer: str | None = None
    key_id: UUID | None = None
    role: DeveloperRole = "developer"
    acts_for: str | None = None
    purpose: str | None = None
    closed: frozenset[UUID] = frozenset()
    models: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.developer_id is None and self.role != "admin":  # rooms take nobody's work for the admin key's
            raise ValueError("A requester without a developer must have the role admin: only the admin key belongs to nobody.")

    @property
    def is_admin(self) -> bool:
        return self.role == "admin"

    @property
    def name(self) -> str:
        """Return the name that stands in histories and logs: the developer's, or the admin key's."""
        return self.developer or ADMIN_NAME

    def may(self, permission: Permission) -> bool:
        return permission in PERMISSIONS[self.role]

    def may_change(self, author: UUID | None) -> bool:
        """Tell whether they may change what this developer of their team wrote; None: the admin key's, or nobody's any more."""
        return self.may("change_any") or (self.may("write") and author is not None and author == self.developer_id)

    def check(self, permission: Permission) -> None:
        """Raise NotPermitted where the role lacks the permission."""
        if permission not in PERMISSIONS[self.role]:
            raise NotPermitted(_REFUSALS.get(permission, "Your role doesn't include this: ask an admin."))

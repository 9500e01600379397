"""Teams, developers, keys and projects as they are shown, and a change of whom a project is open to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from app import clock
from app.accounts.requester import DeveloperRole, Openness, PromptAction
from app.storage.revisions import revision_from

KeyState = Literal["active", "expired", "revoked"]
InvitationState = Literal["open", "used", "revoked", "expired"]
DeveloperState = Literal["active", "disabled", "removed"]


@dataclass(frozen=True, slots=True)
class TeamView:
    id: UUID
    name: str
    created_at: datetime
    developers: int


@dataclass(frozen=True, slots=True)
class DeveloperView:
    """`keys` counts the active ones. `disabled_at`: since then they are refused. `removed_at`: nobody can be them any more.

    `last_used_at`: when any key of theirs was used last, to within a minute.
    """

    id: UUID
    name: str
    team_id: UUID
    team: str
    monthly_limit_nanousd: int
    role: DeveloperRole
    keys: int
    created_at: datetime
    disabled_at: datetime | None = None
    removed_at: datetime | None = None
    last_used_at: datetime | None = None

    @property
    def state(self) -> DeveloperState:
        if self.removed_at is not None:
            return "removed"
        return "active" if self.disabled_at is None else "disabled"

    @property
    def revision(self) -> str:
        """Return the revision of what an admin sets of a developer."""
        return revision_from(self.id, self.name, self.team, self.role, self.monthly_limit_nanousd, self.disabled_at, self.removed_at)


@dataclass(frozen=True, slots=True)
class DeveloperFilter:
    """A filter of developers. `name`: part of it, in either case. `state` None: everybody who wasn't removed; any: those too."""

    name: str = ""
    role: DeveloperRole | None = None
    state: DeveloperState | Literal["any"] | None = None


@dataclass(frozen=True, slots=True)
class KeyView:
    """A key without its secret. `lookup` is its public part; `last_used_at` is known to within a minute.

    `models`: names and patterns of the models that it may ask for; None: every one.
    """

    id: UUID
    lookup: str
    name: str
    developer: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None
    models: Sequence[str] | None = None

    @property
    def expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= clock.now()

    @property
    def state(self) -> KeyState:
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expired else "active"


@dataclass(frozen=True, slots=True, repr=False)
class CreatedKey:
    """A key just made. `key` is shown once; `lookup` is its public part. `limit_nanousd` None: no limit of its own; `models` None: all."""

    id: UUID
    key: str
    lookup: str
    name: str
    expires_at: datetime | None
    models: Sequence[str] | None = None
    limit_nanousd: int | None = None


@dataclass(frozen=True, slots=True)
class InvitationView:
    """An invitation without its token. `created_by`: the name of the admin who made it."""

    id: UUID
    developer: str
    team: str
    role: DeveloperRole
    created_by: str
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None
    revoked_at: datetime | None

    @property
    def state(self) -> InvitationState:
        if self.used_at is not None:
            return "used"
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at <= clock.now() else "open"


@dataclass(frozen=True, slots=True)
class OpenIdAccountView:
    """A developer's account at an OpenID provider. `subject` None: `email` hasn't signed in yet."""

    id: UUID
    developer: str
    issuer: str
    subject: str | None
    email: str | None
    created_at: datetime
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class ProjectView:
    """`identity`: what its sessions have in common; `owner` tells it from another of that name.

    `members`: names of the developers whom it is open to, sorted; none while it is open to the team. `prompts_shown_since`: what is said in
    sessions that began since then is shown to those with `read_prompts`; None: the project shows no prompts.
    """

    id: UUID
    name: str
    identity: str | None
    owner: str | None
    created_at: datetime
    open: Openness
    members: Sequence[str]
    prompts_shown_since: datetime | None = None

    @property
    def revision(self) -> str:
        """Return the revision of what people set of a project."""
        return revision_from(self.id, self.name, self.open, sorted(self.members), self.prompts_shown_since)


@dataclass(frozen=True, slots=True)
class PromptSwitch:
    """A change of whether a project shows prompts. `by`: the developer who wants it; None: the admin key."""

    shown: bool
    by: UUID | None


@dataclass(frozen=True, slots=True)
class PromptReading:
    """A reading of another's session. `author`: whose it is; None: the admin key sent it, or somebody who is gone.

    `since`: since when its project shows prompts, as the reader was told. `first`, `last`: the events that are shown, by their seq.
    """

    project_id: UUID
    session_id: UUID
    author: UUID | None
    since: datetime
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class PromptAuditEntry:
    """An entry of the audit of prompts. `by` None: the admin key. `author`, `session_id`, `first`, `last`: of a reading.

    `project`: its name by then; None: of an export of all that a developer sent.
    """

    id: int
    at: datetime
    action: PromptAction
    by: str | None
    project_id: UUID | None
    project: str | None
    session_id: UUID | None
    author: str | None
    first: int | None
    last: int | None


@dataclass(frozen=True, slots=True)
class PromptAuditFilter:
    """Conditions on entries; None: any. `developer_id`: who did it, or whose session was read."""

    project_id: UUID | None = None
    developer_id: UUID | None = None
    action: PromptAction | None = None


@dataclass(frozen=True, slots=True)
class OpennessChange:
    """A change of whom a project is open to; None or empty: leave it. `members` replaces all; names of developers of the team."""

    open: Openness | None = None
    members: Sequence[str] | None = None
    add: Sequence[str] = ()
    remove: Sequence[str] = ()

    @property
    def changes(self) -> bool:
        return self.open is not None or self.members is not None or bool(self.add or self.remove)

"""Records of what else a plugin asks for: who asks, context, projects, redaction, models."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from cairn.client.records.knowledge import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key without its secret. `lookup`: its public part; it begins `cairn_LOOKUP_`. A time that is None: never.

    `models`: names and patterns of all that it may ask for; None: every model. `monthly_limit_usd`: what its calls may spend, beside the
    developer's budget; None: no limit of its own, and `spent_usd` and `held_usd` aren't counted. `renews_at`: the month's end.
    """

    id: str
    name: str
    lookup: str
    developer: str
    state: str
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None
    models: tuple[str, ...] | None
    monthly_limit_usd: Decimal | None
    spent_usd: Decimal | None
    held_usd: Decimal | None
    renews_at: datetime | None
    revision: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Me:
    """The owner of the client's key, and what it may. `developer` and `key` are None for the admin key, which belongs to nobody.

    `shows_prompts`: projects in which leads, auditors and admins can read what is said in new sessions.
    """

    developer: str | None
    team: str
    role: str
    permissions: tuple[str, ...]
    key: Key | None
    shows_prompts: tuple[str, ...]
    server_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextEntry:
    """An entry of a session's context: an item of knowledge, or a session that left something open or was the last."""

    id: str
    section: str
    type: str
    line: str
    source: Source


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionContext:
    """The context that a session should have at its start. `text`: to give to a model as it is; empty where nothing is worth telling."""

    text: str
    items: tuple[ContextEntry, ...]
    tokens: int
    project: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project. `identity`: how its sessions are recognised; None: by its name alone.

    `open`: whom it is open to, `team` or `members`. `members`: their names; none while it is open to the team.
    `prompts_shown_since`: what is said in sessions that began since then is shown to leads, auditors and admins; None: it isn't.
    """

    id: str
    name: str
    identity: str | None
    owner: str | None
    created_at: datetime
    open: str
    members: tuple[str, ...]
    prompts_shown_since: datetime | None
    revision: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectPage:
    """A page of projects. `next_cursor`: pass it as `cursor` for the next page; None on the last one."""

    projects: tuple[Project, ...]
    next_cursor: str | None = None

    @property
    def items(self) -> tuple[Project, ...]:
        """Return the projects of this page."""
        return self.projects


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A secret that was found; `start` and `end` count characters of the text that was sent."""

    kind: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentGuess:
    """An intent with its confidence: the probability that it is the right one."""

    intent: str
    confidence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification:
    """A prompt's intent, the two best with their confidence, and why. `activity`, `health`: of the events, None without any."""

    intents: tuple[IntentGuess, ...]
    intent: str | None = None
    intent_confidence: float | None = None
    activity: str | None = None
    health: str | None = None
    because: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Redaction:
    """A text without its secrets, and what they were."""

    text: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model that may be asked for: `auto`, a profile, or a provider's model."""

    id: str
    created: int = 0
    owned_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """The models that may be asked for."""

    data: tuple[Model, ...]

"""The records of a session: whole, as a citation shows it, and the filter that lists sessions. Does no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

FACTS = ("directory", "repository", "branch", "commit", "agent_version", "model")
"""Facts that a header gives about a session, besides title and time."""


@dataclass(frozen=True, slots=True)
class Session:
    """A session. `developer_id`: its first ingester, who may delete it. `event_count`: the last seq. `revision`: raised by every change.

    `redactions`: secrets removed, by kind.
    """

    id: UUID
    team_id: UUID
    project_id: UUID
    developer_id: UUID | None
    provider: str
    external_id: str
    title: str | None
    transcript: str
    directory: str | None
    repository: str | None
    branch: str | None
    commit: str | None
    agent_version: str | None
    model: str | None
    started_at: datetime | None
    ended_at: datetime | None
    file_dated_at: datetime | None
    event_count: int
    revision: int
    redactions: dict[str, int]
    created_at: datetime
    updated_at: datetime

    @property
    def at(self) -> datetime | None:
        """The session's time: by its records, heading, file's name or modification time, never by upload time. None if unknown."""
        return self.ended_at or self.started_at or self.file_dated_at

    @property
    def began_at(self) -> datetime | None:
        """The start time, from the same sources; unlike `at`, it doesn't move while the session grows."""
        return self.started_at or self.file_dated_at or self.ended_at


@dataclass(frozen=True, slots=True)
class CitedSession:
    """The fields of a session that a citation shows."""

    id: UUID
    transcript: str
    title: str | None
    branch: str | None
    commit: str | None


@dataclass(frozen=True, slots=True)
class SessionFilter:
    """Conditions on the sessions to list. `provider`: the agent that wrote the transcript. `title_words`: words that must all occur
    in the title, the file's name or the branch. `since`, `until`: start time, half-open; a session without any time matches no period.
    `sent_by`: the developer who sent it first; "admin": sent with the admin key.
    """

    project_id: UUID | None = None
    provider: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    title_words: str = ""
    sent_by: UUID | Literal["admin"] | None = None

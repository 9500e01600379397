"""The journal's data model: session headers and events, common to all transcript formats; and what callers give to become them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from app.errors import InvalidInput

Format = Literal[
    "specstory",
    "claude-code",
    "claude-export",
    "codex",
    "cursor",
    "cursor-database",
    "aider",
    "cline",
    "gemini",
    "qwen",
    "copilot-cli",
    "copilot-chat",
    "opencode",
    "amp",
    "droid",
    "pi",
    "kimi",
    "grok",
    "antigravity",
    "chatgpt",
    "generic",
]
GivenFormat = Literal["auto", Format]
"""The formats that a caller may give; auto: recognised by content."""
Role = Literal["user", "assistant", "tool", "system"]
Kind = Literal[
    "prompt",  # typed by a person (also what is typed when a tool call is rejected)
    "reply",  # the assistant's text for the person
    "thinking",  # the assistant's reasoning
    "tool",  # a tool call, with its result where the transcript has it
    "notice",  # text inserted by software: reminders, IDE tags, hooks, command echoes, compaction summaries
]
Outcome = Literal["ok", "failed", "rejected"]
CaptureWay = Literal[
    "hook",  # an IDE's hooks tell what happens
    "watch",  # `cairn watch` sends what a transcript grows by
    "upload",  # a transcript was sent whole: `cairn ingest`, POST /v1/sessions
    "events",  # a program sends its events itself
]
"""The way by which a session's events come."""


@dataclass(frozen=True, slots=True)
class ToolUse:
    """One call of a tool. `output` is empty until the result is known."""

    name: str
    input: str = ""
    output: str = ""
    exit_code: int | None = None


@dataclass(frozen=True, slots=True)
class ReplyUsage:
    """Tokens that a transcript reports for a reply; `cached` is part of `input`. `cost_nanousd` only where the transcript gives a price."""

    input: int = 0
    output: int = 0
    cached: int = 0
    cost_nanousd: int | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a session.

    `id` is stable: read again from a renamed or grown file, the same event has the same id within its session.
    `locator` is the event's place in the transcript (`L120` is line 120; generic events: their id).
    `at` is aware, in UTC, or None if the transcript has no plausible time.
    `served`: ids of the knowledge that Cairn's own words in it quoted, before they were taken out; journalled events are read without.
    `usage` is given once per reply, on its first event; `parent` is the id of the event it answers; `files`: paths in the tool's input.
    `provisional`: told by a hook before the transcript has its record, which adopts it: a tool call by its id, what was said by its
    text, whatever its `id`. Journalled events are never read as provisional.
    """

    id: str
    role: Role
    kind: Kind
    text: str
    locator: str
    at: datetime | None = None
    speaker: str | None = None
    tool: ToolUse | None = None
    outcome: Outcome | None = None
    sidechain: bool = False
    model: str | None = None
    usage: ReplyUsage | None = None
    parent: str | None = None
    files: tuple[str, ...] = ()
    provisional: bool = False
    served: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class SessionHeader:
    """Opens a session: the events up to the next header belong to it. May repeat; later values fill gaps of earlier ones.

    `provider` is the agent's name (`claude-code`, `cursor`, `codex`, `aider` …), `external_id` the agent's id of the session.
    If the transcript has them: `directory` is the working folder, `repository` its URL, `branch` and `commit` those at the start.
    `title_given`: somebody chose the title; it takes precedence over one derived from the first prompt.
    `formerly`: (provider, external id) under which an older Cairn, or an earlier state of the file, stored this session; `opens_with` is
    then the id of its first prompt (None: it has none), by which it is recognised.
    """

    provider: str
    external_id: str
    title: str | None = None
    started_at: datetime | None = None
    directory: str | None = None
    repository: str | None = None
    branch: str | None = None
    commit: str | None = None
    agent_version: str | None = None
    model: str | None = None
    title_given: bool = False
    formerly: tuple[tuple[str, str], ...] = ()
    opens_with: str | None = None


@dataclass(frozen=True, slots=True)
class GivenToolCall:
    """A call of a tool as it was given: `input` a string, or any JSON."""

    name: str
    input: object = ""
    output: str = ""
    exit_code: int | None = None


@dataclass(frozen=True, slots=True)
class GivenEvent:
    """One event as it was given. `id` is its own, stable: sent again, it changes nothing."""

    id: str
    role: Role
    text: str = ""
    speaker: str | None = None
    timestamp: datetime | None = None
    tool: GivenToolCall | None = None


@dataclass(frozen=True, slots=True)
class GivenTranscript:
    """A transcript as it is sent. `name`: its file's, for citations; `project` None: its sessions tell it, by where they worked.

    `directory`: where that was, for sessions that don't say so.
    """

    name: str
    project: str | None = None
    format: GivenFormat = "auto"
    modified_at: datetime | None = None
    directory: str | None = None


@dataclass(frozen=True, slots=True)
class GivenPiece:
    """Bytes of a growing transcript, from `offset` on. `source`: the client's name of the file. `end`: it has no more so far.

    `repository`: its URL, where the transcript doesn't say. `directory`: the folder that its sessions worked in, of the repository where
    that is a worktree: it goes before the transcript's in telling the project.
    """

    source: str
    name: str
    data: bytes
    offset: int
    end: bool = False
    format: GivenFormat = "auto"
    project: str | None = None
    modified_at: datetime | None = None
    repository: str | None = None
    directory: str | None = None


def too_many_events(count: int, *, limit: int) -> InvalidInput:
    """Return the error for a request with more events than one may hold."""
    said = f"The request has {count} events; at most {limit} are allowed (sessions.max_live_events). Send them in several requests."
    return InvalidInput(said, param="events")

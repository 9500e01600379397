"""The words of the journal: what a transcript, of whatever format, is made of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Format = Literal["specstory", "claude-code", "codex", "cursor", "aider", "generic"]
Role = Literal["user", "assistant", "tool", "system"]
Kind = Literal[
    "prompt",  # typed by a person (also what is typed when a tool call is rejected)
    "reply",  # the assistant's words to the person
    "thinking",  # the assistant's words to itself
    "tool",  # a tool call, with its result where the transcript has it
    "notice",  # words nobody said: reminders, IDE tags, hooks, command echoes, compaction summaries
]
Outcome = Literal["ok", "failed", "rejected"]


@dataclass(frozen=True, slots=True)
class ToolUse:
    """One call of a tool. `output` is empty until the result is known."""

    name: str
    input: str = ""
    output: str = ""
    exit_code: int | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """What the transcript says that a reply took, in tokens; `cached` of the input. `cost_nanousd` where it names a price."""

    input: int = 0
    output: int = 0
    cached: int = 0
    cost_nanousd: int | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened in a session.

    `id` is stable: the same event read again, from a renamed or a grown file, has the same id within its session.
    `locator` says where a person finds it in the transcript (`L120` is line 120; generic events: their id).
    `at` is aware, UTC, or None where the transcript has no (believable) time.
    `model` wrote it; `usage` is told once a reply, at its first event; `parent` is the event it answers; `files` a tool's input names.
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
    usage: Usage | None = None
    parent: str | None = None
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SessionHeader:
    """Opens a session: the events after it belong to it, until the next header. May repeat; later facts fill earlier gaps.

    `provider` is the agent's name (`claude-code`, `cursor`, `codex`, `aider` …), `external_id` its own id of the session.
    Where the transcript says so: `directory` the folder that the session worked in, `repository` its URL, `branch` and `commit` as it
    began, `agent_version` and `model`. `title_given`: somebody gave the title; it goes before one made from what was asked.
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

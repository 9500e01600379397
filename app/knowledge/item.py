"""The words of knowledge: its kinds and types, where it was said, and what extraction hands to the store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args
from uuid import UUID

Kind = Literal["item", "passage"]
"""What was learnt, or what was said."""
PASSAGE: Kind = "passage"
"""Also a passage's type, in results and in the index; an item's is one of KNOWLEDGE_TYPES."""
KINDS: tuple[Kind, ...] = get_args(Kind)

KnowledgeType = Literal[
    "coding_pattern",
    "architectural_decision",
    "bug_solution",
    "implementation_strategy",
    "tool_usage",
    "optimization",
    "integration_pattern",
    "refactoring",
    "testing_strategy",
    "deployment_approach",
    "gotcha",
    "abstract_concept",
]
KNOWLEDGE_TYPES: tuple[KnowledgeType, ...] = get_args(KnowledgeType)

Intent = Literal["learning", "exploration", "debugging", "feature-dev", "refactoring", "testing", "optimization", "documentation"]

Freshness = Literal["fresh", "aging", "stale", "deprecated"]


RECORDED = "recorded by a person"
"""Stands where a citation names a transcript."""
EXCERPT_CHARS = 400
"""Of a recorded item's text, in its citation."""


@dataclass(frozen=True, slots=True)
class Quote:
    """Where an item was learnt or a passage said. `excerpt` is verbatim from the transcript: quoted, never an instruction.

    `session_id` None: a person wrote the item down; `transcript` is RECORDED then, `locator` the item's id, `excerpt` its beginning.
    `branch`, `commit`: of the session, where they are known and were asked for.
    """

    session_id: UUID | None
    transcript: str
    locator: str
    excerpt: str
    at: datetime | None
    branch: str | None = None
    commit: str | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something that extraction found in one session: selected and condensed from what was said, nothing invented.

    `text` can be understood by someone who never saw the session; `excerpt` is verbatim from the event at `locator`.
    `key` is stable within the session: extracting the same session again, also after it has grown, yields the same key.
    """

    key: str
    type: KnowledgeType
    title: str
    text: str
    confidence: float
    event_id: str
    locator: str
    excerpt: str
    at: datetime | None = None
    intent: Intent | None = None

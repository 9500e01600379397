"""The domain values of knowledge: kinds, types, citations, and the candidates that extraction hands to the store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args
from uuid import UUID

Kind = Literal["item", "passage"]
"""An item (distilled) or a passage (verbatim dialogue)."""
PASSAGE: Kind = "passage"
"""Also the `type` of every passage, in results and in the index; an item's type is one of KNOWLEDGE_TYPES."""
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
"""The `transcript` of a citation whose source is a person."""
EXCERPT_CHARS = 400
"""Length of the excerpt that cites a recorded item: the beginning of its text."""


@dataclass(frozen=True, slots=True)
class Quote:
    """A citation: where an item was learnt or a passage said. `excerpt` is verbatim: quoted material, never an instruction.

    `session_id` None: a person recorded the item; then `transcript` is RECORDED, `locator` the item's id, `excerpt` the text's beginning.
    `branch`, `commit`: the session's, where known and asked for.
    """

    session_id: UUID | None
    transcript: str
    locator: str
    excerpt: str
    at: datetime | None
    branch: str | None = None
    commit: str | None = None


@dataclass(frozen=True, slots=True)
class ItemCandidate:
    """A candidate that extraction found in one session, quoted and condensed from its events.

    `text` is understandable without the session; `excerpt` is verbatim from the event at `locator`.
    `key` is stable within the session: extracting it again, even after it has grown, yields the same key.
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

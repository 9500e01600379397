"""The words of knowledge: its types, and what extraction hands to the store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

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

"""The domain values of knowledge: items, their types, citations and history, and the candidates that extraction hands to the store."""

from __future__ import annotations

from collections.abc import Sequence
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

Verdict = Literal["helpful", "wrong", "stale"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

HistoryAction = Literal["learnt", "merged", "recorded", "corrected", "judged"]

MAX_PAGE = 200
"""Items of a page."""
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


@dataclass(frozen=True, slots=True)
class Item:
    """An item with its evidence, newest first. `developer_id`: its author; None: an admin, or somebody who was removed."""

    id: UUID
    type: str
    intent: str | None
    title: str
    text: str
    confidence: float
    freshness: Freshness
    project_id: UUID
    developer_id: UUID | None
    evidence_count: int
    created_at: datetime
    last_seen_at: datetime
    origin: str
    paths: Sequence[str]
    corrected_at: datetime | None
    helpful: int
    wrong: int
    stale: int
    hidden: bool
    evidence: tuple[Quote, ...]


@dataclass(frozen=True, slots=True)
class HistoryEvent:
    """One event in an item's history, dated when it happened in Cairn (the session itself may be older).

    `merged`: another place taught the same. `developer_id` None: nobody (it was learnt), an admin (`by_admin`), or a removed developer.
    `title`, `text`, `type`, `paths`: the session's words, or what the person wrote; None: unchanged.
    """

    what: HistoryAction
    at: datetime
    developer_id: UUID | None = None
    by_admin: bool = False
    type: str | None = None
    title: str | None = None
    text: str | None = None
    paths: Sequence[str] | None = None
    verdict: str | None = None
    note: str | None = None
    source: Quote | None = None


@dataclass(frozen=True, slots=True)
class ItemFilter:
    """A filter of items. `project_id`: a project of the team. `since`, `until`: when first learnt or recorded, half-open.

    `subject`: words that the title, text or paths must all contain. `session_id`: learnt from this session.
    `hidden`: only items that people's verdicts hide, instead of only the others.
    """

    project_id: UUID | None = None
    type: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    subject: str = ""
    session_id: UUID | None = None
    hidden: bool = False

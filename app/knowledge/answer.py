"""What is asked of a team's knowledge, and what comes back: the words that search, its cache and its callers share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

from app.knowledge.store import Quote

CacheWish = Literal["auto", "refresh", "never"]
"""By the rules; a new answer, kept; neither read nor kept."""
Origin = Literal["miss", "memory", "redis", "database"]


@dataclass(frozen=True, slots=True)
class Query:
    """`project` filters; `prefer_project` only ranks that project's items first. `cache`: what may be done with an answer from before.

    `asker`: who asks; it changes nothing in the answer.
    """

    text: str
    project: str | None = None
    types: tuple[str, ...] = ()
    limit: int = 10
    min_score: float | None = None
    prefer_project: str | None = None
    explain: bool = False
    cache: CacheWish = "auto"
    asker: UUID | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """One item that answers, with its newest citation. Its words are quoted from a transcript: never an instruction."""

    id: UUID
    type: str
    title: str
    text: str
    score: float
    confidence: float
    freshness: str
    project: str
    source: Quote
    created_at: datetime
    evidence_count: int
    explain: dict[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """`degraded` names the parts that were away: the answer is narrower than usual. `cache`: the tier it came from."""

    results: tuple[Result, ...]
    took_ms: float
    degraded: tuple[str, ...]
    cache: Origin = "miss"


class Asks(Protocol):
    """Where questions go: `Search`, and what stands around it."""

    async def query(self, team_id: UUID, query: Query) -> Answer:
        """The team's items that answer, best first. InvalidInput names the field that can't be used."""

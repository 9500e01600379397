"""What is asked of a team's knowledge, and what comes back: the words that search, its cache and its callers share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

from app.clock import in_utc
from app.knowledge.item import KINDS, Kind, Quote

MIN_TOKENS, MAX_TOKENS = 100, 20_000
"""Of a question's `max_tokens`."""
MAX_FILES, MAX_FILE_CHARS = 20, 500
CacheWish = Literal["auto", "refresh", "never"]
"""By the rules; a new answer, kept; neither read nor kept."""
Origin = Literal["miss", "memory", "redis", "database"]


@dataclass(frozen=True, slots=True)
class Query:
    """`project` filters; `prefer_project` and `files` (what the IDE has open) only steer.

    `types`: of items; where it names some, passages are left out. `since`, `until`: when it was said, half-open; a time without a zone is
    UTC. `max_tokens`: of all results' texts together; None: the server's own. `cache`: what may be done with an answer from before.
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
    kinds: tuple[Kind, ...] = KINDS
    files: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    max_tokens: int | None = None

    def __post_init__(self) -> None:
        for name in ("since", "until"):
            if (moment := getattr(self, name)) is not None:
                object.__setattr__(self, name, in_utc(moment, name))

    def asks_for(self, kind: Kind) -> bool:
        return kind in self.kinds and (kind == "item" or not self.types)


@dataclass(frozen=True, slots=True)
class Result:
    """An item or a passage that answers, with its newest citation. Its words are quoted from a transcript: never an instruction.

    `score`: what `min_score` and the server's own threshold are compared with. A passage's `text` is the passage with what stands around
    it, `source.excerpt` the passage alone. `created_at`: an item's first evidence, the time of a passage's newest place where one is known.
    `evidence_count`: in how many places it was learnt, or said. `confidence` of a passage is 1: it is quoted, not distilled.
    """

    id: UUID
    kind: Kind
    type: str
    title: str
    text: str
    score: float
    confidence: float
    freshness: str
    project: str
    source: Quote
    created_at: datetime | None
    evidence_count: int
    explain: dict[str, object] | None = None
    places: tuple[tuple[int, str], ...] = ()
    """(where it begins in `text`, its locator) of each passage in the text, in order. An item has none."""

    def locator_of(self, place: int) -> str:
        """The locator of what stands at a place in the text."""
        return next((locator for start, locator in reversed(self.places) if start <= place), self.source.locator)


@dataclass(frozen=True, slots=True)
class Answer:
    """`degraded` names the parts that were away: the answer is narrower than usual. `cache`: the tier it came from.

    `tokens`: of all results' texts (`app.tokens`). `abstained`: nothing answers, though every part was asked.
    """

    results: tuple[Result, ...]
    took_ms: float
    degraded: tuple[str, ...]
    cache: Origin = "miss"
    tokens: int = 0

    @property
    def abstained(self) -> bool:
        return not self.results and not self.degraded


class Asks(Protocol):
    """Where questions go: `Search`, and what stands around it."""

    async def query(self, team_id: UUID, query: Query) -> Answer:
        """The team's items and passages that answer, best first. InvalidInput names the field that can't be used."""

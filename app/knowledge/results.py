"""The query and its results: the types that search, its cache and their callers share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

from app.clock import age_days, in_utc
from app.knowledge.item import KINDS, Kind, Quote, Standing

MIN_TOKENS, MAX_TOKENS = 100, 20_000
"""Bounds of a query's `max_tokens`."""
MAX_FILES, MAX_FILE_CHARS = 20, 500
"""Bounds of a query's `files`."""
CacheMode = Literal["auto", "refresh", "never"]
"""auto: cached where the rules allow; refresh: search anew, and cache the results; never: neither read from the cache nor written to it."""
Origin = Literal["miss", "memory", "redis", "database"]
"""The cache tier that had the results; miss: none had them."""


@dataclass(frozen=True, slots=True)
class Query:
    """A question to a team's knowledge. `project` filters; `prefer_project` and `files` (open in the IDE) only influence the ranking.

    `types`: of items; `subject`: what items are about (`subject_rows.about`); if either is given, passages are left out. `since`, `until`:
    when it was said, half-open; a time without a zone is UTC. `max_tokens`: of all results' texts together; None: the server's default.
    `intents`: only what comes from exchanges whose prompt has one of them, an item by the places of its evidence; none: all.
    `cache`: how to use cached answers. `asker`: the developer who asks; it doesn't change the answer. `closed`: the projects that are
    closed to them, which are left out.
    """

    text: str
    project: str | None = None
    types: tuple[str, ...] = ()
    limit: int = 10
    min_score: float | None = None
    prefer_project: str | None = None
    explain: bool = False
    cache: CacheMode = "auto"
    asker: UUID | None = None
    kinds: tuple[Kind, ...] = KINDS
    files: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    max_tokens: int | None = None
    closed: frozenset[UUID] = frozenset()
    subject: str = ""
    intents: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("since", "until"):
            if (moment := getattr(self, name)) is not None:
                object.__setattr__(self, name, in_utc(moment, name))

    @property
    def where(self) -> dict[str, list[str]]:
        """The vector store's filter by intents; the same text for the same intents."""
        return {"intent": sorted(set(self.intents))} if self.intents else {}

    def asks_for(self, kind: Kind) -> bool:
        return kind in self.kinds and (kind == "item" or not (self.types or self.subject.strip()))


@dataclass(frozen=True, slots=True)
class Replacement:
    """The item that replaces what a result says, the latest if there are several; `at`: when it was said.

    Of a passage: what replaces an item whose words it holds.
    """

    id: UUID
    title: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Result:
    """An item or a passage that answers, with its newest citation. Its text is quoted from a transcript: never an instruction.

    `score`: compared with `min_score` and the server's threshold. A passage's `text` includes the passages around it, its `source.excerpt`
    doesn't. `created_at`: of an item's first evidence, or of a passage's newest place; None if unknown. `last_at`: when an
    item was last learnt or corrected, or a passage last said; its age counts from then.
    `evidence_count`: the number of places where it was learnt or said. `confidence`: 1 for a passage, since it is quoted, not distilled.
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
    last_at: datetime | None = None
    explain: dict[str, object] | None = None
    places: tuple[tuple[int, str], ...] = ()
    """(offset in `text`, locator) of each passage in the text, in order; empty for an item."""
    replaced_by: Replacement | None = None
    contradicts: tuple[UUID, ...] | None = None
    """Items that can't hold beside it, until a person decides; None: there are none."""
    like: tuple[UUID, ...] | None = None
    """Near-copies that are folded under it, the best first; None: there are none."""
    standing: tuple[Standing, ...] | None = None
    """The projects that hold it and the people who stand by it, if they are more than one."""

    @property
    def age_days(self) -> int | None:
        """Days since it was last said, learnt or corrected; None if unknown."""
        return None if self.last_at is None else age_days(self.last_at)

    def locator_of(self, place: int) -> str:
        """Return the locator of the passage at an offset in the text."""
        return next((locator for start, locator in reversed(self.places) if start <= place), self.source.locator)


@dataclass(frozen=True, slots=True)
class SearchResults:
    """The results of a query. `degraded` names the parts that were unavailable, so that fewer were found.

    `cache`: the cache tier that served them. `tokens`: of all results' texts (`app.tokens`).
    """

    results: tuple[Result, ...]
    took_ms: float
    degraded: tuple[str, ...]
    cache: Origin = "miss"
    tokens: int = 0

    @property
    def abstained(self) -> bool:
        """True if nothing answers although every part was searched."""
        return not self.results and not self.degraded


@dataclass(frozen=True, slots=True)
class UnansweredQuestion:
    """An unanswered question: how often it was asked, and when last."""

    text: str
    times: int
    last_at: datetime


class Searcher(Protocol):
    """The interface of `Search` and of the caches around it."""

    async def query(self, team_id: UUID, query: Query) -> SearchResults:
        """Return the team's items and passages that answer, best first. InvalidInput names the field that can't be used."""

"""Records of knowledge: what a query finds and answers, items and passages, their history."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The place in a session where something was said. `session_id` None: a person recorded it. `locator`: such as `L120`, a line."""

    transcript: str
    locator: str
    excerpt: str
    at: datetime | None
    session_id: str | None = None
    branch: str | None = None
    commit: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """The item that replaces a result. `at`: when it was said."""

    id: str
    title: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One result of a query: an `item` (distilled) or a `passage` (what was said, verbatim). `score`: 0 to 1. `age_days` None: unknown."""

    id: str
    kind: str
    type: str
    title: str
    text: str
    score: float
    confidence: float
    freshness: str
    project: str
    source: Source
    evidence_count: int
    age_days: int | None = None
    created_at: datetime | None = None
    explain: Mapping[str, object] | None = None
    replaced_by: Replacement | None = None
    contradicts: tuple[str, ...] | None = None
    like: tuple[str, ...] | None = None
    standing: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """A citation of an answer, verbatim. `result`: the id of the result that contains it."""

    text: str
    result: str
    transcript: str
    locator: str
    at: datetime | None = None
    session_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """A sentence of a model's answer. `citations`: numbers of the quotes behind it, from 1."""

    text: str
    citations: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer: quotes (`by` is `extract`) or a model's sentences (`model`); `[1]` in its text is the first of `citations`.

    `abstained`: nothing answers the question, and `text` is empty.
    """

    text: str
    citations: tuple[Quote, ...]
    abstained: bool
    by: str
    sentences: tuple[Sentence, ...] | None = None
    model: str | None = None
    provider: str | None = None
    cost_usd: Decimal | None = None
    budget_remaining_usd: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryReply:
    """The results of a query, the best first, and its answer if it was asked for.

    `abstained`: nothing relevant was found. `degraded`: parts that were unavailable. `tokens`: of all results' texts together.
    """

    results: tuple[Result, ...]
    tokens: int
    abstained: bool
    took_ms: float
    degraded: tuple[str, ...]
    answer: Answer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """Numbers of people by their latest verdict."""

    helpful: int
    wrong: int
    stale: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Uses:
    """Numbers of sessions that were served it and did what it says: the person went on with that, or took it back."""

    accepted: int
    refused: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A thing that an item is about. `kind`: file, symbol, setting, tool, service or ticket."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedItem:
    """An item that replaces another, or is replaced by it. `words`: the later one's, that say so; `at`: when they were said.

    `cause`: `said`, or a person's deed at that time without words: `decided` between two that contradict each other, or `merged`.
    """

    id: str
    title: str
    words: str
    at: datetime
    cause: str = "said"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContradictingItem:
    """An item that can't hold beside another. `words`: its own; `own_words`: the other's, which contradict them."""

    id: str
    title: str
    words: str
    own_words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedItem:
    """An item in a list. `mine`: this key may correct and delete it. `revision`: pass it to `correct`."""

    id: str
    type: str
    title: str
    text: str
    project: str
    origin: str
    confidence: float
    freshness: str
    evidence_count: int
    paths: tuple[str, ...]
    revision: str
    feedback: Verdicts
    hidden: bool
    created_at: datetime
    corrected_at: datetime | None
    mine: bool
    age_days: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeMark:
    """The verdict on the code that an item speaks of, as last checked in one repository.

    `verdict`: `fresh`, `changed`, `gone` or `unverifiable`, then with its `reason`. `commit`: the last one that changed or removed it.
    `former_path`: where it was, if elsewhere. `head`: the commit that was checked.
    """

    repository: str
    verdict: str
    path: str | None
    symbol: str | None
    former_path: str | None
    commit: str | None
    committed_at: datetime | None
    reason: str | None
    head: str
    checked_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Item(ListedItem):
    """An item with its evidence: where it was said. `used`: what sessions made of it. `subjects`: what it is about.

    `learnt_at`: when Cairn learnt it. `replaced_by`, `replaces`: later items that say that this one no longer holds, and the reverse.
    `contradicts`: those that can't hold beside it, until a person decides. `code`: what became of the code that it speaks of.
    `retired`: a lead hides it. `distilled`: a model worded it.
    """

    intent: str | None
    last_seen_at: datetime
    used: Uses
    evidence: tuple[Source, ...]
    subjects: tuple[Subject, ...] = ()
    learnt_at: datetime | None = None
    replaced_by: tuple[LinkedItem, ...] = ()
    replaces: tuple[LinkedItem, ...] = ()
    contradicts: tuple[ContradictingItem, ...] = ()
    standing: tuple[str, ...] = ()
    retired: bool = False
    distilled: bool = False
    code: tuple[CodeMark, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A passage with its places in sessions, without the text around it. `heading`: the one above it; empty if there is none."""

    id: str
    kind: Literal["passage"]
    heading: str
    text: str
    project: str
    evidence_count: int
    used: Uses
    evidence: tuple[Source, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """An event of an item's history. `by` None: a session.

    `what`: learnt, merged, recorded, corrected, judged, used, refused, replaced, restored, contradicted, decided, merged_into, absorbed,
    retired or reinstated. `other`: the item that replaces or contradicts it, or that was merged into it.
    """

    what: str
    at: datetime
    by: str | None = None
    type: str | None = None
    title: str | None = None
    text: str | None = None
    paths: tuple[str, ...] | None = None
    verdict: str | None = None
    note: str | None = None
    source: Source | None = None
    other: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """An item's history, the latest first."""

    history: tuple[HistoryEntry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemPage:
    """A page of items. `next_cursor`: pass it as `cursor` for the next page; None on the last one."""

    items: tuple[ListedItem, ...]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContradictionSide:
    """One of two items that contradict each other. `words`: its own, which do; `said_at`: when it was first said, or recorded."""

    id: str
    title: str
    words: str
    said_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """Two items of a project that can't both hold, between which nobody has decided. `items`: the one said first before the other."""

    project: str
    found_at: datetime
    items: tuple[ContradictionSide, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContradictionPage:
    """A page of contradictions, the one found last first. `next_cursor`: pass it as `cursor` for the next page; None on the last one."""

    contradictions: tuple[Contradiction, ...]
    next_cursor: str | None = None

"""Searches items: dense and lexical candidates fused by the vector store (or PostgreSQL's full-text index) → ranked, with citations."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import TIMESTAMP, ColumnElement, Select, Uuid, all_, and_, any_, bindparam, cast, func, literal, or_, select, true
from sqlalchemy.dialects.postgresql import ARRAY, REGCONFIG

from app.errors import Unavailable
from app.knowledge.contradiction_rows import contradicting
from app.knowledge.folding import ROOM, fold
from app.knowledge.intent_rows import evidence_has_intent
from app.knowledge.item import KNOWLEDGE_TYPES, PASSAGE
from app.knowledge.ranking import Support, rank
from app.knowledge.replaced_order import newer_first
from app.knowledge.results import Query, Result
from app.knowledge.search_backend import SearchBackend
from app.knowledge.standing import is_portable
from app.knowledge.subject_rows import about
from app.knowledge.supersession_rows import replacement, replacements
from app.knowledge.tables import NEWEST_EVIDENCE, EvidenceRow, ItemRow
from app.knowledge.use_counts import counts_of_items
from app.knowledge.versions import Scope
from app.storage.tables import AnyRow
from app.storage.vectors import lexical
from app.storage.vectors.store import Vector, Where, Within
from app.telemetry import traces

log = structlog.get_logger()

MIN_CANDIDATES, CANDIDATES_AN_ITEM = 10, 3
"""Candidates to rank if passages are asked for too: items then get few places."""
MAX_ABOUT = 500
"""Items about a subject that are ranked, the newest."""


@dataclass(frozen=True, slots=True)
class FoundItems:
    """Candidate rows in no particular order, and their projects' names by id."""

    rows: Sequence[AnyRow]
    names: dict[UUID, str]


NO_ITEMS = FoundItems((), {})


class ItemSearch:
    """Finds and ranks the items that answer a question."""

    def __init__(self, backend: SearchBackend) -> None:
        self._reads = backend.reads
        self._accounts = backend.accounts
        self._index = backend.index
        self._vectors = backend.vectors
        self._limits = backend.limits

    async def find(self, scope: Scope, query: Query, vector: Vector | None, degraded: list[str]) -> FoundItems:
        """Read the candidates. Appends the parts that were unavailable to `degraded`."""
        if query.subject.strip():
            ids: list[UUID] | None = await self._about(scope, query)
        else:
            ids = await self._candidates(scope, query, vector, degraded)
        rows = await self._with_replacements(scope, query, await self._read(scope, ids, query))
        return FoundItems(rows, await self._accounts.project_names(scope.team_id, {row.project_id for row in rows}))

    async def results(self, query: Query, found: FoundItems, vector: Vector | None, *, limit: int, support: Support) -> list[Result]:
        """Rank the candidates, and return the first `limit` relevant ones: the replaced behind its replacement, copies under the best."""
        least = self._limits.min_relevance if query.min_score is None else query.min_score
        wanted = {row.replaced_by for row in found.rows if row.replaced_by is not None}
        more = limit + len(wanted) + ROOM  # what is replaced or folded makes room
        ranked = rank(query, found.rows, vector, found.names, limit=more, min_score=least, support=support)
        missing = [row for row in found.rows if row.id in wanted.difference(each.id for each in ranked)]
        newer = rank(query, missing, vector, found.names, limit=len(missing), min_score=0.0, support=support) if missing else []
        in_order = newer_first(ranked, newer, limit=limit + ROOM)
        found_in_order = [each for each in in_order if query.min_score is None or each.score >= query.min_score]
        # CPU work, of comparing words: other requests go on meanwhile
        return await asyncio.to_thread(fold, found_in_order, {row.id: row for row in found.rows}, limit=limit)

    async def by_id(self, scope: Scope, query: Query, ids: Sequence[UUID], vector: Vector | None, *, support: Support) -> list[Result]:
        """Return the items of these ids that the requester may see, whatever their score: they come along with a passage."""
        rows = await self._read(scope, list(ids), query)
        names = await self._accounts.project_names(scope.team_id, {row.project_id for row in rows})
        return rank(query, rows, vector, names, limit=len(rows), min_score=0.0, support=support) if rows else []

    async def _about(self, scope: Scope, query: Query) -> list[UUID]:
        """Return the newest items about the query's subject: few enough to rank each, whatever words they share with the question."""
        place = ItemRow.team_id == scope.team_id if scope.project_id is None else ItemRow.project_id == scope.project_id
        found = select(ItemRow.id).where(place, ~ItemRow.hidden, about(scope.team_id, query.subject))
        if scope.closed:
            found = found.where(ItemRow.project_id.not_in(scope.closed))
        if query.types:
            found = found.where(ItemRow.type.in_(query.types))
        rows = await self._reads.rows(found.order_by(ItemRow.created_at.desc(), ItemRow.id.desc()).limit(MAX_ABOUT), {})
        return [row.id for row in rows]

    async def _candidates(self, scope: Scope, query: Query, vector: Vector | None, degraded: list[str]) -> list[UUID] | None:
        """Return ids from the vector store's fused search; None: use PostgreSQL's full-text index instead."""
        if vector is None:
            return None
        if not self._index.complete:
            degraded.append("vectors")
            return None
        where: Where = {**scope.where, "type": list(query.types or KNOWLEDGE_TYPES), **query.where}
        # Necessary: first learnt before the period's end. Its evidence decides the rest.
        within = None if query.until is None else Within("created_at", None, query.until)
        limit = self._candidate_limit(query)
        try:
            with traces.span("vectors hybrid", "client", db__system__name="qdrant", db__operation__name="query"):
                terms = lexical.query(query.text)
                hits = await self._vectors.hybrid(vector, terms, where=where, limit=limit, within=within, without=scope.without)
        except Unavailable as error:
            log.warning("search.degraded", part="vectors", code=error.code)
            degraded.append("vectors")
            return None
        return [hit.id for hit in hits]

    async def _read(self, scope: Scope, ids: list[UUID] | None, query: Query) -> Sequence[AnyRow]:
        """Read the candidates' rows, each with its newest evidence.

        Filters by team and closed projects again: the index is not the source of truth.
        """
        if ids is not None:
            return await self._reads.rows(_BY_ID[_kind(query)], _bound(scope, query, ids=ids)) if ids else []
        found = _full_text(_ITEMS[_kind(query)], query.text, scope, query.types, self._candidate_limit(query))
        return await self._reads.rows(found, _bound(scope, query))

    async def _with_replacements(self, scope: Scope, query: Query, rows: Sequence[AnyRow]) -> Sequence[AnyRow]:
        """Add the items that replace the candidates, whether or not the question finds them, and what replaces these.

        None of another type, from other exchanges or about another subject than asked for.
        """
        known = {row.id for row in rows}
        replaced = [row.id for row in rows if row.replaced_by is not None and row.replaced_by not in known]
        if not replaced:
            return rows
        replacing = _REPLACING[_kind(query)]
        if query.types:
            replacing = replacing.where(ItemRow.type.in_(query.types))
        if query.subject.strip():
            replacing = replacing.where(about(scope.team_id, query.subject))
        found = await self._reads.rows(replacing, _bound(scope, query, ids=replaced))
        return [*rows, *(row for row in found if row.id not in known)]

    def _candidate_limit(self, query: Query) -> int:
        """Return how many candidates to rank; few beside passages. More than are shown, since some are too weak."""
        if query.asks_for(PASSAGE):
            return max(MIN_CANDIDATES, CANDIDATES_AN_ITEM * self._limits.max_items)
        return max(self._limits.candidates, query.limit)


def _kind(query: Query) -> tuple[bool, bool]:
    """Return whether a query has a period, and whether it has intents: each pair has statements of its own."""
    return query.since is not None or query.until is not None, bool(query.intents)


def _bound(scope: Scope, query: Query, **more: object) -> dict[str, object]:
    """Return the values of a statement's parameters."""
    values: dict[str, object] = {"team": scope.team_id, "closed": list(scope.closed), **more}
    dated, labelled = _kind(query)
    period = {"since": query.since, "until": query.until} if dated else {}
    return values | period | ({"intents": list(query.intents)} if labelled else {})


def _with_newest_evidence(*, dated: bool, labelled: bool) -> Select[*tuple[Any, ...]]:
    """Select items of the bound `team`, not of the projects `closed`, each with the newest evidence with the item's words, in the period
    and of the intents asked for.

    A corrected item takes any evidence, since its words are the person's. A recorded item needs none, unless intents are asked for, and is
    dated by its recording.
    """
    counts = [*([_in_period(EvidenceRow.at)] if dated else []), *([evidence_has_intent()] if labelled else [])]
    newest = (
        select(EvidenceRow.session_id, EvidenceRow.transcript, EvidenceRow.locator, EvidenceRow.excerpt, EvidenceRow.at)
        .where(EvidenceRow.knowledge_id == ItemRow.id, or_(EvidenceRow.text == ItemRow.text, ItemRow.corrected_at.is_not(None)))
        .where(*counts)
        .order_by(*NEWEST_EVIDENCE)
        .limit(1)
        .lateral("newest")
    )
    uses = counts_of_items().lateral("uses")
    latest = replacement(_until(dated=dated)).lateral("latest")
    against = contradicting(_until(dated=dated)).label("contradicts")
    closed: ColumnElement[Any] = bindparam("closed", type_=ARRAY(Uuid))
    columns = [column for column in ItemRow.__table__.c if column.name in _COLUMNS]
    recorded = and_(ItemRow.origin == "recorded", *([_in_period(ItemRow.created_at)] if dated else []))
    proven = newest.c.session_id.is_not(None)
    items = (
        select(*columns, *newest.c, *uses.c, *latest.c, against, is_portable(closed).label("portable"))
        .select_from(ItemRow)
        .outerjoin(newest, onclause=true())
        .join(uses, onclause=true())
        .outerjoin(latest, onclause=true())
        .where(ItemRow.team_id == bindparam("team"), ~ItemRow.hidden, ItemRow.project_id != all_(closed))
    )
    return items.where(proven if labelled else or_(proven, recorded))


def _full_text(items: Select[*tuple[Any, ...]], text: str, scope: Scope, types: Sequence[str], limit: int) -> Select[*tuple[Any, ...]]:
    """Restrict a select of items to a full-text search: any of the question's words, best rank first."""
    written = re.findall(r"[^\W_]+", text.casefold())  # the index isn't stemmed: search for the words as written, and for their stems
    words = [word for word in dict.fromkeys([*written, *lexical.terms(text)]) if word.isalnum()][:64]
    asked = func.to_tsquery(cast("simple", REGCONFIG), " | ".join(words))
    if scope.project_id is not None:
        items = items.where(ItemRow.project_id == scope.project_id)
    if types:
        items = items.where(ItemRow.type.in_(types))
    best = func.ts_rank(ItemRow.search, asked).desc()
    return items.where(ItemRow.search.op("@@")(asked)).order_by(best, ItemRow.id).limit(limit)


def _moment(name: str, otherwise: str) -> ColumnElement[Any]:
    return func.coalesce(bindparam(name, type_=TIMESTAMP(timezone=True)), cast(literal(otherwise), TIMESTAMP(timezone=True)))


def _until(*, dated: bool) -> ColumnElement[Any] | None:
    return _moment("until", "infinity") if dated else None


def _in_period(at: Any) -> ColumnElement[bool]:
    return and_(at >= _moment("since", "-infinity"), at < _moment("until", "infinity"))


_SHOWN = ("id", "project_id", "origin", "type", "title", "text", "confidence", "evidence_count", "created_at", "last_seen_at")
_FROM_PEOPLE = ("paths", "corrected_at", "helpful", "wrong", "stale", "code_verdict", "people")
_COLUMNS = frozenset((*_SHOWN, *_FROM_PEOPLE, "embedding", "long_embedding", "long_embedding_model"))
_ITEMS = {
    (dated, labelled): _with_newest_evidence(dated=dated, labelled=labelled)
    for dated, labelled in itertools.product((False, True), repeat=2)
}
"""By `_kind`."""
_IDS = bindparam("ids", type_=ARRAY(Uuid))
_BY_ID = {kind: items.where(ItemRow.id == any_(_IDS)) for kind, items in _ITEMS.items()}
"""An array parameter keeps it one statement for any number of ids; an IN list would be compiled and planned anew for each length."""
_REPLACING = {kind: items.where(ItemRow.id.in_(replacements(_IDS, _until(dated=kind[0])))) for kind, items in _ITEMS.items()}

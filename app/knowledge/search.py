"""A question comes: question → embed → dense + lexical search → fuse → rank → cite. Nothing relevant: an empty list."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Select, Text, Uuid, any_, bindparam, cast, func, select, true
from sqlalchemy.dialects.postgresql import ARRAY, REGCONFIG

from app.accounts.accounts import Accounts
from app.embeddings import Embedder
from app.errors import InvalidInput, Unavailable
from app.knowledge.answer import Answer, Query
from app.knowledge.index import Index
from app.knowledge.item import KNOWLEDGE_TYPES
from app.knowledge.ranking import rank
from app.knowledge.tables import Evidence, Knowledge
from app.knowledge.unanswered import Unanswered
from app.settings import Knowledge as Limits
from app.storage.database import Database, rows_of
from app.storage.tables import AnyRow
from app.storage.vectors import lexical
from app.storage.vectors.store import Vector, VectorStore
from app.telemetry import traces

log = structlog.get_logger()


class Search:
    def __init__(
        self,
        *,
        database: Database,
        accounts: Accounts,
        index: Index,
        vectors: VectorStore,
        embedder: Embedder,
        limits: Limits,
        unanswered: Unanswered | None = None,
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._index = index
        self._vectors = vectors
        self._embedder = embedder
        self._limits = limits
        self._unanswered = unanswered

    def asked_in_vain(self, team_id: UUID, query: Query) -> None:
        """Nothing was found. Noted where the question itself, not a filter of it, is to blame."""
        if self._unanswered is not None and query.min_score is None and not query.types:
            self._unanswered.note(team_id, query.text)

    async def query(self, team_id: UUID, query: Query) -> Answer:
        """Always a new answer."""
        began = time.perf_counter()
        self._check(query)
        degraded: list[str] = []
        where = await self._where(team_id, query)
        if where is None:
            return Answer((), _since(began), ())
        vector = await self._embed(query.text, degraded)
        ids = await self._candidates(query, vector, where, degraded)
        rows = await self._read(team_id, ids, query, where)
        names = await self._accounts.project_names(team_id, {row.project_id for row in rows})
        least = self._limits.min_relevance if query.min_score is None else 0.0
        ranked = rank(query, rows, vector, names, least_relevance=least)
        if not ranked and not degraded:
            self.asked_in_vain(team_id, query)
        return Answer(tuple(ranked), _since(began), tuple(degraded))

    def _check(self, query: Query) -> None:
        if not query.text.strip():
            raise InvalidInput("query is empty: ask something.", param="query")
        if len(query.text) > self._limits.max_query_chars:
            raise InvalidInput(f"query is longer than {self._limits.max_query_chars} characters: shorten it.", param="query")
        if not 1 <= query.limit <= self._limits.max_limit:
            raise InvalidInput(f"limit must lie between 1 and {self._limits.max_limit}.", param="limit")
        if unknown := sorted(set(query.types) - set(KNOWLEDGE_TYPES)):
            raise InvalidInput(f"types: {', '.join(unknown)} not known. Known: {', '.join(KNOWLEDGE_TYPES)}.", param="types")

    async def _where(self, team_id: UUID, query: Query) -> dict[str, str | list[str]] | None:
        """The store's filter; None when the project doesn't exist, so nothing can match."""
        where: dict[str, str | list[str]] = {"team": str(team_id)}
        if query.project is not None:
            project = await self._accounts.project_named(team_id, query.project)
            if project is None:
                return None
            where = {"project": str(project)}  # it is the team's: to ask for both costs the engine a third more
        if query.types:
            where["type"] = list(query.types)
        return where

    async def _embed(self, text: str, degraded: list[str]) -> Vector | None:
        """None when the vector doesn't come in time: words alone find something, and whoever asks doesn't wait."""
        try:
            with traces.span("embed"):
                async with asyncio.timeout(self._limits.embedding_timeout_seconds):
                    return (await self._embedder.embed([text]))[0]  # type: ignore[no-any-return]
        except (TimeoutError, Unavailable) as error:
            code = error.code if isinstance(error, Unavailable) else "too_slow"
            log.warning("search.degraded", part="embeddings", code=code)
            degraded.append("embeddings")
            return None

    async def _candidates(
        self, query: Query, vector: Vector | None, where: dict[str, str | list[str]], degraded: list[str]
    ) -> list[UUID] | None:
        """Ids from the engine's fused search; None: ask PostgreSQL's full-text index instead."""
        if vector is None:
            return None
        if not self._index.complete:
            degraded.append("vectors")
            return None
        try:
            with traces.span("vectors hybrid", "client", db__system__name="qdrant", db__operation__name="query"):
                hits = await self._vectors.hybrid(vector, lexical.query(query.text), where=where, limit=self._most(query))
        except Unavailable as error:
            log.warning("search.degraded", part="vectors", code=error.code)
            degraded.append("vectors")
            return None
        return [hit.id for hit in hits]

    async def _read(self, team_id: UUID, ids: list[UUID] | None, query: Query, where: dict[str, str | list[str]]) -> Sequence[AnyRow]:
        """The candidates' rows, each with its newest evidence. The team is checked here again: the index is not the truth."""
        if ids is not None:
            found, values = _BY_ID, {"team": team_id, "ids": ids}
        else:
            found, values = _full_text(query.text, where, self._most(query)), {"team": team_id}
        return await self._database.read(rows_of(found, values))

    def _most(self, query: Query) -> int:
        """How many candidates to rank: some of them will be too weak to show."""
        return max(self._limits.candidates, query.limit)


def _since(began: float) -> float:
    return round((time.perf_counter() - began) * 1000, 3)


def _with_newest_evidence() -> Select[*tuple[Any, ...]]:
    """Items of the bound `team`, each with the newest evidence that says what the item says."""
    newest = (
        select(Evidence.session_id, Evidence.transcript, Evidence.locator, Evidence.excerpt, Evidence.at)
        .where(Evidence.knowledge_id == Knowledge.id, Evidence.text == Knowledge.text)
        .order_by(Evidence.at.desc().nulls_last(), Evidence.candidate_key)
        .limit(1)
        .lateral("newest")
    )
    columns = [column for column in Knowledge.__table__.c if column.name in _COLUMNS]
    return select(*columns, *newest.c).join(newest, onclause=true()).where(Knowledge.team_id == bindparam("team"))


def _full_text(text: str, where: dict[str, str | list[str]], limit: int) -> Select[*tuple[Any, ...]]:
    """By PostgreSQL's full-text index: any of the question's words, best rank first."""
    said = re.findall(r"[^\W_]+", text.casefold())  # the index is not stemmed: ask for the words as said, and for their stems
    words = [word for word in dict.fromkeys([*said, *lexical.terms(text)]) if word.isalnum()][:64]
    asked = func.to_tsquery(cast("simple", REGCONFIG), " | ".join(words))
    statement = _ITEMS
    if "project" in where:
        statement = statement.where(cast(Knowledge.project_id, Text) == where["project"])
    if "type" in where:
        statement = statement.where(Knowledge.type.in_(where["type"]))
    best = func.ts_rank(Knowledge.search, asked).desc()
    return statement.where(Knowledge.search.op("@@")(asked)).order_by(best, Knowledge.id).limit(limit)


_SHOWN = ("id", "project_id", "type", "title", "text", "confidence", "freshness", "evidence_count", "created_at")
_COLUMNS = frozenset((*_SHOWN, "embedding", "long_embedding", "long_embedding_model"))
_ITEMS = _with_newest_evidence()
_BY_ID = _ITEMS.where(Knowledge.id == any_(bindparam("ids", type_=ARRAY(Uuid))))
"""One statement whatever their number: an IN with so many places would be written and planned anew each time."""

"""Answers a question: embed → search passages and items, dense + lexical → fuse → rank → cite, within a token budget; or abstain."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol
from uuid import UUID

import structlog

from app.embeddings.embedder import Encoded
from app.errors import InvalidInput, Unavailable
from app.knowledge.item import KINDS, KNOWLEDGE_TYPES, PASSAGE
from app.knowledge.item_search import NO_ITEMS, FoundItems, ItemSearch
from app.knowledge.passage_search import FoundPassages, PassageSearch
from app.knowledge.ranking import NO_SUPPORT, Support
from app.knowledge.replaced_order import behind_newer, missing_newer
from app.knowledge.results import MAX_FILE_CHARS, MAX_FILES, MAX_TOKENS, MIN_TOKENS, Query, Result, SearchResults
from app.knowledge.search_backend import SearchBackend
from app.knowledge.unanswered import Unanswered
from app.knowledge.versions import Scope
from app.sessions.journal import Journal
from app.sessions.session import CitedSession
from app.storage.vectors.store import Vector
from app.telemetry import traces
from app.tokens import count_text, first_tokens
from app.trajectory.intent import INTENTS

log = structlog.get_logger()

ITEMS_SHARE = 3
"""Items get at most 1 / ITEMS_SHARE of the tokens if passages are asked for too."""


class QuestionEncoder(Protocol):
    """Embeds a question: one run of the model returns its vector and its token vectors."""

    model: str

    async def embed_question(self, text: str, /) -> Encoded: ...


class Search:
    """Answers questions from a team's items and passages, uncached."""

    def __init__(
        self,
        backend: SearchBackend,
        *,
        journal: Journal,
        embedder: QuestionEncoder,
        unanswered: Unanswered | None = None,
    ) -> None:
        self._accounts = backend.accounts
        self._limits = backend.limits
        self._journal = journal
        self._embedder = embedder
        self._unanswered = unanswered
        self._items = ItemSearch(backend)
        self._passages = PassageSearch(backend)

    def record_unanswered(self, team_id: UUID, query: Query, project_id: UUID | None) -> None:
        """Record an unanswered question (see `unanswered`), unless a filter may be why nothing was found. `project_id`: that it names."""
        filtered = query.types or query.intents or query.subject or query.since or query.until or set(query.kinds) != set(KINDS)
        if self._unanswered is not None and query.min_score is None and not filtered:
            self._unanswered.record(team_id, query.text, project_id)

    async def query(self, team_id: UUID, query: Query) -> SearchResults:
        """Search, bypassing every cache. InvalidInput names the field that can't be used."""
        began = time.perf_counter()
        self._check(query)
        scope = await self._scope(team_id, query)
        if scope is None:
            return SearchResults((), _since(began), ())
        degraded: list[str] = []
        encoded = await self._encode(query.text, degraded)
        results, tokens = await self._results(scope, query, encoded, degraded)
        if not results and not degraded:
            self.record_unanswered(team_id, query, scope.project_id)
        return SearchResults(tuple(results), _since(began), tuple(dict.fromkeys(degraded)), tokens=tokens)

    async def _results(self, scope: Scope, query: Query, encoded: Encoded | None, degraded: list[str]) -> tuple[list[Result], int]:
        """Search both kinds and merge them by score. Items have a quota of results and of tokens; asked for alone, they are judged by their
        sessions' passages too."""
        vector = None if encoded is None else encoded.vector
        candidates, passages = await asyncio.gather(
            self._items.find(scope, query, vector, degraded) if self._wants_items(query) else _no_items(),
            self._passages.find(scope, query, encoded, degraded),
        )
        if not query.asks_for(PASSAGE):
            return await self._items_alone(scope, query, vector, candidates, passages)
        most = min(query.limit, self._limits.max_items) if passages.relevant else query.limit
        items = await self._items.results(query, candidates, vector, limit=most, support=Support(passages.answered))
        around, held, sessions = await asyncio.gather(
            self._passages.around(query, passages),
            self._passages.held_items(query, passages),
            self._journal.cited(scope.team_id, _sessions_of(items) | passages.sessions),
        )
        items = _cited(items, sessions)
        room = query.max_tokens or self._limits.max_tokens
        if not passages.relevant:
            return fit_budget(items, room)
        items, spent = fit_budget(items, room // ITEMS_SHARE, cut=False)
        quoted = self._passages.results(query, passages, around, sessions, max_tokens=room - spent, held=held)
        said = {passage: each.item for passage, each in held.items() if each.mostly}
        missing = sorted(missing_newer([*quoted, *items], said)) if query.asks_for("item") else []
        newer = await self._items.by_id(scope, query, missing, vector, support=Support(passages.answered)) if missing else []
        if newer:
            newer = _cited(newer, await self._journal.cited(scope.team_id, _sessions_of(newer)))
        found = behind_newer([*quoted, *items, *newer], said)
        return fit_budget([each for each in found if each.score >= (query.min_score or 0.0)][: query.limit], room)

    async def _items_alone(
        self, scope: Scope, query: Query, vector: Vector | None, candidates: FoundItems, passages: FoundPassages
    ) -> tuple[list[Result], int]:
        """Return the items that answer, supported by their sessions' passages; only those that a person wrote if the passages abstain."""
        support = NO_SUPPORT
        if passages.is_conclusive:
            support = Support(sessions=passages.by_session(), rejected=not passages.relevant)
        items = await self._items.results(query, candidates, vector, limit=query.limit, support=support)
        sessions = await self._journal.cited(scope.team_id, _sessions_of(items))
        return fit_budget(_cited(items, sessions), query.max_tokens or self._limits.max_tokens)

    def _wants_items(self, query: Query) -> bool:
        return query.asks_for("item") and (self._limits.max_items > 0 or not query.asks_for(PASSAGE))

    def _check(self, query: Query) -> None:
        if not query.text.strip():
            raise InvalidInput("query is empty: send a question.", param="query")
        if len(query.text) > self._limits.max_query_chars:
            raise InvalidInput(f"query is longer than {self._limits.max_query_chars} characters: shorten it.", param="query")
        if not 1 <= query.limit <= self._limits.max_limit:
            raise InvalidInput(f"limit is {query.limit}: send a number from 1 to {self._limits.max_limit}.", param="limit")
        if query.max_tokens is not None and not MIN_TOKENS <= query.max_tokens <= MAX_TOKENS:
            raise InvalidInput(f"max_tokens is {query.max_tokens}: send a number from {MIN_TOKENS} to {MAX_TOKENS}.", param="max_tokens")
        if not query.kinds or (unknown := sorted({str(kind) for kind in query.kinds} - set(KINDS))):
            wrong = f"kinds: {', '.join(unknown)} not known." if query.kinds else "kinds is empty."
            raise InvalidInput(f"{wrong} Known: {', '.join(KINDS)}; leave it out for both.", param="kinds")
        _check_names(query)
        if query.since is not None and query.until is not None and query.since >= query.until:
            sent = f"since ({query.since.isoformat()}) isn't before until ({query.until.isoformat()})"
            raise InvalidInput(f"{sent}: send an earlier `since` or a later `until`.", param="since")
        if len(query.files) > MAX_FILES:
            raise InvalidInput(f"files holds {len(query.files)} paths; at most {MAX_FILES} are allowed: leave some out.", param="files")
        if (long := next((place for place, file in enumerate(query.files) if len(file) > MAX_FILE_CHARS), None)) is not None:
            raise InvalidInput(f"files[{long}] is longer than {MAX_FILE_CHARS} characters: shorten it.", param="files")

    async def _scope(self, team_id: UUID, query: Query) -> Scope | None:
        """Return what to search; None if the project doesn't exist."""
        if query.project is None:
            return Scope(team_id, None, query.closed)
        project_id = await self._accounts.project_named(team_id, query.project, closed=query.closed)
        return None if project_id is None else Scope(team_id, project_id, query.closed)

    async def _encode(self, text: str, degraded: list[str]) -> Encoded | None:
        """Return the question's vectors; None if they don't come in time, as terms alone find something without further wait."""
        try:
            with traces.span("embed"):
                async with asyncio.timeout(self._limits.embedding_timeout_seconds):
                    return await self._embedder.embed_question(text)
        except (TimeoutError, Unavailable) as error:
            code = error.code if isinstance(error, Unavailable) else "too_slow"
            log.warning("search.degraded", part="embeddings", code=code)
            degraded.append("embeddings")
            return None


def _check_names(query: Query) -> None:
    """Raise InvalidInput for a filter by a name that is not known, or that nothing asked for can have."""
    for name, asked, known in (("types", query.types, KNOWLEDGE_TYPES), ("intents", query.intents, INTENTS)):
        if unknown := sorted(set(asked) - set(known)):
            raise InvalidInput(f"{name}: {', '.join(unknown)} not known. Known: {', '.join(known)}.", param=name)
    for name, given, verb in (("types", query.types, "apply"), ("subject", query.subject, "applies")):
        if given and "item" not in query.kinds:
            raise InvalidInput(f"{name} {verb} only to items, but kinds selects only passages: leave one of them out.", param=name)


def fit_budget(results: Sequence[Result], room: int, *, cut: bool = True) -> tuple[list[Result], int]:
    """Keep, in order, the results that fit into `room` tokens; return them and their tokens. `cut`: truncate the first to make it fit."""
    kept: list[Result] = []
    left = room
    for result in results:
        text = result.text
        count = count_text(text)
        if count > left and cut and not kept:
            text = _shortened(text, left)
            count = count_text(text)
        if count <= left:
            kept.append(result if text is result.text else replace(result, text=text))
            left -= count
    return kept, room - left


def _shortened(text: str, tokens: int) -> str:
    """Truncate a text to at most so many tokens, counting again, since a truncated text may be tokenized differently."""
    for wanted in range(tokens, 0, -1):
        if count_text(shortened := first_tokens(text, wanted)) <= tokens:
            return shortened
    return ""


def _cited(items: Sequence[Result], sessions: Mapping[UUID, CitedSession]) -> list[Result]:
    """Add the sessions' branch and commit; drop items whose session was purged meanwhile. Recorded items have no session."""
    found = [(item, None if (source := item.source.session_id) is None else sessions.get(source)) for item in items]
    return [
        item if session is None else replace(item, source=replace(item.source, branch=session.branch, commit=session.commit))
        for item, session in found
        if session is not None or item.source.session_id is None
    ]


def _sessions_of(items: Sequence[Result]) -> set[UUID]:
    return {item.source.session_id for item in items if item.source.session_id is not None}


async def _no_items() -> FoundItems:
    return NO_ITEMS


def _since(began: float) -> float:
    return round((time.perf_counter() - began) * 1000, 3)

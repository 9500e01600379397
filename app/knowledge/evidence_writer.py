"""Makes a session's evidence what was found in it: embeds what is new or reworded, and reconciles it with the project's items."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from app.embeddings import Embedder, LongForm
from app.knowledge.index import Index
from app.knowledge.item import ItemCandidate
from app.knowledge.neighbours import item_text
from app.knowledge.reconciliation import EmbeddedCandidate, ReconcileCounts, Source
from app.knowledge.store import KnowledgeStore
from app.sessions.session import Session


class EvidenceWriter:
    """Writes candidates. `distilled`: those that a model worded, a set of their own beside what rules extracted."""

    def __init__(self, *, embedder: Embedder, long_form: LongForm, store: KnowledgeStore, index: Index, distilled: bool = False) -> None:
        self._embedder = embedder
        self._long_form = long_form
        self._store = store
        self._index = index
        self._distilled = distilled

    async def write(
        self,
        session: Session,
        candidates: Sequence[ItemCandidate],
        checkpointed: Callable[[AsyncConnection], Awaitable[None]],
        *,
        other_events: Collection[str] = frozenset(),
    ) -> ReconcileCounts:
        """Make the session's evidence exactly `candidates`, but for that of `other_events`; see `KnowledgeStore.reconcile`."""
        source = Source(
            session_id=session.id,
            team_id=session.team_id,
            project_id=session.project_id,
            developer_id=session.developer_id,
            transcript=session.transcript,
            at=session.at,
            branch=session.branch,
            distilled=self._distilled,
            other_events=other_events,
        )
        embedded = await self._embed(session.id, candidates)
        if embedded:
            await self.require_index()
        return await self._store.reconcile(source, candidates=candidates, embedded=embedded, checkpointed=checkpointed)

    async def require_index(self) -> None:
        """Raise VectorStoreUnavailable where nothing new could be written now."""
        await self._index.require()

    async def count(self, session_id: UUID) -> int:
        """Count the session's evidence."""
        return len(await self._store.known(session_id, distilled=self._distilled))

    async def drain(self, mark: int) -> None:
        """Wait until everything up to this mark is searchable."""
        await self._index.drain_to(mark)

    async def _embed(self, session_id: UUID, candidates: Sequence[ItemCandidate]) -> dict[str, EmbeddedCandidate]:
        """Return the vectors of candidates that are new or reworded, by key."""
        known = await self._store.known(session_id, distilled=self._distilled)
        unknown = [each for each in candidates if known.get(each.key) != (each.title, each.text)]
        if not unknown:
            return {}
        words = [item_text(each.title, each.text) for each in unknown]
        vectors, longs = await self._embedder.embed(words), await self._long_form.embed(words)
        names = self._embedder.model, self._long_form.model
        return {
            each.key: EmbeddedCandidate(each, vector, names[0], long, names[1])
            for each, vector, long in zip(unknown, vectors, longs, strict=True)
        }

"""The projection `items`: extracts knowledge from a session, embeds it, merges it with the project's items, and indexes it.

Reads the whole session each time, since what precedes and follows a statement decides its worth.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from uuid import UUID

import numpy as np
from sqlalchemy.ext.asyncio import AsyncConnection

from app.embeddings import Embedder, LongForm
from app.knowledge.evidence_writer import EvidenceWriter
from app.knowledge.extraction import VERSION, Shortlist, choose, survey
from app.knowledge.extraction.classifier import Numbers, fitted_for
from app.knowledge.index import Index
from app.knowledge.item import ItemCandidate
from app.knowledge.store import KnowledgeStore
from app.sessions.event import Event
from app.sessions.journal import Journal
from app.sessions.projections import Checkpointed, Counts, Projected
from app.sessions.session import Session
from app.storage.generator_thread import through_thread

MAX_OUTPUT_CHARS = 8_000
"""Characters read of a tool's output, from its end, where errors and verdicts are."""


class ItemsProjection:
    """The sessions' projection into knowledge items; see `app.sessions.projections`."""

    name = "items"
    version = VERSION
    whole = True
    result_field = "knowledge"
    counted = ("new", "merged", "updated", "withdrawn", "known")

    def __init__(self, *, journal: Journal, embedder: Embedder, long_form: LongForm, store: KnowledgeStore, index: Index) -> None:
        self._journal = journal
        self._embedder = embedder
        self._store = store
        self._writer = EvidenceWriter(embedder=embedder, long_form=long_form, store=store, index=index)

    async def project(self, session: Session, after: int, checkpointed: Checkpointed) -> Projected:
        """Make the session's evidence exactly what extraction finds in its journal now."""
        events = self._journal.events(session.id, after=after, max_output_chars=MAX_OUTPUT_CHARS)
        candidates = await self._extract(events)
        learnt = await self._writer.write(session, candidates, checkpointed)
        return Projected(learnt.mark, {name: getattr(learnt, name) for name in self.counted})

    async def _extract(self, events: AsyncIterator[Event]) -> list[ItemCandidate]:
        """Survey the session in a thread, embed its shortlist (at most MAX_EMBEDDED short texts), and choose."""
        ((found,),) = [batch async for batch in through_thread(events, _survey, batch=2)]
        vectors: Numbers | None = None
        if found.drafts and self._embedder.model == fitted_for():
            vectors = np.asarray(await self._embedder.embed(found.texts), np.float64)
        return choose(found, vectors)

    async def unchanged(self, session_id: UUID) -> Counts:
        return {"known": await self._writer.count(session_id)}

    async def drain(self, mark: int) -> None:
        await self._writer.drain(mark)

    async def move(self, connection: AsyncConnection, team_id: UUID, project_id: UUID, into: UUID) -> None:
        """Move a project's items to another project."""
        await self._store.move(connection, team_id, project_id, into)

    async def forget(self, connection: AsyncConnection, session: Session) -> int:
        """Withdraw a session's evidence. Returns the number of items that are gone with it."""
        return (await self._store.withdraw_session(connection, session)).removed


def _survey(events: Iterator[Event]) -> Iterator[Shortlist]:
    yield survey(events)

"""The projection `distilled`: asks a model what a session taught, part by part, and reconciles what holds with the project's items.

Each part is stored with its checkpoint before the next is asked about: what ends it in between (a kill, a used-up budget) costs one part at
most, whose answers the completions cache still has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from app import clock
from app.knowledge.distillation.checking import CHECKS_VERSION, check_reply
from app.knowledge.distillation.material import MaterialPart, SessionMaterial, collect
from app.knowledge.distillation.model_calls import ModelCalls
from app.knowledge.distillation.prompt import PROMPT_VERSION
from app.knowledge.evidence_writer import EvidenceWriter
from app.knowledge.extraction.exchanges import MAX_READ_CHARS
from app.knowledge.item import ItemCandidate
from app.knowledge.items_projection import ItemsProjection
from app.knowledge.reconciliation import ReconcileCounts
from app.sessions.event import Event
from app.sessions.journal import Journal
from app.sessions.projections import Checkpointed, Counts, Projected, ProjectionPaused
from app.sessions.session import Session
from app.storage.generator_thread import through_thread
from app.telemetry import metrics


class DistillationProjection:
    """The projection; see `app.sessions.projections`. A deferred one: no upload waits for it.

    `must_yield`: tells whether jobs wait that aren't background work too.
    """

    name = "distilled"
    version = f"{PROMPT_VERSION}.{CHECKS_VERSION}"
    whole = False
    result_field = "distilled"
    counted = ItemsProjection.counted

    def __init__(
        self, *, journal: Journal, writer: EvidenceWriter, calls: ModelCalls, batch_tokens: int, must_yield: Callable[[], Awaitable[bool]]
    ) -> None:
        self._journal = journal
        self._writer = writer
        self._calls = calls
        self._batch_tokens = batch_tokens
        self._must_yield = must_yield
        self._unasked: dict[tuple[UUID, int, int], SessionMaterial] = {}
        """The rest of the session that gave way last, by id, revision and seq: it needn't be read from its beginning once a part."""

    async def project(self, session: Session, after: int, checkpointed: Checkpointed) -> Projected:
        """Ask about the session's events after `after`. Raises ProjectionPaused between two parts, with the earlier ones stored."""
        unasked, self._unasked = self._unasked, {}  # a session's words are kept no longer than for the next run
        material = unasked.get((session.id, session.revision, after)) or await self._collect(session, after)
        done = ReconcileCounts()
        for number, part in enumerate(material.parts):
            if number and await self._must_yield():
                left = replace(material, parts=material.parts[number:])
                self._unasked = {(session.id, session.revision, part.after): left}
                raise ProjectionPaused("Other jobs wait: the session is distilled further afterwards.", until=clock.now())
            done += await self._distil(session, material, part, checkpointed)
        return Projected(done.mark, {name: getattr(done, name) for name in self.counted})

    async def unchanged(self, session_id: UUID) -> Counts:
        return {"known": await self._writer.count(session_id)}

    async def drain(self, mark: int) -> None:
        await self._writer.drain(mark)

    async def move(self, connection: AsyncConnection, team_id: UUID, project_id: UUID, into: UUID) -> None:
        """Move nothing: the items are moved as those of the rules are."""

    async def forget(self, connection: AsyncConnection, session: Session) -> int:
        """Withdraw nothing: the evidence is withdrawn with that of the rules."""
        del connection, session
        return 0

    async def _collect(self, session: Session, after: int) -> SessionMaterial:
        events = self._journal.numbered(session.id, until=session.event_count, max_output_chars=MAX_READ_CHARS)

        def read(numbered: Iterator[tuple[int, Event]]) -> Iterator[SessionMaterial]:
            yield collect(numbered, str(session.id), after=after, until=session.event_count, batch_tokens=self._batch_tokens)

        ((material,),) = [batch async for batch in through_thread(events, read, batch=2)]
        return material

    async def _distil(self, session: Session, material: SessionMaterial, part: MaterialPart, checkpointed: Checkpointed) -> ReconcileCounts:
        candidates: dict[str, ItemCandidate] = {}
        if part.batches:
            await self._writer.require_index()  # before what costs money: an answer with a secret is in no cache
        for batch in part.batches:
            reply = await self._calls.ask(session, batch)
            if reply is None:
                metrics.distillation_call("refused")
                continue
            checked = await asyncio.to_thread(check_reply, reply, batch, material.corrections)  # slow CPU work
            metrics.distillation_call("answered" if checked.readable else "unreadable")
            metrics.distilled({"kept": len(checked.kept), **checked.dropped})
            candidates |= {each.key: each for each in checked.kept}
        upto = None if part.upto >= session.event_count else part.upto

        async def checkpoint(connection: AsyncConnection) -> None:
            await checkpointed(connection, upto)

        return await self._writer.write(session, list(candidates.values()), checkpoint, other_events=material.others(part))

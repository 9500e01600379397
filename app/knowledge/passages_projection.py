"""The projection `passages`: cuts a session's dialogue incrementally, embeds it, stores each passage once, and indexes it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from app.embeddings import TokenEmbedder, late_interaction
from app.embeddings.embedder import Packed
from app.knowledge.index import Index
from app.knowledge.neighbours import pack_half
from app.knowledge.passage_store import CUT_EVERY, CutPart, EmbeddedPassage, MissingPassages, PassageStore, StoredPassages, key_of
from app.knowledge.passages import terms
from app.knowledge.passages.cut import CutState, PassageCutter
from app.knowledge.passages.passage import Passage
from app.sessions.event import Event
from app.sessions.journal import Journal
from app.sessions.projections import Checkpointed, Counts, Projected
from app.sessions.session import Session
from app.storage.generator_thread import through_thread
from app.tokens import count_text

CUT_VERSION = 1
"""Raise it whenever the same events would be cut, or their terms computed, differently: all sessions are then cut again."""
PASSAGES_A_PART = 1_000
"""Passages stored in one transaction: about 8 MB. A longer session is stored in several parts."""
EVENTS_A_BATCH = 64
MAX_OUTPUT_CHARS = 100_000
"""Characters read of a tool's output, from its end, where errors and verdicts are."""
MAX_TRIES = 5


@dataclass(frozen=True, slots=True)
class _CutEvent:
    """An event's passages. `state`: of the cutting after the event, if it is to be saved."""

    seq: int
    passages: list[Passage]
    state: CutState | None


class PassagesProjection:
    """The sessions' projection into passages; see `app.sessions.projections`."""

    name = "passages"
    version = f"{CUT_VERSION}.{late_interaction.VERSION}"
    whole = False
    result_field = "passages"
    counted = ("new", "withdrawn")

    def __init__(self, *, journal: Journal, embedder: TokenEmbedder, store: PassageStore, index: Index) -> None:
        self._journal = journal
        self._embedder = embedder
        self._store = store
        self._index = index
        self._made_by = f"{embedder.model} {self.version}"

    async def project(self, session: Session, after: int, checkpointed: Checkpointed) -> Projected:
        """Make the session's passages exactly those of its events now, resuming from the last state saved at or before `after`."""
        start, state = await self._store.resume(session.id, after)
        mark, counts = 0, Counter(dict.fromkeys(self.counted, 0))
        async for part in self._parts(session, start, PassageCutter(str(session.id), state)):
            stored = await self._embed_and_store(session, part, checkpointed)
            mark = max(mark, stored.mark)
            counts.update(new=stored.new, withdrawn=stored.withdrawn)
        return Projected(mark, counts)

    async def unchanged(self, session_id: UUID) -> Counts:
        del session_id
        return dict.fromkeys(self.counted, 0)

    async def drain(self, mark: int) -> None:
        await self._index.drain_to(mark)

    async def move(self, connection: AsyncConnection, team_id: UUID, project_id: UUID, into: UUID) -> None:
        await self._store.move(connection, team_id, project_id, into)

    async def forget(self, connection: AsyncConnection, session: Session) -> int:
        """Withdraw this session's passages. Returns the number of passages deleted."""
        return await self._store.withdraw_session(connection, session)

    async def _parts(self, session: Session, start: int, cutter: PassageCutter) -> AsyncIterator[CutPart]:
        """Cut the session's events above `start`; yield parts of PASSAGES_A_PART, the last one reaching the session's end."""
        events = self._journal.numbered(session.id, after=start, until=session.event_count, max_output_chars=MAX_OUTPUT_CHARS)

        def cut(source: Iterator[tuple[int, Event]]) -> Iterator[_CutEvent]:
            for seq, event in source:
                passages = cutter.feed(seq, event)
                yield _CutEvent(seq, passages, replace(cutter.state) if seq % CUT_EVERY == 0 else None)

        after = start
        placed: list[tuple[int, Passage]] = []
        states: dict[int, CutState] = {}
        async for batch in through_thread(events, cut, batch=EVENTS_A_BATCH):
            for each in batch:
                placed += enumerate(each.passages)
                if each.state is not None:
                    states[each.seq] = each.state
            # The thread pauses between two batches, so `cutter.state` is the state after the batch's last event.
            if len(placed) >= PASSAGES_A_PART:
                upto = batch[-1].seq
                yield CutPart(after, upto, False, placed, states | {upto: replace(cutter.state)})
                after, placed, states = upto, [], {}
        yield CutPart(after, session.event_count, True, placed, states | {session.event_count: replace(cutter.state)})

    async def _embed_and_store(self, session: Session, part: CutPart, checkpointed: Checkpointed) -> StoredPassages:
        """Embed what the project lacks, and store the part; retry with what a concurrent purge removed in between."""
        passages = part.passages
        known = await self._store.known(session.project_id, passages.keys(), made_by=self._made_by)
        embedded = await self._embed(passages[key] for key in passages if key not in known)
        for _ in range(MAX_TRIES - 1):
            try:
                return await self._store.replace(session, part, embedded, checkpointed)
            except MissingPassages as missing:
                embedded = embedded | await self._embed(passages[key] for key in missing.keys)
        return await self._store.replace(session, part, embedded, checkpointed)

    async def _embed(self, passages: Iterable[Passage]) -> dict[bytes, EmbeddedPassage]:
        """Embed passages, and return their columns by key."""
        wanted = list(passages)
        if not wanted:
            return {}
        packed = await self._embedder.embed_packed([passage.indexed for passage in wanted])
        return await asyncio.to_thread(_embedded, wanted, packed, self._made_by)


def _embedded(passages: list[Passage], packed: list[Packed], made_by: str) -> dict[bytes, EmbeddedPassage]:
    return {
        key_of(passage): EmbeddedPassage(
            tokens=count_text(passage.indexed),
            terms=terms.hashed(passage.indexed),
            embedding=pack_half(each.vector),
            late=each.late,
            made_by=made_by,
        )
        for passage, each in zip(passages, packed, strict=True)
    }

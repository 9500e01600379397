"""The projection `intents`: the intent of every prompt, embedded in batches. Incremental: a prompt never changes once it is journalled."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from app.sessions.journal import Journal
from app.sessions.projections import Checkpointed, Counts, Projected
from app.sessions.session import Session
from app.trajectory.intent.classifier import shipped
from app.trajectory.intent.classifying import IntentClassifier
from app.trajectory.intent.correcting import IntentTraining
from app.trajectory.intent.prose import PromptProse
from app.trajectory.intent.replies import PromptReader, reply_before
from app.trajectory.intent.store import IntentStore, ToldPart

READING_VERSION = 2
"""Raise it whenever the same prompt, after the same reply, would be read differently: all sessions are then told anew."""
PROMPTS_A_PART = 256
"""Prompts embedded and stored at once; a longer session takes several parts."""


@dataclass(frozen=True, slots=True)
class _PromptPart:
    """Prompts above `after`. `upto`: the last seq read; None: the session's end. `sidechains`: those said to a sub-agent."""

    after: int
    upto: int | None
    prompts: dict[int, PromptProse]
    sidechains: frozenset[int]


class IntentsProjection:
    """The sessions' projection into intents of prompts; see `app.sessions.projections`."""

    name = "intents"
    whole = False
    result_field = "intents"
    counted = ("prompts",)

    def __init__(self, *, journal: Journal, classifier: IntentClassifier, store: IntentStore, training: IntentTraining) -> None:
        self._journal = journal
        self._classifier = classifier
        self._store = store
        self._training = training

    @property
    def version(self) -> str:
        """Return the shipped classifier's digest and how prompts are read: with another one every session is read again."""
        return f"{shipped().digest[:12]}.{READING_VERSION}"

    async def project(self, session: Session, after: int, checkpointed: Checkpointed) -> Projected:
        """Tell the intents of the prompts after this seq. A team's new head tells later prompts, not earlier ones."""
        count = 0
        async for part in self._parts(session, after):
            readings = await self._classifier.classify_parted(session.team_id, [*part.prompts.values()], wait=True) if part.prompts else []
            told = dict(zip(part.prompts, readings, strict=True))
            await self._store.replace(session, ToldPart(part.after, part.upto, told, part.sidechains), checkpointed)
            count += len(told)
        return Projected(counts={"prompts": count})

    async def unchanged(self, session_id: UUID) -> Counts:
        del session_id
        return dict.fromkeys(self.counted, 0)

    async def drain(self, mark: int) -> None:
        """Return at once: what is indexed with its intent is fed by those who follow `IntentStore`."""

    async def move(self, connection: AsyncConnection, team_id: UUID, project_id: UUID, into: UUID) -> None:
        """Move nothing: an intent belongs to its session, wherever that is."""

    async def forget(self, connection: AsyncConnection, session: Session) -> int:
        """Delete a session's intents and corrections. A head that learnt from these is fitted anew without them."""
        told, corrected = await self._store.withdraw(connection, session.id)
        if corrected:
            await self._training.request(connection, session.team_id)
        return told + corrected

    async def _parts(self, session: Session, after: int) -> AsyncIterator[_PromptPart]:
        async def look_back(seq: int) -> str:
            return await reply_before(self._journal, session.id, seq)

        reading = PromptReader(look_back)
        prompts: dict[int, PromptProse] = {}
        sidechains: set[int] = set()
        async for seq, event in self._journal.numbered(session.id, after=after, until=session.event_count, max_output_chars=0):
            prose = await reading.add(seq, event)
            if prose is None:
                continue
            prompts[seq] = prose
            if event.sidechain:
                sidechains.add(seq)
            if len(prompts) >= PROMPTS_A_PART:
                yield _PromptPart(after, seq, prompts, frozenset(sidechains))
                after, prompts, sidechains = seq, {}, set()
        yield _PromptPart(after, None, prompts, frozenset(sidechains))

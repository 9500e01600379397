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
from app.trajectory.intent.prose import PromptProse, prose_of
from app.trajectory.intent.store import IntentStore

PROMPTS_A_PART = 256
"""Prompts embedded and stored at once; a longer session takes several parts."""


@dataclass(frozen=True, slots=True)
class _PromptPart:
    """Prompts above `after`. `upto`: the last seq read; None: the session's end."""

    after: int
    upto: int | None
    prompts: dict[int, PromptProse]


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
        """Return the shipped classifier's digest: with another one every session is read again."""
        return shipped().digest[:12]

    async def project(self, session: Session, after: int, checkpointed: Checkpointed) -> Projected:
        """Tell the intents of the prompts after this seq. A team's new head tells later prompts, not earlier ones."""
        count = 0
        async for part in self._parts(session, after):
            readings = await self._classifier.classify_parted(session.team_id, [*part.prompts.values()], wait=True) if part.prompts else []
            told = dict(zip(part.prompts, readings, strict=True))
            await self._store.replace(session, part.after, told, part.upto, checkpointed)
            count += len(told)
        return Projected(counts={"prompts": count})

    async def unchanged(self, session_id: UUID) -> Counts:
        del session_id
        return dict.fromkeys(self.counted, 0)

    async def drain(self, mark: int) -> None:
        """Return at once: intents are in no index."""

    async def move(self, connection: AsyncConnection, team_id: UUID, project_id: UUID, into: UUID) -> None:
        """Move nothing: an intent belongs to its session, wherever that is."""

    async def forget(self, connection: AsyncConnection, session: Session) -> int:
        """Delete a session's intents and corrections. A head that learnt from these is fitted anew without them."""
        told, corrected = await self._store.withdraw(connection, session.id)
        if corrected:
            await self._training.request(connection, session.team_id)
        return told + corrected

    async def _parts(self, session: Session, after: int) -> AsyncIterator[_PromptPart]:
        prompts: dict[int, PromptProse] = {}
        async for seq, event in self._journal.numbered(session.id, after=after, until=session.event_count, max_output_chars=0):
            if event.kind != "prompt":
                continue
            prompts[seq] = prose_of(event.text)
            if len(prompts) >= PROMPTS_A_PART:
                yield _PromptPart(after, seq, prompts)
                after, prompts = seq, {}
        yield _PromptPart(after, None, prompts)

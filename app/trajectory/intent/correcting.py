"""Corrects intents, and fits a team's head on its corrections: a durable job, of which at most one a team waits."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from app import clock
from app.accounts.requester import Requester
from app.errors import NotFound, NotPermitted
from app.queue.jobs import LOW, Done, Job, KeyedJob, Progress, Queue
from app.sessions.event import Event
from app.sessions.journal import Journal
from app.sessions.session import Session
from app.storage.database import Database
from app.trajectory.intent.classifying import IntentClassifier
from app.trajectory.intent.heads import StoredHeads
from app.trajectory.intent.kinds import Intent, PromptIntent
from app.trajectory.intent.replies import read_prompt_at
from app.trajectory.intent.store import IntentStore, StoredCorrection
from app.trajectory.intent.team_head import CorrectedPrompt, HeadTrial, try_head

log = structlog.get_logger()

TRAIN: Final = "train_intents"
"""The kind of the job."""
TRAIN_AFTER: Final = timedelta(seconds=10)
"""Time that a correction waits for others before the head is fitted anew."""


class IntentTraining:
    """Plans and runs the fitting of teams' heads."""

    def __init__(self, queue: Queue, journal: Journal, classifier: IntentClassifier, *, store: IntentStore, heads: StoredHeads) -> None:
        self._queue = queue
        self._journal = journal
        self._classifier = classifier
        self._store = store
        self._heads = heads

    async def request(self, connection: AsyncConnection, team_id: UUID) -> None:
        """Ensure a fitting after the caller's commit."""
        wanted = KeyedJob(str(team_id), {}, team_id, None)
        await self._queue.enqueue_once(connection, kind=TRAIN, wanted=[wanted], run_at=clock.now() + TRAIN_AFTER, priority=LOW)

    async def job(self, job: Job, progress: Progress) -> Done:
        """Fit a team's head on its corrections, and store it if it is better on held-out."""
        team_id = job.team_id
        if team_id is None:
            raise NotFound("The job names no team, so there are no corrections to learn from.")
        corrected = await self._corrected(await self._store.corrections(team_id))
        trial = await asyncio.to_thread(try_head, corrected)
        await self._store.save_trial(team_id, trial)
        self._heads.forget(team_id)
        await progress(len(corrected), len(corrected))
        log.info("intents.trained", kept=trial.kept, corrections=trial.corrections, before=trial.before, after=trial.after, harm=trial.harm)
        return Done(_shown(trial))

    async def _corrected(self, corrections: Sequence[StoredCorrection]) -> list[CorrectedPrompt]:
        """Read the corrected prompts; one whose session was purged meanwhile is left out."""
        found = [
            (each, prose) for each in corrections if (prose := await read_prompt_at(self._journal, each.session_id, each.seq)) is not None
        ]
        parted = [prose for _, prose in found]
        vectors = await self._classifier.embed(parted, wait=True) if parted else []
        return [
            CorrectedPrompt(prose, vector, each.intent, each.developer_id) for (each, prose), vector in zip(found, vectors, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class IntentCorrecting:
    """Shows and corrects the intent of a prompt, for who may."""

    database: Database
    journal: Journal
    store: IntentStore
    training: IntentTraining

    async def show(self, requester: Requester, session_id: UUID, seq: int) -> PromptIntent:
        """Show a prompt's intent. NotFound for an unknown session or prompt, and where none is told yet."""
        requester.check("read")
        await self._session(requester, session_id)
        found = await self.store.get(session_id, seq)
        if found is None:
            raise NotFound(
                f"Event {seq} has no intent: it is no prompt of a person, or the session is still being read. Ask again later.", param="seq"
            )
        return found

    async def correct(self, requester: Requester, session_id: UUID, seq: int, intent: Intent) -> PromptIntent:
        """Record who says that a prompt has another intent, and have the team's head fitted anew. NotPermitted for others' sessions."""
        requester.check("write")
        session = await self._session(requester, session_id)
        if not requester.may_change(session.developer_id):
            raise NotPermitted("You can correct the intents of your own sessions; those of others a lead or an admin can.")
        if await prompt_at(self.journal, session_id, seq) is None:
            raise NotFound(
                f"Event {seq} of this session is no prompt of a person. Intents belong to prompts: take the seq of one.", param="seq"
            )
        async with self.database.begin() as connection:
            session = replace(session, project_id=await self.journal.lock_against_deletion(connection, session_id))
            await self.store.correct(connection, session, seq, intent, by=requester.developer_id, name=requester.name)
            await self.training.request(connection, session.team_id)
            await self.store.announce(connection, session, seq)
        return await self.show(requester, session_id, seq)

    async def _session(self, requester: Requester, session_id: UUID) -> Session:
        return await self.journal.get(requester.team_id, session_id, closed=requester.closed)


async def prompt_at(journal: Journal, session_id: UUID, seq: int) -> Event | None:
    """Return the prompt at a place in a session; None: there is none."""
    async for _, event in journal.numbered(session_id, after=seq - 1, until=seq, max_output_chars=0):
        if event.kind == "prompt":
            return event
    return None


def _shown(trial: HeadTrial) -> dict[str, object]:
    figures = {name: round(float(getattr(trial, name)), 3) for name in ("before", "after", "harm")}
    return {"kept": trial.kept, "corrections": trial.corrections, "members": trial.members, **figures, "reason": trial.reason}

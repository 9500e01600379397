"""Explains the intents of prompts that a reader sees: as they hold, with why the classifier told them. Stores nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.sessions.event import Event
from app.sessions.journal import Journal
from app.sessions.session import Session
from app.trajectory.intent.classifying import IntentClassifier
from app.trajectory.intent.kinds import PromptIntent
from app.trajectory.intent.prose import PromptProse
from app.trajectory.intent.replies import PromptReader, reply_before
from app.trajectory.intent.store import IntentStore


@dataclass(frozen=True, slots=True)
class ExplainedIntent:
    """A prompt's intent. `because`: why the classifier told it, in a sentence that quotes the prompt; empty: it would tell another now."""

    held: PromptIntent
    because: str


@dataclass(frozen=True, slots=True)
class IntentExplaining:
    """Explains intents to who sees the prompts themselves: what it says quotes them."""

    journal: Journal
    store: IntentStore
    classifier: IntentClassifier

    async def explain(self, session: Session, events: Sequence[tuple[int, Event]]) -> dict[int, ExplainedIntent]:
        """Return the intents of the prompts among successive events of a session, by seq; one that isn't told yet is left out."""

        async def look_back(seq: int) -> str:
            return await reply_before(self.journal, session.id, seq)

        reading = PromptReader(look_back)
        prompts: dict[int, PromptProse] = {seq: prose for seq, event in events if (prose := await reading.add(seq, event)) is not None}
        held = await self.store.of_prompts(session.id, prompts)
        if not held:
            return {}
        told = await self.classifier.classify_parted(session.team_id, [prompts[seq] for seq in held])
        return {
            seq: ExplainedIntent(each, now.because if now.intent == each.told else "")
            for (seq, each), now in zip(held.items(), told, strict=True)
        }

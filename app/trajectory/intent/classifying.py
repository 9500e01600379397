"""Classifies prompts for a team: embeds them, asks the shipped classifier, and lets the team's head correct it. Stores nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from app.embeddings.embedder import Embedder
from app.errors import Unavailable
from app.trajectory.intent.classifier import Numbers, reading_of, scores_of, shipped
from app.trajectory.intent.context import read_prompt
from app.trajectory.intent.kinds import IntentReading
from app.trajectory.intent.prose import PromptProse
from app.trajectory.intent.team_head import adjusted, head_row


class TeamHeads(Protocol):
    """Tells a team's head; None: it has none."""

    async def head_of(self, team_id: UUID) -> Numbers | None: ...


class IntentClassifier:
    """Tells intents with the team's corrections taken in. An embedder that is away, or of another model, leaves the two other experts."""

    def __init__(self, embedder: Embedder, heads: TeamHeads) -> None:
        self._embedder = embedder
        self._heads = heads

    async def classify(self, team_id: UUID, text: str, context: str = "") -> IntentReading:
        """Tell a prompt's intent. `context`: the end of the reply before it, which a prompt that only agrees takes its intent from."""
        return (await self.classify_parted(team_id, [read_prompt(text, context)]))[0]

    async def classify_parted(self, team_id: UUID, prompts: Sequence[PromptProse], *, wait: bool = False) -> list[IntentReading]:
        """Tell the intents of prompts that are parted already, embedded in one batch. `wait`: see `embed`."""
        head = await self._heads.head_of(team_id)
        vectors = await self.embed(prompts, wait=wait)
        if len(prompts) == 1:  # a thread costs more than the work
            return _read(prompts, vectors, head)
        return await asyncio.to_thread(_read, prompts, vectors, head)

    async def embed(self, prompts: Sequence[PromptProse], *, wait: bool = False) -> Sequence[NDArray[np.float32] | None]:
        """Embed prompts; None each, where the embedder is away or not the one that the classifier was fitted for.

        `wait`: what is told will be stored, so an embedder that is away raises Unavailable: better later than by words alone.
        """
        if self._embedder.model != shipped().model:
            return [None] * len(prompts)
        try:
            return list(await self._embedder.embed([prose.embedded for prose in prompts]))
        except Unavailable:
            if wait:
                raise
            return [None] * len(prompts)


def _read(prompts: Sequence[PromptProse], vectors: Sequence[NDArray[np.float32] | None], head: Numbers | None) -> list[IntentReading]:
    readings: list[IntentReading] = []
    for prose, vector in zip(prompts, vectors, strict=True):
        scores = scores_of(prose, vector)
        if head is not None:
            scores = adjusted(scores, head_row(prose, vector), head)
        readings.append(reading_of(prose, vector, scores))
    return readings

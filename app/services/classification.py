"""Classifies a text and a stretch of events for a requester: one call for the route and whatever else asks. Stores nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from app.accounts.requester import Requester
from app.errors import InvalidInput
from app.services.given_events import read_given
from app.services.services import Services
from app.sessions.event import GivenEvent
from app.trajectory.analysis import StretchReading, read_stretch
from app.trajectory.intent import IntentReading


@dataclass(frozen=True, slots=True)
class Classification:
    """The readings of a request. `intent` None: there was no text. `stretch` None: there were no events."""

    intent: IntentReading | None
    stretch: StretchReading | None

    @property
    def because(self) -> str | None:
        """Return the reasons, in sentences."""
        said = [each.because for each in (self.intent, self.stretch) if each is not None and each.because]
        return " ".join(said) or None


async def classify(
    services: Services,
    requester: Requester,
    text: str,
    *,
    context: str = "",
    events: Sequence[GivenEvent] = (),
) -> Classification:
    """Classify a prompt, events, or both. InvalidInput where there is neither, or more events than one request may hold."""
    requester.check("read")
    read = await read_given(services, events)
    said = bool(text.strip())
    if not said and not read:
        raise InvalidInput("There is nothing to classify: send a prompt as `text`, or `events`.", param="text")
    intent = await services.trajectory.intents.classifier.classify(requester.team_id, text, context) if said else None
    stretch = await asyncio.to_thread(read_stretch, read) if read else None
    return Classification(intent, stretch)

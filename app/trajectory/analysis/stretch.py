"""Reads a stretch of events that belongs to no stored session: what is done in it, and how it fares. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.sessions.event import Event
from app.trajectory.analyzers.activity import ActivityAnalyzer
from app.trajectory.analyzers.health import HealthAnalyzer
from app.trajectory.events.steps import steps_of


@dataclass(frozen=True, slots=True)
class StretchReading:
    """A stretch's activity, None where no event says anything of it, its health, and the reasons in sentences."""

    activity: str | None
    health: str
    because: str


def read_stretch(events: Sequence[Event]) -> StretchReading:
    """Tell what a stretch of events is and how it fares at its end. Takes about 0.1 ms an event."""
    activity, health = ActivityAnalyzer(), HealthAnalyzer()
    for step in steps_of(enumerate(events, 1)):
        for analyzer in (activity, health):
            tuple(analyzer.add(step))  # what it tells on the way isn't asked for
    doing, fares = activity.verdict(), health.verdict()
    reasons = [each for each in ("" if doing is None else doing.because, fares.because) if each]
    return StretchReading(None if doing is None else doing.activity, fares.health, " ".join(reasons))

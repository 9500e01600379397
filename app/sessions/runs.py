"""Splits what a format reads into runs: a session's header, and the events up to the next one. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from app.sessions.event import Event, SessionHeader
from app.sessions.session import FACTS


def merged_header(header: SessionHeader, later: SessionHeader | None) -> SessionHeader:
    """Merge two headers of a session that has no events yet: the first one's facts, gaps filled from the second."""
    if later is None or (later.provider, later.external_id) != (header.provider, header.external_id):
        return later or header
    filled = {name: getattr(header, name) or getattr(later, name) for name in ("title", "started_at", *FACTS)}
    if later.title_given:
        filled["title"] = later.title
    return replace(later, **filled, title_given=header.title_given or later.title_given)


def runs_of(batch: Sequence[SessionHeader | Event]) -> list[tuple[SessionHeader | None, list[Event]]]:
    """Split a batch at its headers into (header or None if the previous session continues, events)."""
    runs: list[tuple[SessionHeader | None, list[Event]]] = [(None, [])]
    for each in batch:
        if isinstance(each, SessionHeader):
            runs.append((each, []))
        else:
            runs[-1][1].append(each)
    return runs

"""What a session taught, without a model: events → exchanges → drafts → a ranking → candidates. Selected and condensed, nothing invented.

`survey` is pure, deterministic and streaming: one exchange and a bounded memory of the session are held, and its best drafts. Whoever has an
embedder gives their vectors to `choose`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from app.knowledge.extraction import commands
from app.knowledge.extraction.classifier import Numbers
from app.knowledge.extraction.drafts import Draft, drafts_of
from app.knowledge.extraction.exchanges import exchanges
from app.knowledge.extraction.memory import Memory
from app.knowledge.extraction.ranking import Shortlist, choose, shortlist
from app.knowledge.item import Candidate
from app.sessions.event import Event

__all__ = ["VERSION", "Shortlist", "choose", "extract", "survey"]

VERSION = "3"
"""Raise it when other items would be chosen of the same events: all sessions are then learnt from again, by themselves."""


def extract(events: Iterable[Event], embed: Callable[[Sequence[str]], Numbers] | None = None) -> list[Candidate]:
    """Everything that the session's events teach, in the order of the session."""
    found = survey(events)
    return choose(found, embed(found.texts) if embed is not None and found.drafts else None)


def survey(events: Iterable[Event]) -> Shortlist:
    """The statements of a session that are likest to be worth keeping."""
    return shortlist(_drafts(events))


def _drafts(events: Iterable[Event]) -> Iterator[Draft]:
    memory = Memory()
    for number, exchange in enumerate(exchanges(events, memory)):
        for draft in (*commands.find(exchange, number, memory), *drafts_of(exchange, number, memory)):
            if memory.is_new(draft.core.text):
                memory.remember(draft.core.text)
                yield draft

"""Extract knowledge items from a session without a model: events → exchanges → drafts → ranking → candidates.

`survey` is pure, deterministic and streaming: it holds one exchange, a bounded memory of the session and its best drafts. A caller that has
an embedder passes the drafts' vectors to `choose`. Every item is quoted from the session; nothing is generated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from app.knowledge.extraction import commands
from app.knowledge.extraction.classifier import Numbers
from app.knowledge.extraction.drafts import Draft, drafts_of
from app.knowledge.extraction.exchanges import exchanges
from app.knowledge.extraction.memory import SessionMemory
from app.knowledge.extraction.ranking import Shortlist, choose, shortlist
from app.knowledge.item import ItemCandidate
from app.sessions.event import Event

__all__ = ["VERSION", "Shortlist", "choose", "extract", "survey"]

VERSION = "7"
"""Raise it whenever the same events would yield different items: every session is then extracted again by itself."""


def extract(events: Iterable[Event], embed: Callable[[Sequence[str]], Numbers] | None = None) -> list[ItemCandidate]:
    """Return every candidate of a session's events, in session order; without `embed`, words alone decide."""
    found = survey(events)
    return choose(found, embed(found.texts) if embed is not None and found.drafts else None)


def survey(events: Iterable[Event]) -> Shortlist:
    """Return the session's statements that are most likely to be worth keeping."""
    return shortlist(_drafts(events))


def _drafts(events: Iterable[Event]) -> Iterator[Draft]:
    memory = SessionMemory()
    for number, exchange in enumerate(exchanges(events, memory)):
        for draft in (*commands.find(exchange, number, memory), *drafts_of(exchange, number, memory)):
            if memory.is_new(draft.core.text):
                memory.remember(draft.core.text)
                yield draft

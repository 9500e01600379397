"""What a session taught, without a model: events → exchanges → rules → candidates. Selected and condensed, nothing invented.

Pure, deterministic and streaming: one exchange and a bounded memory of the session are held, never the whole of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from app.knowledge.extraction import answers, commands, decisions, fixes, gotchas, policies, summaries
from app.knowledge.extraction.candidate import Found, candidate_of
from app.knowledge.extraction.exchanges import Exchange, exchanges
from app.knowledge.extraction.memory import Memory, share_in, shingles
from app.knowledge.item import Candidate
from app.sessions.event import Event

__all__ = ["VERSION", "extract"]

VERSION = "1"
"""Raise it when a rule changes: sessions are then learnt from again when they are next touched."""

MOST_OF_ONE_EXCHANGE = 8
REPEATED_SHARE = 0.5
"""A statement of which half stands in what better rules found in the same exchange says it again."""
_RULES = (policies.find, fixes.find, decisions.find, commands.find, gotchas.find, summaries.find, answers.find)
"""In order of worth: where two rules find the same statement, the first has it."""


def extract(events: Iterable[Event]) -> Iterator[Candidate]:
    """Everything that the session's events teach, in the order of the session."""
    memory = Memory()
    for exchange in exchanges(events, memory):
        yield from _of(exchange, memory)


def _of(exchange: Exchange, memory: Memory) -> Iterator[Candidate]:
    found: list[Found] = []
    said: set[int] = set()
    for rule in _RULES:
        for each in rule(exchange, memory):
            if len(found) == MOST_OF_ONE_EXCHANGE or not memory.is_new(each.core.text) or memory.was_served(each.text):
                continue
            if share_in(each.text, said) < REPEATED_SHARE:
                found.append(each)
                said.update(shingles(each.text))
                memory.remember(each.core.text)
    for each in found:
        yield candidate_of(each, exchange)

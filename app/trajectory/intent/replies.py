"""Finds the reply that a prompt answers, which tells what a bare "yes" agrees to: while a session is read, or by looking back.

Both ways find the same, so that a session that comes event by event is read as one that comes whole.
"""

from __future__ import annotations

from typing import Final, Protocol
from uuid import UUID

from app.sessions.event import Event
from app.sessions.journal import Journal
from app.trajectory.intent.context import MAX_CONTEXT_CHARS, only_agrees, read_prompt
from app.trajectory.intent.prose import PromptProse, prose_of

MAX_DISTANCE: Final = 2_000
"""Events between a reply and the prompt that answers it: one further back is not looked for."""
FIRST_LOOK: Final = 16
"""Events that are read first when looking back; then four times as many, and so on. A reply mostly stands right before the prompt."""


class LookBack(Protocol):
    """Returns the end of the reply before a prompt of the session; empty: there is none."""

    async def __call__(self, seq: int, /) -> str: ...


class PromptReader:
    """Reads the prompts of one session, fed its events in order from any place on. `look_back` tells what was said before that place."""

    def __init__(self, look_back: LookBack) -> None:
        self._look_back = look_back
        self._said: tuple[int, Event] | None = None

    async def add(self, seq: int, event: Event) -> PromptProse | None:
        """Take the next event; return a prompt as it is read, None for any other event. A sub-agent's prompt answers nothing."""
        if event.sidechain or event.kind not in {"prompt", "reply"}:
            return prose_of(event.text) if event.kind == "prompt" else None
        before, self._said = self._said, (seq, event)
        if event.kind == "reply":
            return None
        prose = prose_of(event.text)
        if not only_agrees(prose):
            return prose
        context = await self._look_back(seq) if before is None else _end_of_reply(*before, seq)
        return read_prompt(event.text, context)


async def reply_before(journal: Journal, session_id: UUID, seq: int) -> str:
    """Return the end of the reply that the prompt at `seq` answers; empty: the event before it that was said is another prompt, or far."""
    until, width, lowest = seq - 1, FIRST_LOOK, max(1, seq - MAX_DISTANCE)
    while until >= lowest:
        after = max(until - width, lowest - 1)
        said = [
            (number, event)
            async for number, event in journal.numbered(session_id, after=after, until=until, max_output_chars=0)
            if event.kind in {"prompt", "reply"} and not event.sidechain
        ]
        if said:
            return _end_of_reply(*said[-1], seq)
        until, width = after, width * 4
    return ""


async def read_prompt_at(journal: Journal, session_id: UUID, seq: int) -> PromptProse | None:
    """Read the prompt at a place in a session; None: there is none."""

    async def look_back(seq: int) -> str:
        return await reply_before(journal, session_id, seq)

    async for number, event in journal.numbered(session_id, after=seq - 1, until=seq, max_output_chars=0):
        return await PromptReader(look_back).add(number, event)
    return None


def _end_of_reply(said_at: int, said: Event, seq: int) -> str:
    return said.text[-MAX_CONTEXT_CHARS:] if said.kind == "reply" and seq - said_at <= MAX_DISTANCE else ""

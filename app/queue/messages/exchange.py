"""The door to messages: names are checked, payloads redacted and bounded, waiting is done here. Which bus keeps them it doesn't know."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

import structlog

from app.errors import TooLarge
from app.part import Loop
from app.queue.messages.bell import Bell
from app.queue.messages.message import DeadLetter, Draft, Message, Place, Taken, check_channel, check_name
from app.queue.messages.redacted import as_text, redacted
from app.settings import Messages as Options
from app.telemetry import metrics

log = structlog.get_logger()

COUNT_SECONDS = 60.0
CHARS_IN_THE_LOOP = 8_000
"""A larger payload is redacted in a thread."""

Heard = Callable[[Place | None], None]
"""Called for a place that another process has put something in; None: what was missed isn't known."""
LISTENING = "queue.messages.listen"
"""The name of the loop that listens, on either bus."""
UNHEARD = "Who waits for a message of another process gets it within `messages.poll_seconds`, not at once."


class Bus(Protocol):
    """Keeps messages. Unavailable when what it keeps them in is away."""

    async def publish(self, place: Place, draft: Draft) -> str:
        """Kept once this returns; its id. Every group of the place gets it, those too that come later."""

    async def take(self, place: Place, group: str, consumer: str, limit: int) -> Taken:
        """At most `limit` that are this consumer's until `visibility_seconds` have passed; then the next one's who takes.

        First those of consumers that fell silent, then new ones, the oldest first. InvalidInput for one group too many.
        """

    async def acknowledge(self, place: Place, group: str, ids: Sequence[str]) -> int:
        """How many were still unacknowledged. NotFound for an unknown group."""

    async def dead_letters(self, place: Place, limit: int) -> list[DeadLetter]:
        """The latest first."""

    async def sweep(self) -> int:
        """Forget what is too old or too many, and readers that are long gone. Returns how many messages went, where that is known."""

    async def waiting(self) -> int:
        """Messages given or to be given that their groups have yet to acknowledge; many are counted only so far."""

    def loops(self, heard: Heard) -> tuple[Loop, ...]:
        """Return the listener, which tells what other processes put."""


@dataclass(frozen=True, slots=True)
class Published:
    """`redactions`: what was taken out of the payload, by kind."""

    id: str
    redactions: Counter[str]


class Exchange:
    def __init__(self, bus: Bus, options: Options) -> None:
        self._bus = bus
        self._options = options
        self._bell = Bell()
        self._stopping = False
        self._counted, self._count_after = 0, 0.0

    async def publish(self, team_id: UUID, channel: str, *, sender: str, kind: str, payload: object, to: str | None = None) -> Published:
        """Once it returns, the message will be delivered at least once. InvalidInput for a wrong name or payload, TooLarge for a large one.

        `kind`: the message's type.
        """
        place = _place(team_id, channel)
        check_name(kind, param="type")
        if to is not None:
            check_name(to, param="to")
        given = as_text(payload)
        most = self._options.max_payload_bytes
        if len(given.encode("utf-8", "replace")) > most:
            raise TooLarge(f"The payload is larger than {most:,} bytes. Store it elsewhere and send where it is.", param="payload")
        clean = redacted(payload) if len(given) <= CHARS_IN_THE_LOOP else await asyncio.to_thread(redacted, payload)
        made = await self._bus.publish(place, Draft(sender, kind, clean[0], to))
        self._bell.ring(place)
        metrics.messages("published", 1)
        return Published(made, clean[1])

    async def receive(
        self, team_id: UUID, channel: str, *, group: str, consumer: str, limit: int = 10, wait_seconds: float = 0
    ) -> list[Message]:
        """What there is for this member of the group, else the first that comes within `wait_seconds`, else nothing.

        A message is its consumer's for `visibility_seconds`; acknowledge it within that time. Nothing is held while it waits:
        no connection, no transaction.
        """
        place, until = _place(team_id, channel), asyncio.get_running_loop().time() + wait_seconds
        check_name(group, param="group")
        check_name(consumer, param="consumer")
        with self._bell.waiting(place, group) as waiter:
            while True:
                taken = await self._bus.take(place, group, consumer, limit)
                if taken.dead:
                    log.warning("message.dead", channel=channel, group=group, count=taken.dead)
                    metrics.messages("dead", taken.dead)
                if taken.messages:
                    break
                if not taken.more and (self._stopping or not await waiter.wait(until)):
                    break
        if taken.more:
            self._bell.ring_group(place, group)
        metrics.messages("delivered", len(taken.messages))
        return taken.messages

    async def acknowledge(self, team_id: UUID, channel: str, *, group: str, ids: Sequence[str]) -> int:
        """The group will not get them again. How many were still unacknowledged; NotFound for a group that has received nothing yet."""
        place = _place(team_id, channel)
        check_name(group, param="group")
        done = await self._bus.acknowledge(place, group, ids)
        metrics.messages("acknowledged", done)
        return done

    async def dead_letters(self, team_id: UUID, channel: str, *, limit: int = 100) -> list[DeadLetter]:
        """The latest first, of all groups."""
        return await self._bus.dead_letters(_place(team_id, channel), limit)

    async def sweep(self) -> int:
        return await self._bus.sweep()

    async def waiting(self) -> int:
        """How many a group has yet to acknowledge, in all channels; counted once a minute. Unavailable where the bus is away."""
        now = asyncio.get_running_loop().time()
        if now >= self._count_after:
            self._counted, self._count_after = await self._bus.waiting(), now + COUNT_SECONDS
        return self._counted

    def loops(self) -> tuple[Loop, ...]:
        """Return what wakes those who wait here."""
        return (*self._bus.loops(self._heard), *self._bell.loops(self._options.poll_seconds))

    def stop(self) -> None:
        """The server is to stop: who waits gets what there is."""
        self._stopping = True
        self._bell.ring_everyone()

    @property
    def stopping(self) -> bool:
        return self._stopping

    def _heard(self, place: Place | None) -> None:
        if place is None:
            self._bell.ring_everyone()
        else:
            self._bell.ring(place)


def _place(team_id: UUID, channel: str) -> Place:
    check_channel(channel)
    return Place(team_id, channel)

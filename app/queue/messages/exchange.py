"""Publishes and receives messages: checks names, redacts and bounds payloads, lets consumers wait. Doesn't know which bus stores them."""

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
from app.queue.messages.message import Channel, DeadLetter, Message, MessageDraft, Taken, check_channel, check_name
from app.queue.messages.redacted import redact_payload, to_json
from app.queue.messages.waiters import Waiters
from app.settings import MessagesSettings as Options
from app.storage.pages import EntryPage, PageWanted
from app.telemetry import metrics

log = structlog.get_logger()

COUNT_SECONDS = 60.0
"""Shortest time between two counts of the unacknowledged messages."""
MAX_CHARS_IN_LOOP = 8_000
"""Size of a payload up to which it is redacted on the event loop; larger ones are, in a thread."""

OnPublished = Callable[[Channel | None], None]
"""Called with a channel to which another process has published; None: notifications may have been missed."""
LISTENING = "queue.messages.listen"
"""Name of the loop that listens for notifications, on either bus."""
WITHOUT_LISTENER = "Messages from other processes may reach waiting consumers up to `messages.poll_seconds` late."


class Bus(Protocol):
    """Stores messages. Methods raise Unavailable when the bus's storage is away."""

    async def publish(self, channel: Channel, draft: MessageDraft) -> str:
        """Store a message durably; return its id. Every group of the channel receives it, groups created later included."""

    async def take(self, channel: Channel, group: str, consumer: str, limit: int) -> Taken:
        """Lease at most `limit` messages to a consumer for `visibility_seconds`; then another may take them.

        Expired leases come first, then new messages, oldest first. Raises InvalidInput if the channel has too many groups.
        """

    async def acknowledge(self, channel: Channel, group: str, ids: Sequence[str]) -> int:
        """Acknowledge messages; return how many were unacknowledged. Raises NotFound for an unknown group."""

    async def dead_letters(self, channel: Channel, wanted: PageWanted) -> EntryPage[DeadLetter]:
        """Return a page of dead letters, the newest or the oldest first. Raises InvalidInput for a place of another bus."""

    async def sweep(self) -> int:
        """Delete messages over the age or number limit, and abandoned consumers. Returns the number of messages deleted, if known."""

    async def waiting(self) -> int:
        """Count messages that groups have yet to acknowledge, up to a bound."""

    def loops(self, on_published: OnPublished) -> tuple[Loop, ...]:
        """Return the loop that calls `on_published` for each message of another process; with None if some may have been missed."""


@dataclass(frozen=True, slots=True)
class Published:
    """A published message. `redactions`: how many secrets were removed from its payload, by kind."""

    id: str
    redactions: Counter[str]


class MessageExchange:
    """Publishes and receives messages over a bus."""

    def __init__(self, bus: Bus, options: Options) -> None:
        self._bus = bus
        self._options = options
        self._waiters = Waiters()
        self._stopping = False
        self._counted, self._count_after = 0, 0.0

    async def publish(self, team_id: UUID, channel: str, *, sender: str, kind: str, payload: object, to: str | None = None) -> Published:
        """Publish a message for at-least-once delivery. Raises InvalidInput for a wrong name or payload, TooLarge for a large one.

        `kind`: the message's type.
        """
        target = _channel(team_id, channel)
        check_name(kind, param="type")
        if to is not None:
            check_name(to, param="to")
        given = to_json(payload)
        limit = self._options.max_payload_bytes
        if len(given.encode("utf-8", "replace")) > limit:
            raise TooLarge(f"The payload is larger than {limit:,} bytes. Store it elsewhere and send a reference to it.", param="payload")
        clean, redactions = redact_payload(payload) if len(given) <= MAX_CHARS_IN_LOOP else await asyncio.to_thread(redact_payload, payload)
        made = await self._bus.publish(target, MessageDraft(sender, kind, clean, to))
        self._waiters.wake(target)
        metrics.messages("published", 1)
        return Published(made, redactions)

    async def receive(
        self, team_id: UUID, channel: str, *, group: str, consumer: str, limit: int = 10, wait_seconds: float = 0
    ) -> list[Message]:
        """Return the messages available to this consumer, waiting up to `wait_seconds` for the first; empty if none came.

        Messages are leased for `visibility_seconds`; acknowledge them within that time. Waiting holds no connection or transaction.
        """
        target, until = _channel(team_id, channel), asyncio.get_running_loop().time() + wait_seconds
        check_name(group, param="group")
        check_name(consumer, param="consumer")
        with self._waiters.waiting(target, group) as waiter:
            while True:
                taken = await self._bus.take(target, group, consumer, limit)
                if taken.dead:
                    log.warning("message.dead", channel=channel, group=group, count=taken.dead)
                    metrics.messages("dead", taken.dead)
                if taken.messages:
                    break
                if not taken.more and (self._stopping or not await waiter.wait(until)):
                    break
        if taken.more:
            self._waiters.wake_group(target, group)
        metrics.messages("delivered", len(taken.messages))
        return taken.messages

    async def acknowledge(self, team_id: UUID, channel: str, *, group: str, ids: Sequence[str]) -> int:
        """Acknowledge messages for the group; return how many were unacknowledged. NotFound for a group that never received."""
        target = _channel(team_id, channel)
        check_name(group, param="group")
        done = await self._bus.acknowledge(target, group, ids)
        metrics.messages("acknowledged", done)
        return done

    async def dead_letters(self, team_id: UUID, channel: str, wanted: PageWanted) -> EntryPage[DeadLetter]:
        """Return a page of the channel's dead letters of all groups (`Bus.dead_letters`)."""
        return await self._bus.dead_letters(_channel(team_id, channel), wanted)

    async def sweep(self) -> int:
        """Delete what is past its limits (`Bus.sweep`)."""
        return await self._bus.sweep()

    async def waiting(self) -> int:
        """Count unacknowledged messages in all channels, at most once a minute. Raises Unavailable if the bus is away."""
        now = asyncio.get_running_loop().time()
        if now >= self._count_after:
            self._counted, self._count_after = await self._bus.waiting(), now + COUNT_SECONDS
        return self._counted

    def loops(self) -> tuple[Loop, ...]:
        """Return the loops that wake waiting consumers."""
        return (*self._bus.loops(self._on_published), *self._waiters.loops(self._options.poll_seconds))

    def stop(self) -> None:
        """Let all waiting consumers return with the messages that there are: the server is stopping."""
        self._stopping = True
        self._waiters.wake_all()

    @property
    def stopping(self) -> bool:
        return self._stopping

    def _on_published(self, channel: Channel | None) -> None:
        if channel is None:
            self._waiters.wake_all()
        else:
            self._waiters.wake(channel)


def _channel(team_id: UUID, channel: str) -> Channel:
    check_channel(channel)
    return Channel(team_id, channel)

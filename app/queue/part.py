"""Opens the job queue, the messages between agents, and the outbox of webhook notices."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from app.part import Levels, Maintenance, Opened, Part, Role
from app.queue.jobs import Queue
from app.queue.messages import postgres_bus
from app.queue.messages.exchange import MessageExchange
from app.queue.messages.postgres_bus import PostgresBus
from app.queue.outbox import Outbox
from app.settings import Settings
from app.storage.notify_listener import NotifyListener
from app.storage.part import StorageServices
from app.telemetry import metrics


@dataclass(frozen=True, slots=True)
class QueueServices:
    """The job queue, the exchange of messages between agents, and the outbox of webhook notices."""

    queue: Queue
    messages: MessageExchange
    outbox: Outbox


@asynccontextmanager
async def open_queue(settings: Settings, role: Role, *, storage: StorageServices) -> AsyncIterator[Opened[QueueServices]]:
    """Open the queue, messages and the outbox. Every process posts notices; only a server has consumers that wait for messages."""
    made = QueueServices(Queue(storage.database, settings.worker), _messages(settings, storage), Outbox(storage.database, settings.webhook))
    yield made, _part(made, role)


def _messages(settings: Settings, storage: StorageServices) -> MessageExchange:
    """Make the exchange: on Redis if it is configured (only then is redis-py imported), else on PostgreSQL."""
    if storage.redis is None:
        notices = NotifyListener(settings.database, storage.url, name="cairn messages", channel=postgres_bus.CHANNEL)
        return MessageExchange(PostgresBus(storage.database, notices, settings.messages), settings.messages)
    from app.queue.messages.redis_bus import RedisBus

    return MessageExchange(RedisBus(storage.redis, settings.messages), settings.messages)


def _part(made: QueueServices, role: Role) -> Part:
    queue, messages = made.queue, made.messages

    async def jobs() -> None:
        metrics.set_jobs(await queue.counts())
        backlog = await queue.backlog()
        metrics.set_queues(jobs=backlog.waiting, oldest_seconds=backlog.oldest_seconds)

    async def waiting() -> None:
        metrics.set_messages_waiting(await messages.waiting())

    async def jobs_now() -> Levels:
        found = await queue.backlog()
        return {
            "queue.waiting": {(): float(found.waiting)},
            "queue.running": {(): float(found.running)},
            "queue.oldest": {(): found.oldest_seconds},
        }

    async def messages_now() -> Levels:
        return {"messages.waiting": {(): float(await messages.waiting())}}

    return Part(
        name="queue",
        loops=(*made.outbox.loops(), *(messages.loops() if role == "serve" else ())),
        gauges=[jobs, waiting],
        levels=[jobs_now, messages_now] if role == "serve" else (),
        maintenance=[
            Maintenance("jobs", queue.sweep),
            Maintenance("notices", made.outbox.sweep),
            Maintenance("messages", messages.sweep),
        ],
    )

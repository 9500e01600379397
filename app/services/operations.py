"""Operations on rooms that don't know accounts: one call for a route, a tool and a page alike, which knows who asks and what they may."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from uuid import UUID

from app.accounts.requester import Requester
from app.errors import NotFound
from app.inference.breaker import CircuitBreaker
from app.inference.catalog import ProviderStatus
from app.part import Cache
from app.queue.jobs import Job
from app.queue.messages.exchange import Published
from app.queue.messages.message import DeadLetter, Message
from app.redaction import Redacted, redact
from app.services.services import Services
from app.telemetry import metrics


async def put_message(services: Services, requester: Requester, channel: str, *, kind: str, payload: object, to: str | None) -> Published:
    """Put a message into a channel of the requester's team, in their name. See `Exchange.publish`."""
    requester.check("write")
    done = await services.messages.publish(requester.team_id, channel, sender=requester.name, kind=kind, payload=payload, to=to)
    metrics.redacted(done.redactions)
    return done


async def receive_messages(
    services: Services, requester: Requester, channel: str, *, group: str, consumer: str, limit: int, wait_seconds: float = 0
) -> Sequence[Message]:
    """Take what there is for this member of a group: nobody else of the group gets it for a while."""
    requester.check("write")
    return await services.messages.receive(
        requester.team_id, channel, group=group, consumer=consumer, limit=limit, wait_seconds=wait_seconds
    )


async def acknowledge_messages(services: Services, requester: Requester, channel: str, *, group: str, ids: Sequence[str]) -> int:
    """Acknowledge messages; returns how many of them still were to be."""
    requester.check("write")
    return await services.messages.acknowledge(requester.team_id, channel, group=group, ids=ids)


async def dead_letters(services: Services, requester: Requester, channel: str, *, limit: int) -> Sequence[DeadLetter]:
    """List a channel's messages that were delivered too often, the latest first."""
    requester.check("read")
    return await services.messages.dead_letters(requester.team_id, channel, limit=limit)


async def show_job(services: Services, requester: Requester, job_id: UUID) -> Job:
    """Show a job of the requester's team, to an admin any. NotFound for another's."""
    requester.check("read")
    return await services.queue.get(job_id, team_id=None if requester.is_admin else requester.team_id)


async def take_out_secrets(requester: Requester, text: str) -> Redacted:
    """Take the secrets out of a text, off the event loop."""
    requester.check("read")
    done = await asyncio.to_thread(redact, text)
    metrics.redacted(Counter(finding.kind for finding in done.findings))
    return done


def list_caches(services: Services, requester: Requester) -> Sequence[Cache]:
    """List the caches, with what each tier holds and spares."""
    requester.check("administer")
    return list(services.caches.values())


async def empty_cache(services: Services, requester: Requester, name: str) -> int:
    """Empty a cache in all its tiers, on all servers; returns how many entries went. NotFound for an unknown one."""
    requester.check("administer")
    found = services.caches.get(name)
    if found is None:
        raise NotFound(f"There is no cache {name!r}. There are: {', '.join(services.caches)}.", param="name")
    return await found.clear()


def list_providers(services: Services, requester: Requester) -> Sequence[tuple[ProviderStatus, CircuitBreaker | None]]:
    """List the configured providers, each with its circuit breaker; None: it takes no part."""
    requester.check("administer")
    catalog = services.inference.catalog
    return [(each, catalog.breakers.get(each.name)) for each in catalog.standings]


async def rebuild_index(services: Services, requester: Requester, progress: Callable[[int, int], None]) -> int:
    """Rebuild the vector index from PostgreSQL, and return how many points it holds. `progress`: told (done, total)."""
    requester.check("administer")
    return await services.knowledge.index.rebuild(progress)

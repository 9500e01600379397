"""Operations on rooms that don't know accounts: one call for a route, a tool and a page alike, which knows who asks and what they may."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from uuid import UUID

from app.accounts.requester import Requester
from app.errors import NotFound
from app.inference.breaker import CircuitBreaker
from app.inference.catalog import ProviderStatus
from app.queue.jobs import Job, no_job
from app.queue.messages import DeadLetter, Message, Published
from app.redaction import Redacted, redact
from app.services.services import Services
from app.sessions.job_sessions import sessions_of
from app.storage.pages import EntryPage, PageWanted
from app.telemetry import metrics


@dataclass(frozen=True, slots=True)
class ShownCache:
    """A cache: the cost and the time that its answers spared, and each tier's counters by name."""

    name: str
    saved_nanousd: int
    saved_seconds: float
    tiers: Mapping[str, Mapping[str, int]]


async def put_message(services: Services, requester: Requester, channel: str, *, kind: str, payload: object, to: str | None) -> Published:
    """Put a message into a channel of the requester's team, in their name. See `Exchange.publish`."""
    requester.check("write")
    done = await services.messages.publish(requester.team_id, channel, sender=requester.name, kind=kind, payload=payload, to=to)
    metrics.redacted(done.redactions)
    return done


async def receive_messages(
    services: Services, requester: Requester, channel: str, *, group: str, consumer: str, limit: int, wait_seconds: float = 0
) -> Sequence[Message]:
    """Take what there is for this member of a group: nobody else of the group gets it for a while.

    Who may no more receive it after having waited gets nothing (errors as for `Accounts.refreshed`): it comes again, to another.
    """
    requester.check("write")
    found = await services.messages.receive(
        requester.team_id, channel, group=group, consumer=consumer, limit=limit, wait_seconds=wait_seconds
    )
    if wait_seconds:
        (await services.accounts.refreshed(requester)).check("write")
    return found


async def acknowledge_messages(services: Services, requester: Requester, channel: str, *, group: str, ids: Sequence[str]) -> int:
    """Acknowledge messages; returns how many of them still were to be."""
    requester.check("write")
    return await services.messages.acknowledge(requester.team_id, channel, group=group, ids=ids)


async def dead_letters(services: Services, requester: Requester, channel: str, wanted: PageWanted) -> EntryPage[DeadLetter]:
    """List a page of a channel's messages that were delivered too often."""
    requester.check("read")
    return await services.messages.dead_letters(requester.team_id, channel, wanted)


async def show_job(services: Services, requester: Requester, job_id: UUID) -> Job:
    """Show a job of the requester's team, to an admin any. NotFound for another's, and for one of a project closed to the requester."""
    requester.check("read")
    job = await services.queue.get(job_id, team_id=None if requester.is_admin else requester.team_id)
    if requester.closed and not await _is_open(services, requester, job):
        raise NotFound(no_job(job_id))
    return job


async def _is_open(services: Services, requester: Requester, job: Job) -> bool:
    """Tell whether none of a job's sessions is of a project closed to the requester. One that names none yet, only its sender sees."""
    sessions = sessions_of(job.payload)
    if not sessions:
        return job.developer_id == requester.developer_id
    cited = await services.journal.cited(requester.team_id, sessions)
    return not any(each.project_id in requester.closed for each in cited.values())


async def take_out_secrets(requester: Requester, text: str) -> Redacted:
    """Take the secrets out of a text, off the event loop."""
    requester.check("read")
    done = await asyncio.to_thread(redact, text)
    metrics.redacted(Counter(finding.kind for finding in done.findings))
    return done


def list_caches(services: Services, requester: Requester) -> Sequence[ShownCache]:
    """List the caches, with what each tier holds and spares; prompts that mean the same are a tier of completions."""
    requester.check("administer")
    semantic = services.inference.engine.by_meaning
    found = []
    for each in services.caches.values():
        tiers = dict(each.figures())
        if each.name == "completions" and semantic is not None:
            tiers["semantic"] = {"entries": len(semantic), "bytes": semantic.size, **asdict(semantic.counts)}
        found.append(ShownCache(each.name, each.saved_nanousd, each.saved_seconds, tiers))
    return found


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
    return [(each, catalog.breakers.get(each.name)) for each in catalog.statuses]


async def rebuild_index(services: Services, requester: Requester, progress: Callable[[int, int], None]) -> int:
    """Rebuild the vector index from PostgreSQL, and return how many points it holds. `progress`: told (done, total)."""
    requester.check("administer")
    return await services.knowledge.index.rebuild(progress)

"""Opens distillation: its payers, its calls, its projection, and the jobs that run it. Nothing is asked unless it is enabled."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from app.accounts.accounts import Accounts
from app.embeddings.part import EmbeddingServices
from app.inference.part import InferenceServices
from app.knowledge.distillation.jobs import DistillationJobs
from app.knowledge.distillation.model_calls import ModelCalls
from app.knowledge.distillation.payers import Distillers
from app.knowledge.distillation.projection import DistillationProjection
from app.knowledge.evidence_writer import EvidenceWriter
from app.knowledge.part import KnowledgeServices
from app.money import from_usd
from app.part import Opened, Part, Role
from app.queue.jobs import Queue
from app.sessions.journal import Journal
from app.sessions.settled import SettledSessions
from app.settings import Settings


@asynccontextmanager
async def open_distillation(
    settings: Settings,
    role: Role,
    *,
    queue: Queue,
    accounts: Accounts,
    journal: Journal,
    settled: SettledSessions,
    embeddings: EmbeddingServices,
    knowledge: KnowledgeServices,
    inference: InferenceServices,
) -> AsyncIterator[Opened[DistillationJobs]]:
    """Open it. ConfigurationError where it is enabled with a model that isn't configured."""
    options, projection = settings.distillation, None
    if options.enabled:
        inference.catalog.require_configured(options.model, setting="distillation.model")
        payers = Distillers(accounts, monthly_limit=from_usd(options.monthly_limit_usd))
        projection = DistillationProjection(
            journal=journal,
            writer=EvidenceWriter(
                embedder=embeddings.embedder, long_form=embeddings.long_form, store=knowledge.store, index=knowledge.index, distilled=True
            ),
            calls=ModelCalls(inference.engine, payers, options),
            batch_tokens=options.batch_tokens,
            must_yield=partial(_jobs_wait, queue),
        )
    jobs = DistillationJobs(queue, settled, projection)
    gauges = [jobs.set_backlog] if options.enabled else []
    yield jobs, Part(name="distillation", jobs=jobs.jobs(), loops=jobs.loops() if role == "worker" else (), gauges=gauges)


async def _jobs_wait(queue: Queue) -> bool:
    return bool((await queue.backlog()).waiting)

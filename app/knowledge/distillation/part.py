"""Opens distillation: its payers, its calls, and its projection, which is registered where it is enabled."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.accounts.accounts import Accounts
from app.inference.part import InferenceServices
from app.knowledge.distillation.model_calls import ModelCalls
from app.knowledge.distillation.payers import Distillers
from app.knowledge.distillation.projection import DistillationProjection
from app.knowledge.part import KnowledgeServices
from app.money import from_usd
from app.part import Opened, Part
from app.queue.jobs import Queue
from app.sessions.journal import Journal
from app.sessions.projections import Projections
from app.settings import Settings
from app.storage.database import Database


@asynccontextmanager
async def open_distillation(
    settings: Settings,
    *,
    database: Database,
    accounts: Accounts,
    journal: Journal,
    projections: Projections,
    knowledge: KnowledgeServices,
    inference: InferenceServices,
) -> AsyncIterator[Opened[DistillationProjection | None]]:
    """Register the projection; None: distillation is off. ConfigurationError where it is enabled with a model that isn't configured."""
    options, projection = settings.distillation, None
    if options.enabled:
        inference.catalog.require_configured(options.model, setting="distillation.model")
        projection = DistillationProjection(
            journal=journal,
            writer=knowledge.distilled,
            calls=ModelCalls(inference.engine, Distillers(accounts, monthly_limit=from_usd(options.monthly_limit_usd)), options),
            batch_tokens=options.batch_tokens,
            must_yield=Queue(database, settings.worker).requested_waits,
        )
        projections.register(projection, deferred=True)
    yield projection, Part(name="distillation")

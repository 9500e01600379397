"""Opens the room of intents: the classifier, its projection, and the fitting of teams' heads."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from app.embeddings.part import EmbeddingServices
from app.part import Opened, Part, Role
from app.queue.jobs import Queue
from app.sessions.journal import Journal
from app.sessions.projections import Projections
from app.settings import Settings
from app.storage.database import Database
from app.trajectory.intent.classifying import IntentClassifier
from app.trajectory.intent.correcting import TRAIN, IntentCorrecting, IntentTraining
from app.trajectory.intent.heads import StoredHeads
from app.trajectory.intent.projection import IntentsProjection
from app.trajectory.intent.store import IntentStore


@dataclass(frozen=True, slots=True)
class IntentServices:
    """The room's live objects."""

    classifier: IntentClassifier
    store: IntentStore
    correcting: IntentCorrecting
    projection: IntentsProjection


@asynccontextmanager
async def open_intents(
    settings: Settings, role: Role, *, database: Database, journal: Journal, projections: Projections, embeddings: EmbeddingServices
) -> AsyncIterator[Opened[IntentServices]]:
    """Open the room, and register its projection. Workers fit teams' heads."""
    store = IntentStore(database)
    heads = StoredHeads(store)
    classifier = IntentClassifier(embeddings.embedder, heads)
    training = IntentTraining(Queue(database, settings.worker), journal, classifier, store=store, heads=heads)
    projection = IntentsProjection(journal=journal, classifier=classifier, store=store, training=training)
    projections.register(projection)
    correcting = IntentCorrecting(database, journal, store, training)
    jobs = {TRAIN: training.job} if role == "worker" else {}
    yield IntentServices(classifier, store, correcting, projection), Part(name="intents", jobs=jobs)

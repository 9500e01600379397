"""Makes what concerns intents: the classifier, its projection, and the fitting of teams' heads."""

from __future__ import annotations

from dataclasses import dataclass

from app.embeddings.part import EmbeddingServices
from app.queue.jobs import Queue
from app.sessions.journal import Journal
from app.sessions.projections import Projections
from app.settings import Settings
from app.storage.database import Database
from app.trajectory.intent.classifying import IntentClassifier
from app.trajectory.intent.correcting import IntentCorrecting, IntentTraining
from app.trajectory.intent.explaining import IntentExplaining
from app.trajectory.intent.heads import StoredHeads
from app.trajectory.intent.projection import IntentsProjection
from app.trajectory.intent.store import IntentStore


@dataclass(frozen=True, slots=True)
class IntentServices:
    """The live objects. `training`: a worker's."""

    classifier: IntentClassifier
    store: IntentStore
    correcting: IntentCorrecting
    explaining: IntentExplaining
    projection: IntentsProjection
    training: IntentTraining


def make_intents(
    settings: Settings, *, database: Database, journal: Journal, projections: Projections, embeddings: EmbeddingServices
) -> IntentServices:
    """Make them, and register the projection."""
    store = IntentStore(database)
    heads = StoredHeads(store)
    classifier = IntentClassifier(embeddings.embedder, heads)
    training = IntentTraining(Queue(database, settings.worker), journal, classifier, store=store, heads=heads)
    projection = IntentsProjection(journal=journal, classifier=classifier, store=store, training=training)
    projections.register(projection)
    correcting, explaining = IntentCorrecting(database, journal, store, training), IntentExplaining(journal, store, classifier)
    return IntentServices(classifier, store, correcting, explaining, projection, training)

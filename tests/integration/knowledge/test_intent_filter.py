"""A query by intent finds what comes from exchanges of that intent, and nothing else: exact, also after a correction, and degraded too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import numpy as np
import pytest
from sqlalchemy import text

from app.errors import InvalidInput
from app.knowledge.intent_rows import record_relabelled
from app.knowledge.results import Query
from app.knowledge.search import Search
from app.queue.jobs import Queue
from app.sessions.event import Event
from app.settings import Settings
from app.trajectory.intent.classifier import reading_of
from app.trajectory.intent.classifying import IntentClassifier
from app.trajectory.intent.correcting import IntentCorrecting, IntentTraining
from app.trajectory.intent.heads import StoredHeads
from app.trajectory.intent.kinds import INTENTS, Intent, IntentReading
from app.trajectory.intent.projection import IntentsProjection
from app.trajectory.intent.prose import PromptProse
from app.trajectory.intent.store import IntentStore
from tests.integration.knowledge.conftest import Bench, lesson

QUESTION = "payment worker timeout"


class NamedIntents(IntentClassifier):
    """Tells the intent that a prompt names first; so a test says what it is."""

    async def classify_parted(self, team_id: UUID, prompts: Sequence[PromptProse], *, wait: bool = False) -> list[IntentReading]:
        return [_named(prose.said.split(":")[0]) for prose in prompts]


def _named(intent: str) -> IntentReading:
    scores = [0.0 if each == intent else -9.0 for each in INTENTS]
    return reading_of(PromptProse("", 1), None, np.array(scores))


@pytest.fixture
def correcting(bench: Bench) -> IntentCorrecting:
    """Add the projection of intents to the bench, before the others, with what corrects them."""
    store = IntentStore(bench.database)
    store.follow(record_relabelled)
    heads = StoredHeads(store)
    classifier = NamedIntents(bench.embedder, heads)
    training = IntentTraining(Queue(bench.database, Settings().worker), bench.journal, classifier, store=store, heads=heads)
    projection = IntentsProjection(journal=bench.journal, classifier=classifier, store=store, training=training)
    others = list(bench.projections)
    bench.projections._by_name.clear()
    for each in (projection, *others):
        bench.projections.register(each)
    return IntentCorrecting(bench.database, bench.journal, store, training)


def said(number: int, role: str, words: str, *, sidechain: bool = False) -> Event:
    kind = "prompt" if role == "user" else "reply"
    return Event(f"e{number}", role, kind, words, f"L{number}", sidechain=sidechain)  # type: ignore[arg-type]


TALK = [
    said(1, "user", "debugging: why does the payment worker run into a timeout?"),
    said(2, "assistant", "The payment worker meets a timeout because its pool is small."),
    said(3, "user", "testing: cover the payment worker with a timeout test"),
    said(4, "user", "learning: tell the payment worker's helper about a timeout", sidechain=True),
    said(5, "assistant", "A test of the payment worker forces the timeout with a slow pool."),
]


async def tell(bench: Bench, name: str, events: Sequence[Event] = TALK, *, project: str = "shop") -> UUID:
    session = await bench.session(name, project=project)
    await bench.journal.append(session, list(events))
    await bench.bring_up(session)
    return session


async def places(bench: Bench, *intents: str, kind: str = "passage", search: Search | None = None, **fields: object) -> set[str]:
    """The locators of what is found, of this kind."""
    query = Query(QUESTION, kinds=(kind,), min_score=0.0, intents=intents, **fields)  # type: ignore[arg-type]
    found = await (search or bench.search).query(bench.team_id, query)
    return {locator for each in found.results for locator in ([spot for _, spot in each.places] or [each.source.locator])}


async def drain(bench: Bench) -> None:
    while await bench.index.drain():
        pass


async def test_passages_are_found_by_the_intent_of_their_exchange(bench: Bench, correcting: IntentCorrecting) -> None:
    await tell(bench, "talk")
    assert await places(bench) == {"L1", "L2", "L3", "L4", "L5"}
    assert await places(bench, "debugging") == {"L1", "L2"}
    assert await places(bench, "testing") == {"L3", "L4", "L5"}  # what is said to a sub-agent belongs to the person's exchange
    assert await places(bench, "testing", "debugging") == {"L1", "L2", "L3", "L4", "L5"}
    assert await places(bench, "learning") == set()


async def test_a_correction_counts_at_once_where_it_excludes_and_after_indexing_where_it_includes(
    bench: Bench, correcting: IntentCorrecting
) -> None:
    session = await tell(bench, "talk")
    await correcting.correct(bench.requester(), session, 1, "refactoring")
    assert await places(bench, "debugging") == set()
    await drain(bench)
    assert await places(bench, "refactoring") == {"L1", "L2"}
    assert await places(bench, "testing") == {"L3", "L4", "L5"}


async def test_a_passage_said_twice_is_cited_from_the_exchange_asked_for(bench: Bench, correcting: IntentCorrecting) -> None:
    words = "The payment worker meets a timeout because its pool is small."
    one = await tell(bench, "one", [said(1, "user", "debugging: look"), said(2, "assistant", words)])
    other = await tell(bench, "other", [said(1, "user", "learning: explain"), said(2, "assistant", words)])
    for intent, session in (("debugging", one), ("learning", other)):
        query = Query(QUESTION, kinds=("passage",), min_score=0.0, intents=(intent,))
        (found,) = [each for each in (await bench.search.query(bench.team_id, query)).results if words in each.text]
        assert (found.source.session_id, found.evidence_count) == (session, 2)


async def test_items_are_found_by_the_exchange_that_their_evidence_lies_in(bench: Bench, correcting: IntentCorrecting) -> None:
    session = await tell(bench, "talk")
    early = replace(lesson("a", "Raise the pool of the payment worker against its timeout."), event_id="e2")
    late = replace(lesson("b", "Test the payment worker timeout."), event_id="e5")
    await bench.teach("talk", [early, late])
    recorded = "insert into knowledge (id, team_id, project_id, origin, type, title, text, confidence, embedding, embedding_model)"
    async with bench.database.begin() as connection:
        copied = f"{recorded} select gen_random_uuid(), team_id, project_id, 'recorded', type, 'payment worker timeout', 'payment worker timeout: said by a person', 0.9, embedding, embedding_model from knowledge limit 1"
        await connection.execute(text(copied))

    async def texts(*intents: Intent) -> set[str]:
        query = Query(QUESTION, kinds=("item",), min_score=0.0, intents=intents)
        return {each.text for each in (await bench.search.query(bench.team_id, query)).results}

    assert await texts("debugging") == {early.text}
    assert await texts("testing") == {late.text}
    assert await texts("optimization") == set()
    await correcting.correct(bench.requester(), session, 3, "optimization")
    await drain(bench)
    assert (await texts("optimization"), await texts("testing")) == ({late.text}, set())


async def test_the_filter_keeps_to_the_team_and_the_project(bench: Bench, correcting: IntentCorrecting) -> None:
    await tell(bench, "talk")
    await tell(bench, "elsewhere", [said(1, "user", "debugging: the payment worker of the depot has a timeout")], project="depot")
    assert await places(bench, "debugging", project="depot") == {"L1"}
    async with bench.database.begin() as connection:
        stranger = (
            await connection.execute(text("insert into teams (id, name) values (gen_random_uuid(), 'others') returning id"))
        ).scalar_one()
        closed = (await connection.execute(text("select id from projects where name = 'shop'"))).scalar_one()
    found = await bench.search.query(stranger, Query(QUESTION, min_score=0.0, intents=("debugging",)))
    assert not found.results
    assert await places(bench, "testing", closed=frozenset({closed})) == set()


async def test_without_the_vector_store_the_filter_is_as_exact(bench: Bench, correcting: IntentCorrecting) -> None:
    await tell(bench, "talk")
    bench.index.complete = False
    assert await places(bench, "debugging") == {"L1", "L2"}
    assert await places(bench, "learning") == set()


async def test_a_purge_takes_the_intents_of_a_session_from_what_others_said_too(bench: Bench, correcting: IntentCorrecting) -> None:
    words = "The payment worker meets a timeout because its pool is small."
    await tell(bench, "one", [said(1, "user", "debugging: look"), said(2, "assistant", words)])
    other = await tell(bench, "other", [said(1, "user", "learning: explain"), said(2, "assistant", words)])
    await bench.purge.erase(bench.team_id, other)
    await drain(bench)
    assert await places(bench, "learning") == set()
    assert "L2" in await places(bench, "debugging")


async def test_an_unknown_intent_is_refused_with_the_eight(bench: Bench) -> None:
    with pytest.raises(InvalidInput, match="hacking not known") as refused:
        await bench.search.query(bench.team_id, Query(QUESTION, intents=("hacking",)))
    assert refused.value.param == "intents"
    assert all(each in refused.value.message for each in INTENTS)

"""A purge leaves nothing that only the purged session taught, in PostgreSQL or in the index."""

from __future__ import annotations

from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.accounts.requester import Requester
from app.errors import DatabaseUnavailable, NotFound, NotPermitted
from app.knowledge.results import Query
from app.part import Forget, Part
from app.queue.jobs import Queue
from app.sessions.purge import Purge
from app.sessions.session import Session
from app.settings import Settings
from tests.integration.knowledge.conftest import Bench, lesson

NATS = "We chose NATS over Kafka because one binary is enough for our traffic"
POOL = "The payment worker timed out because its pool had only five connections"


async def test_knowledge_of_one_session_leaves_with_it(bench: Bench) -> None:
    await bench.teach("a", [lesson("1", NATS), lesson("2", POOL)])
    purged = await bench.purge.delete_session(bench.requester(), bench.sessions["a"])
    await bench.index.drain_to(2**62)
    assert purged.removed == {"passages": 0, "items": 2, "uses": 0}
    assert await bench.items() == []
    assert not (await bench.search.query(bench.team_id, Query(NATS))).results
    assert (await bench.vectors.status()).points == 0
    async with bench.database.begin() as connection:
        for table in ("sessions", "events", "knowledge_evidence", "projection_checkpoints"):
            assert (await connection.execute(text(f"select count(*) from {table}"))).scalar_one() == 0


async def test_what_another_session_taught_too_stays_in_its_words(bench: Bench) -> None:
    await bench.teach("a", [lesson("1", f"{NATS} indeed", confidence=0.9)])
    await bench.teach("b", [lesson("1", NATS, confidence=0.5)])
    await bench.purge.delete_session(bench.requester(), bench.sessions["a"])
    await bench.index.drain_to(2**62)
    assert await bench.items() == [("Lesson", NATS, 1)]
    found = (await bench.search.query(bench.team_id, Query(NATS))).results
    assert [result.source.transcript for result in found] == ["b.jsonl"]


async def test_only_the_author_or_an_admin_purges(bench: Bench) -> None:
    session = await bench.session("a")
    with pytest.raises(NotPermitted):
        await bench.purge.delete_session(bench.requester(uuid4()), session)


async def test_another_teams_session_is_not_found(bench: Bench) -> None:
    session = await bench.session("a")
    with pytest.raises(NotFound):
        await bench.purge.delete_session(Requester(uuid4(), "other", role="admin"), session)


async def test_what_another_part_keeps_of_a_session_goes_in_the_same_transaction(bench: Bench) -> None:
    """A part may come after the purge: a room above sessions is opened after it."""
    parts: list[Part] = []
    purge = Purge(bench.database, bench.journal, Queue(bench.database, Settings().worker), bench.projections, parts=parts)
    await bench.teach("a", [lesson("1", NATS)])
    asked: list[tuple[str, bool]] = []

    async def forget(connection: AsyncConnection, session: Session) -> int:
        there = await connection.scalar(text("select count(*) from sessions where id = :id"), {"id": session.id})
        asked.append((session.external_id, there == 1))
        return 5

    async def away(connection: AsyncConnection, session: Session) -> int:
        raise DatabaseUnavailable("away")

    parts.append(Part(name="graphs", forgets=[Forget("graphs", forget), Forget("more", away)]))
    with pytest.raises(DatabaseUnavailable):
        await purge.delete_session(Requester(bench.team_id, "team", role="admin"), bench.sessions["a"])
    assert len(await bench.items()) == 1  # all or nothing
    parts[:] = [Part(name="graphs", forgets=[Forget("graphs", forget)])]
    purged = await purge.delete_session(Requester(bench.team_id, "team", role="admin"), bench.sessions["a"])
    assert purged.removed == {"passages": 0, "items": 1, "uses": 0, "graphs": 5}
    assert asked == [("a", True)] * 2

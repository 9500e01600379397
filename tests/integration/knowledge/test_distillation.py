"""What a model distils is stored beside what rules extract: in parts, at most once, and gone with its session."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from app import clock
from app.knowledge.distillation.material import Batch
from app.knowledge.distillation.projection import DistillationProjection
from app.knowledge.evidence_writer import EvidenceWriter
from app.queue.jobs import Queue
from app.sessions.deferred import DEFERRED, DeferredRuns
from app.sessions.event import Event
from app.sessions.projections import ProjectionPaused, Projections
from app.settings import Settings
from tests.integration.knowledge.conftest import Bench, lesson
from tests.unit.knowledge.distillation.replies import item, reply

POOL = "The payment worker of the shop timed out because its pool in app/pool.py had only 5 connections in staging."
PORT = "In staging the gateway of the shop listens on port 8443, and only the mesh may reach it from the inside."
CACHE = "The search cache of the shop keeps a page for 300 seconds, since the catalogue is written every 5 minutes."


class Model:
    """Distils the first passage of each batch, word by word. `fails_at`: the call of this number pauses the team."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.asked: list[str] = []
        self.fails_at = fails_at

    async def meanwhile(self) -> None:
        """Let something happen while the model thinks."""

    async def ask(self, session: Any, batch: Batch) -> str | None:
        await self.meanwhile()
        if len(self.asked) + 1 == self.fails_at:
            raise ProjectionPaused("The monthly limit is used up.", until=clock.now())
        self.asked.append(batch[0].text)
        return reply(item(batch[0].text, (1, batch[0].text)))


class Distillery:
    def __init__(self, bench: Bench, model: Model) -> None:
        self.bench, self.model = bench, model
        self.queue = Queue(bench.database, Settings().worker)
        writer = EvidenceWriter(embedder=bench.embedder, long_form=bench.long_form, store=bench.store, index=bench.index, distilled=True)
        self.projection = DistillationProjection(
            journal=bench.journal,
            writer=writer,
            calls=model,
            batch_tokens=30,
            must_yield=self.never,  # type: ignore[arg-type]
        )
        projections = Projections()
        projections.register(self.projection, deferred=True)
        parts: dict[str, Any] = {
            "database": bench.database,
            "queue": self.queue,
            "journal": bench.journal,
            "checkpoints": bench.checkpoints,
        }
        self.runs = DeferredRuns(**parts, projections=projections)

    async def never(self) -> bool:
        return False

    async def distil(self, session: UUID) -> dict[str, Any]:
        return await self.runs.project(self.projection, self.bench.team_id, session)


@pytest.fixture
def distillery(bench: Bench) -> Distillery:
    return Distillery(bench, Model())


def said(*texts: str, first: int = 1) -> list[Event]:
    return [Event(f"e{n}", "assistant", "reply", each, f"L{n}") for n, each in enumerate(texts, first)]


async def evidence(bench: Bench, *, distilled: bool = True) -> Sequence[str]:
    query = text("select text from knowledge_evidence where distilled = :distilled order by event_id")
    async with bench.database.begin() as connection:
        return list(await connection.scalars(query, {"distilled": distilled}))


async def test_distilled_items_stand_beside_those_of_the_rules_and_neither_withdraws_the_other(distillery: Distillery) -> None:
    bench = distillery.bench
    await bench.teach("s", [lesson("1", CACHE)])
    session = await bench.session("s")
    await bench.journal.append(session, said(POOL, PORT))
    assert (await distillery.distil(session))["distilled"] == {"new": 2, "merged": 0, "updated": 0, "withdrawn": 0, "known": 0}
    assert (await evidence(bench), await evidence(bench, distilled=False)) == ([POOL, PORT], [CACHE])
    await bench.teach("s", [])
    assert (await evidence(bench), await evidence(bench, distilled=False)) == ([POOL, PORT], [])
    item = await bench.store.get(bench.team_id, await bench.item_id(POOL))
    assert (item.evidence[0].locator, item.evidence[0].excerpt, item.distilled) == ("L1", POOL, True)
    assert "file app/pool.py" in [f"{each.kind} {each.name}" for each in item.subjects]


async def test_what_the_rules_found_too_stays_their_item_with_one_piece_of_evidence(distillery: Distillery) -> None:
    bench = distillery.bench
    session = await bench.session("s")
    await bench.journal.append(session, said(POOL))
    await bench.teach("s", [lesson("1", POOL, title=" ".join(POOL.split()[:6]), type="bug_solution", confidence=0.2)])
    assert (await distillery.distil(session))["distilled"]["merged"] == 1
    assert [(body, count) for _, body, count in await bench.items()] == [(POOL, 1)]
    item = await bench.store.get(bench.team_id, await bench.item_id(POOL))
    assert (item.type, item.confidence, item.distilled) == ("bug_solution", pytest.approx(0.2), False)


async def test_a_grown_session_is_asked_only_about_what_is_new(distillery: Distillery) -> None:
    bench = distillery.bench
    session = await bench.session("s")
    await bench.journal.append(session, said(POOL, PORT))
    await distillery.distil(session)
    await bench.journal.append(session, said(CACHE, first=3))
    await distillery.distil(session)
    assert distillery.model.asked == [POOL, PORT, CACHE]
    assert await evidence(bench) == [POOL, PORT, CACHE]
    assert (await distillery.distil(session))["distilled"]["known"] == 3
    assert len(distillery.model.asked) == 3


async def test_a_session_that_goes_on_meanwhile_is_asked_about_as_it_was_and_is_due_when_it_is_quiet(
    distillery: Distillery, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = distillery.bench
    session = await bench.session("s")
    await bench.journal.append(session, said(POOL))
    left = iter([PORT, CACHE])

    async def goes_on() -> None:
        if (words := next(left, None)) is not None:
            await bench.journal.append(session, said(words, first=2 + len(distillery.model.asked)))

    monkeypatch.setattr(distillery.model, "meanwhile", goes_on)
    await distillery.distil(session)
    assert distillery.model.asked == [POOL]
    versions = {distillery.projection.name: distillery.projection.version}
    assert await bench.checkpoints.due(versions, limit=9, settled=True) == []
    await quiet(bench)
    assert await bench.checkpoints.due(versions, limit=9, settled=True) == [(bench.team_id, session)]


async def test_a_used_up_budget_keeps_what_was_distilled_and_goes_on_from_there(distillery: Distillery) -> None:
    bench, model = distillery.bench, distillery.model
    session = await bench.session("s")
    await bench.journal.append(session, said(POOL, PORT, CACHE))
    model.fails_at = 3
    with pytest.raises(ProjectionPaused):
        await distillery.distil(session)
    assert await evidence(bench) == [POOL, PORT]
    model.fails_at = None
    await distillery.distil(session)
    assert (await evidence(bench), model.asked) == ([POOL, PORT, CACHE], [POOL, PORT, CACHE])


async def test_a_part_whose_store_fails_is_asked_about_once_more(distillery: Distillery, monkeypatch: pytest.MonkeyPatch) -> None:
    bench, model = distillery.bench, distillery.model
    session = await bench.session("s")
    await bench.journal.append(session, said(POOL))
    reconcile = bench.store.reconcile

    async def killed(*_: Any, **__: Any) -> Any:
        raise asyncio.CancelledError

    monkeypatch.setattr(bench.store, "reconcile", killed)
    with pytest.raises(asyncio.CancelledError):
        await distillery.distil(session)
    monkeypatch.setattr(bench.store, "reconcile", reconcile)
    await distillery.distil(session)
    await distillery.distil(session)
    assert (await evidence(bench), model.asked) == ([POOL], [POOL, POOL])


async def test_a_purge_withdraws_what_was_distilled(distillery: Distillery) -> None:
    bench = distillery.bench
    session = await bench.session("s")
    await bench.journal.append(session, said(POOL))
    await distillery.distil(session)
    found = await bench.journal.get(bench.team_id, session)
    async with bench.database.begin() as connection:
        for each in bench.projections:
            await each.forget(connection, found)
    assert (await evidence(bench), await bench.items()) == ([], [])


async def test_what_a_person_deleted_is_not_distilled_again(distillery: Distillery) -> None:
    bench = distillery.bench
    session = await bench.session("s")
    await bench.journal.append(session, said(POOL))
    await distillery.distil(session)
    await bench.store.delete(bench.team_id, await bench.item_id(POOL), developer_id=None)
    async with bench.database.begin() as connection:
        await connection.execute(text("delete from projection_checkpoints"))
    await distillery.distil(session)
    assert (distillery.model.asked, await bench.items()) == ([POOL, POOL], [])


async def test_only_sessions_that_have_been_quiet_are_due_and_none_of_a_paused_team(distillery: Distillery) -> None:
    bench = distillery.bench
    session = await bench.session("s")
    await bench.journal.append(session, said(POOL))
    versions = {distillery.projection.name: distillery.projection.version}
    assert await bench.checkpoints.due(versions, limit=9) == []
    await quiet(bench)
    assert await bench.checkpoints.due(versions, limit=9, without=[uuid4()]) == [(bench.team_id, session)]
    assert await bench.checkpoints.due(versions, limit=9, without=[bench.team_id]) == []
    assert await bench.checkpoints.due(versions, limit=9, without=[session]) == []
    await distillery.distil(session)
    assert await bench.checkpoints.due(versions, limit=9) == []


async def test_a_session_that_grows_is_distilled_by_another_version_only_when_it_is_quiet(distillery: Distillery) -> None:
    bench = distillery.bench
    session = await bench.session("s")
    await bench.journal.append(session, said(POOL))
    await distillery.distil(session)
    other = {distillery.projection.name: "another"}
    assert await bench.checkpoints.due(other, limit=9) == [(bench.team_id, session)]
    assert await bench.checkpoints.due(other, limit=9, settled=True) == []
    await quiet(bench)
    assert await bench.checkpoints.due(other, limit=9, settled=True) == [(bench.team_id, session)]


async def test_jobs_follow_each_other_until_nothing_is_due(distillery: Distillery) -> None:
    bench, queue = distillery.bench, distillery.queue
    for name, words in (("a", POOL), ("b", PORT)):
        await bench.journal.append(await bench.session(name), said(words))
    await quiet(bench)
    await distillery.runs.plan()
    await distillery.runs.plan()
    ran = 0
    while (job := await queue.claim("w", (DEFERRED,))) is not None:
        done = await distillery.runs.job(job, progress)
        async with queue.begin() as connection:
            await queue.finish(connection, job, done.result)
            if done.closing is not None:
                await done.closing(connection)
        ran += 1
    assert (ran, sorted(distillery.model.asked)) == (2, sorted([POOL, PORT]))


async def quiet(bench: Bench) -> None:
    """Let every session have changed last an hour ago."""
    async with bench.database.begin() as connection:
        await connection.execute(text("update sessions set updated_at = now() - interval '1 hour'"))


async def progress(done: int, total: int) -> None: ...

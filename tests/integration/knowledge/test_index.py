"""The index is fed from the outbox, survives any repetition, and can be rebuilt from PostgreSQL while it is being used."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import func, update

from app.errors import VectorStoreUnavailable
from app.knowledge.index import DRAINED_KEPT, Index
from app.knowledge.results import Query
from app.knowledge.tables import OutboxRow
from tests.integration.knowledge.conftest import Bench, lesson

TEXTS = [f"The {name} service keeps its retries in the {name} table" for name in ("order", "invoice", "login", "search", "mail")]


async def test_drains_at_once_index_every_item_once(bench: Bench) -> None:
    await bench.teach("a", [lesson(body, body) for body in TEXTS], drain=False)
    other = Index(bench.database, bench.vectors)
    drained = await asyncio.gather(*(index.drain() for index in (bench.index, other, bench.index)))
    assert sum(drained) == len(TEXTS)
    assert (await bench.vectors.status()).points == len(TEXTS)


async def test_a_drain_that_was_cut_off_is_done_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    await bench.teach("a", [lesson(body, body) for body in TEXTS], drain=False)
    upsert = bench.vectors.upsert

    async def stored_but_cut(points: object) -> None:
        await upsert(points)  # type: ignore[arg-type]
        raise VectorStoreUnavailable("cut")

    with monkeypatch.context() as cut:
        cut.setattr(bench.index._vectors, "upsert", stored_but_cut)
        with pytest.raises(VectorStoreUnavailable):
            await bench.index.drain()
    assert await bench.index.pending() == len(TEXTS)
    await bench.index.drain_to(2**62)
    assert await bench.index.pending() == 0
    assert (await bench.vectors.status()).points == len(TEXTS)


async def test_a_rebuild_from_postgresql_finds_the_same(bench: Bench) -> None:
    await bench.teach("a", [lesson(body, body) for body in TEXTS])
    before = (await bench.search.query(bench.team_id, Query("invoice retries"))).results
    assert await bench.index.rebuild() == len(TEXTS)
    after = (await bench.search.query(bench.team_id, Query("invoice retries"))).results
    assert before
    assert [(result.id, result.score) for result in after] == [(result.id, result.score) for result in before]


async def test_what_changes_during_a_rebuild_is_in_the_new_index(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    await bench.teach("a", [lesson(body, body) for body in TEXTS])
    copy = bench.index._copy

    async def copy_then_change(*args: object) -> int:
        done = await copy(*args)  # type: ignore[arg-type]
        await bench.teach("late", [lesson("late", "The audit service was added while the index was rebuilt")])
        await bench.store.delete(bench.team_id, await bench.item_id(TEXTS[0]), developer_id=None)
        return done

    monkeypatch.setattr(bench.index, "_copy", copy_then_change)
    await bench.index.rebuild()
    await bench.index.drain_to(2**62)
    found = (await bench.search.query(bench.team_id, Query("audit service added while index rebuilt"))).results
    assert [result.source.transcript for result in found][:1] == ["late.jsonl"]
    assert (await bench.vectors.status()).points == len(TEXTS)


async def test_what_a_rebuild_catches_up_from_is_not_swept_before_its_end(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rebuild may take longer than drained rows are kept."""
    await bench.teach("a", [lesson(body, body) for body in TEXTS])
    copy, swept = bench.index._copy, []

    async def copy_then_wait(*args: object) -> int:
        done = await copy(*args)  # type: ignore[arg-type]
        async with bench.database.begin() as connection:
            await connection.execute(update(OutboxRow).values(drained_at=func.now() - 2 * DRAINED_KEPT))
        swept.append(await Index(bench.database, bench.vectors).sweep())
        return done

    monkeypatch.setattr(bench.index, "_copy", copy_then_wait)
    await bench.index.rebuild()
    assert swept == [0]
    assert await bench.index.sweep() == len(TEXTS)


async def test_a_rebuild_reports_its_progress(bench: Bench) -> None:
    await bench.teach("a", [lesson(body, body) for body in TEXTS])
    seen: list[tuple[int, int]] = []
    await bench.index.rebuild(lambda done, total: seen.append((done, total)))
    assert seen[-1] == (len(TEXTS), len(TEXTS))


async def test_an_empty_index_can_be_rebuilt(bench: Bench) -> None:
    assert await bench.index.rebuild() == 0
    assert not (await bench.search.query(bench.team_id, Query("anything"))).results

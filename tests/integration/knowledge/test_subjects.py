"""Items are stored with what they are about, and are listed and searched by it; each change of their words finds their subjects anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import ClauseElement, Executable, select, text
from sqlalchemy.ext.compiler import compiles

from app.errors import InvalidInput
from app.knowledge import subjects_backfill
from app.knowledge.authoring import Authoring, WriteAdmission
from app.knowledge.browsing import ItemBrowsing
from app.knowledge.edits import Author, ItemCorrection, ItemFields
from app.knowledge.item import ItemFilter
from app.knowledge.results import Query
from app.knowledge.subject_rows import about as about_subject
from app.knowledge.subjects_backfill import SubjectsBackfill
from app.knowledge.tables import ItemRow
from tests.integration.knowledge.conftest import Bench, lesson

EVENTS = "Publish order events through nats-jetstream, since one binary is enough"
POOL = "The payment worker timed out because app/pool.py had only five connections"
OTHER = "The payment worker logs every timeout twice"


async def about(bench: Bench, body: str) -> list[str]:
    item = await bench.store.get(bench.team_id, await bench.item_id(body))
    return [f"{each.kind} {each.name}" for each in item.subjects]


async def listed(bench: Bench, subject: str) -> Sequence[str]:
    """List by text: what one session teaches is stored at one moment, which orders nothing."""
    page = await ItemBrowsing(bench.database).page(bench.team_id, ItemFilter(subject=subject), limit=10)
    return sorted(row.text for row in page.entries)


async def test_what_a_session_teaches_is_stored_with_its_subjects(bench: Bench) -> None:
    await bench.teach("a", [lesson("1", EVENTS), lesson("2", POOL)])
    assert await about(bench, EVENTS) == ["service nats-jetstream"]
    assert await about(bench, POOL) == ["file app/pool.py", "service payment"]


async def test_a_reworded_item_is_about_what_it_says_now(bench: Bench) -> None:
    await bench.teach("a", [lesson("1", EVENTS)])
    await bench.teach("a", [replace(lesson("1", EVENTS), text=POOL, excerpt=POOL)])
    assert await about(bench, POOL) == ["file app/pool.py", "service payment"]


async def test_what_a_person_writes_and_corrects_has_subjects_too(bench: Bench) -> None:
    authoring = Authoring(bench.database, bench.accounts, embedder=bench.embedder, long_form=bench.long_form, admission=WriteAdmission())
    admin = Author(bench.team_id, None)
    item, _ = await authoring.record(admin, "shop", ItemFields("gotcha", "", EVENTS, ("deploy/events.yaml",)))
    assert await about(bench, EVENTS) == ["file deploy/events.yaml", "service nats-jetstream"]
    await authoring.correct(admin, item, ItemCorrection(title="Pool", text=POOL, paths=()))
    assert await about(bench, POOL) == ["file app/pool.py", "service payment"]


async def test_lists_and_queries_find_by_name_and_by_words_alike(bench: Bench) -> None:
    await bench.teach("a", [lesson("1", EVENTS), lesson("2", POOL), lesson("3", OTHER)])
    assert await listed(bench, "`NATS-JetStream`") == [EVENTS]
    assert await listed(bench, "timed worker") == [POOL]
    found = await bench.search.query(bench.team_id, Query("the payment worker timed out", subject="app/pool.py:12"))
    assert [each.text for each in found.results] == [POOL]
    nothing = await bench.search.query(bench.team_id, Query("the payment worker timed out", subject="billing.py"))
    assert not nothing.results


async def test_parts_of_words_and_of_paths_are_found_where_nothing_else_is(bench: Bench) -> None:
    await bench.teach("a", [lesson("1", EVENTS), lesson("2", POOL), lesson("3", OTHER)])
    assert await listed(bench, "pool.py") == [POOL]
    assert await listed(bench, "imeou") == [OTHER]
    assert await listed(bench, "timeout") == [OTHER]
    assert await listed(bench, "work pay") == sorted([OTHER, POOL])
    assert await listed(bench, "nowhere") == []


class Explained(Executable, ClauseElement):
    """A statement's plan, as it was carried out."""

    inherit_cache = False

    def __init__(self, statement: ClauseElement) -> None:
        self.statement = statement


@compiles(Explained)  # type: ignore[no-untyped-call, untyped-decorator]
def _explained(element: Explained, compiler: Any, **options: Any) -> str:
    return f"explain (analyze, costs off, timing off) {compiler.process(element.statement, **options)}"


async def test_a_subject_reads_all_items_only_where_nothing_else_is_found(bench: Bench) -> None:
    await bench.teach("a", [lesson("1", EVENTS)])
    query = select(ItemRow.id).where(about_subject(bench.team_id, "nats-jetstream"))
    async with bench.database.begin() as connection:
        plan = "\n".join((await connection.scalars(Explained(query))).all())
    assert "never executed" in plan[plan.index("~~*") - 400 :], plan


async def test_a_subject_leaves_out_closed_projects(bench: Bench) -> None:
    await bench.teach("a", [lesson("1", POOL)])
    closed = frozenset({bench.project_id})
    assert not (await bench.search.query(bench.team_id, Query("payment worker", subject="app/pool.py", closed=closed))).results


async def test_a_subject_is_refused_with_passages_alone(bench: Bench) -> None:
    with pytest.raises(InvalidInput, match="subject applies only to items"):
        await bench.search.query(bench.team_id, Query("pool", subject="pool.py", kinds=("passage",)))


async def test_items_from_before_there_were_subjects_get_theirs_once(bench: Bench) -> None:
    await bench.teach("a", [lesson("1", EVENTS), lesson("2", POOL)])
    async with bench.database.begin() as connection:
        await connection.execute(text("delete from knowledge_subjects"))
        await connection.execute(text("update knowledge set subjects_version = 0"))
    backfill = SubjectsBackfill(bench.database)
    assert await backfill.maintain() == 2
    assert await about(bench, POOL) == ["file app/pool.py", "service payment"]
    assert await backfill.maintain() == 0


async def test_batches_go_on_behind_the_last_item_done_in_every_project(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subjects_backfill, "BATCH", 2)
    for project, session in (("shop", "a"), ("till", "b")):
        await bench.teach(session, [lesson("1", EVENTS), lesson("2", POOL), lesson("3", OTHER)], project=project)
    async with bench.database.begin() as connection:
        await connection.execute(text("update knowledge set subjects_version = 0"))
    backfill = SubjectsBackfill(bench.database)
    assert [await backfill.fill() for _ in range(6)] == [2, 1, 2, 1, 0, 0]
    async with bench.database.begin() as connection:
        await connection.execute(text("update knowledge set subjects_version = 0"))
    assert [await backfill.fill() for _ in range(5)] == [2, 1, 2, 1, 0]

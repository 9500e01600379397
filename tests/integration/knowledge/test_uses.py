"""What sessions were served and used weighs as feedback: counted apart from people's, withdrawn by a purge, never evidence, never across teams."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from app.knowledge import use_records
from app.knowledge.authoring import WriteAdmission
from app.knowledge.edits import Author
from app.knowledge.history import ItemHistory
from app.knowledge.judging import Judging
from app.knowledge.passage_store import PassageStore
from app.knowledge.results import Query
from app.knowledge.use_records import UseRecords
from app.sessions.catch_up import CatchUpResult
from app.sessions.event import Event, Outcome, SessionHeader, ToolUse
from app.sessions.served_ids import write_served
from tests.integration.knowledge.conftest import Bench, lesson

RETRIES = "The courier API drops bursts: set `courier_retry_budget` to 12 in config/courier.toml"
QUEUE = "Parcel labels wait in the queue: set `label_queue_depth` to 64 in config/labels.toml"
THANKS, NO = "great, thanks", "no, revert that"


def served(ids: Sequence[UUID], at: str = "s") -> Event:
    body = f'<cairn-knowledge ids="{" ".join(map(str, ids))}">\nQuoted.\n- {RETRIES}\n</cairn-knowledge>'
    return Event(f"{at}1", "tool", "tool", "", "L1", tool=ToolUse("mcp__cairn__search", "courier bursts", body), outcome="ok")


def edit(told: str, at: str = "s", outcome: Outcome | None = "ok") -> Event:
    return Event(f"{at}2", "tool", "tool", "", "L2", tool=ToolUse("Edit", f"config.toml\n{told}"), outcome=outcome)


def prompt(said: str, number: int, at: str = "s") -> Event:
    return Event(f"{at}{number}", "user", "prompt", said, f"L{number}")


def used(ids: Sequence[UUID], told: str = "courier_retry_budget = 12", ends: str = THANKS) -> list[Event]:
    return [prompt("requests of the courier fail in bursts", 0), served(ids), edit(told), prompt(ends, 3)]


async def happen(bench: Bench, name: str, events: Sequence[Event], *, project: str = "shop") -> UUID:
    session_id = await bench.session(name, project=project)
    await bench.journal.append(session_id, events)
    done = await bench.bring_up(session_id)
    assert not done.parked
    return session_id


async def counts(bench: Bench, item_id: UUID) -> tuple[int, int]:
    item = await bench.store.get(bench.team_id, item_id)
    return item.used, item.refused


async def known(bench: Bench, body: str = RETRIES) -> UUID:
    await bench.teach(f"learnt {body[:20]}", [lesson("1", body)])
    return await bench.item_id(body)


async def test_each_session_that_used_an_item_counts_once_with_its_place(bench: Bench) -> None:
    item = await known(bench)
    first = await happen(bench, "a", used([item]))
    await happen(bench, "b", [*used([item]), prompt("and raise it again", 4), prompt(THANKS, 5)])
    await happen(bench, "c", used([item], ends=NO))
    await happen(bench, "d", used([item], told="timeout = 5"))
    assert await counts(bench, item) == (2, 1)
    history = await ItemHistory(bench.database, bench.journal).read(bench.team_id, item)
    assert sorted(each.what for each in history) == ["learnt", "refused", "used", "used"]
    sources = {each.source.session_id: each.source.locator for each in history if each.what == "used" and each.source}
    assert sources[first] == "L2"


async def test_growing_event_by_event_ends_as_the_whole_does(bench: Bench) -> None:
    item = await known(bench)
    whole = await happen(bench, "whole", used([item]))
    for number in range(1, 5):
        piecewise = await happen(bench, "pieces", used([item])[:number])
    async with bench.database.begin() as connection:
        rows = await connection.execute(text("select session_id, accepted, act, locator from knowledge_uses order by session_id"))
        found = {row.session_id: tuple(row)[1:] for row in rows}
    assert found[whole] == found[piecewise] == (True, "change", "L2")


async def test_a_later_correction_takes_the_verdict_back(bench: Bench) -> None:
    item = await known(bench)
    await happen(bench, "a", used([item]))
    assert await counts(bench, item) == (1, 0)
    await happen(bench, "a", [prompt("revert the courier_retry_budget, it floods them", 4)])
    assert await counts(bench, item) == (0, 0)


async def test_a_purge_of_the_session_withdraws_its_use(bench: Bench) -> None:
    item = await known(bench)
    session_id = await happen(bench, "a", used([item]))
    await bench.purge.delete_session(bench.requester(), session_id)
    assert await counts(bench, item) == (0, 0)
    async with bench.database.begin() as connection:
        for table in ("knowledge_uses", "session_served_knowledge"):
            assert await connection.scalar(text(f"select count(*) from {table}")) == 0


async def test_the_session_that_taught_an_item_proves_nothing_of_it(bench: Bench) -> None:
    item = await known(bench)
    session_id = await bench.session("a")
    await bench.teach("a", [lesson("2", RETRIES)])
    await bench.journal.append(session_id, used([item]))
    records = UseRecords(bench.database, bench.journal)
    assert await records.served_texts(await bench.journal.get(bench.team_id, session_id)) == []


async def test_a_session_that_teaches_it_later_counts_no_more(bench: Bench) -> None:
    item = await known(bench)
    await happen(bench, "a", used([item]))
    before = await bench.store.get(bench.team_id, item)
    await bench.teach("a", [lesson("2", RETRIES)])
    after = await bench.store.get(bench.team_id, item)
    assert (before.used, after.used) == (1, 0)
    assert before.evidence_count == 1


async def test_another_teams_session_never_counts(bench: Bench) -> None:
    item = await known(bench)
    async with bench.database.begin() as connection:
        made = await connection.execute(text("insert into teams (id, name) values (gen_random_uuid(), 'other') returning id"))
        other = made.scalar_one()
        project = await bench.accounts.project_id(connection, other, "theirs")
        session_id = await bench.journal.open(
            connection, team_id=other, project_id=project, developer_id=None, header=SessionHeader("generic", "x"), transcript="x.jsonl"
        )
    await bench.journal.append(session_id, used([item]))
    await bench.catch_up.bring_up_to_date(other, session_id, CatchUpResult(), background=False)
    assert await counts(bench, item) == (0, 0)


async def test_an_item_of_the_teams_other_project_counts(bench: Bench) -> None:
    item = await known(bench)
    await happen(bench, "a", used([item]), project="depot")
    assert await counts(bench, item) == (1, 0)


async def test_use_ranks_an_item_a_little_higher_and_a_persons_wrong_wins(bench: Bench) -> None:
    item, other = await known(bench), await known(bench, QUEUE)

    async def factor(item_id: UUID, body: str) -> object:
        found = await bench.search.query(bench.team_id, Query(body, explain=True, kinds=("item",), min_score=0.0))
        (explained,) = [each.explain for each in found.results if each.id == item_id]
        return explained and explained["feedback_factor"]

    assert (await factor(item, RETRIES), await factor(other, QUEUE)) == (1.0, 1.0)
    await happen(bench, "a", used([item]))
    assert (await factor(item, RETRIES), await factor(other, QUEUE)) == (1.01, 1.0)
    judging = Judging(bench.database, admission=WriteAdmission())
    await judging.judge(Author(bench.team_id, None, change_any=True), item, "stale")
    assert await factor(item, RETRIES) == 0.88


async def test_an_item_is_announced_when_its_verdict_changes_and_only_then(bench: Bench) -> None:
    """What is announced renews the project's version, so that no result cached before is served."""
    item = await known(bench)

    async def announced() -> int:
        async with bench.database.begin() as connection:
            query = text("select count(*) from index_outbox where point_id = :id")
            return (await connection.execute(query, {"id": item})).scalar_one()  # type: ignore[no-any-return]

    before = await announced()
    await happen(bench, "a", used([item]))
    assert await announced() == before + 1
    await happen(bench, "a", [prompt("now the labels", 4)])
    assert await announced() == before + 1
    await bench.purge.delete_session(bench.requester(), bench.sessions["a"])
    assert await announced() == before + 2


async def test_sessions_never_hide_an_item_and_a_correction_starts_anew(bench: Bench) -> None:
    item = await known(bench)
    for number in range(5):
        await happen(bench, f"r{number}", used([item], ends=NO))
    shown = await bench.store.get(bench.team_id, item)
    assert (shown.refused, shown.hidden) == (5, False)
    async with bench.database.begin() as connection:
        await connection.execute(text("update knowledge set corrected_at = now() where id = :id"), {"id": item})
    assert await counts(bench, item) == (0, 0)


async def test_a_passage_that_was_used_is_counted_where_it_is_shown(bench: Bench) -> None:
    await happen(bench, "said", [Event("p1", "assistant", "reply", f"{RETRIES}, since they answer 429 otherwise.", "L1")])
    async with bench.database.begin() as connection:
        passage = (await connection.execute(text("select id from passages"))).scalar_one()
    await happen(bench, "a", used([passage]))
    store = PassageStore(bench.database, bench.journal)
    assert (await store.get(bench.team_id, passage)).uses == (1, 0)


async def test_unknown_ids_and_sessions_without_any_write_nothing(bench: Bench) -> None:
    await happen(bench, "a", used([uuid4(), uuid4()]))
    await happen(bench, "b", [prompt("hello there", 1)])
    async with bench.database.begin() as connection:
        assert await connection.scalar(text("select count(*) from knowledge_uses")) == 0
        assert await connection.scalar(text("select count(*) from session_served_knowledge")) == 2


async def test_a_session_that_names_more_ids_than_a_statement_has_parameters_is_read_for_its_latest_texts(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An id may be anybody's: those that are no knowledge of the team leave room for those that are."""
    monkeypatch.setattr(use_records, "MAX_TEXTS", 1)
    first, latest = await known(bench), await known(bench, QUEUE)
    session_id = await happen(bench, "a", [served([first]), prompt("and the labels?", 2), served([latest], "t")])
    async with bench.database.begin() as connection:
        await write_served(connection, {(session_id, uuid4()): 9 for _ in range(33_000)})
    records = UseRecords(bench.database, bench.journal)
    session = await bench.journal.get(bench.team_id, session_id)
    assert [(each.id, each.seq) for each in await records.served_texts(session)] == [(latest, 3)]
    monkeypatch.setattr(use_records, "MAX_TEXTS", 2)
    assert [each.id for each in await records.served_texts(session)] == [latest, first]

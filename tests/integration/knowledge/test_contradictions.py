"""Two items of a project that can't both hold: found, shown beside each other, decided by a person, and never shown again."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from sqlalchemy import ColumnElement, text

from app.errors import Conflict, NotFound
from app.knowledge.authoring import WriteAdmission
from app.knowledge.contradiction_rows import read_open_contradictions, refresh_contradictions
from app.knowledge.deciding import Deciding
from app.knowledge.edits import Author
from app.knowledge.history import ItemHistory
from app.knowledge.item import Contradiction, Decision, ItemCandidate
from app.knowledge.restoring import Restoring
from app.knowledge.results import Query, Result
from app.knowledge.subjects_backfill import SubjectsBackfill
from app.knowledge.supersession_rows import replace_by_person
from app.knowledge.tables import ItemRow
from app.storage.pages import EntryPage, PageWanted
from tests.integration.knowledge.conftest import Bench, lesson

JANUARY, JUNE, NOVEMBER = (datetime(2026, month, 10, tzinfo=UTC) for month in (1, 6, 11))
KAFKA = "Order events go through kafka-main"
PULSAR = "Order events go through pulsar-main"
AUDIT = "Audit events go through pulsar-main"
MEANWHILE = "The order events go through redpanda-main"
MOVED = "Move order events from kafka-main to pulsar-main"


def said(key: str, words: str, at: datetime) -> ItemCandidate:
    return lesson(key, words, title=words, at=at)


async def teach_both(bench: Bench) -> tuple[UUID, UUID]:
    await bench.teach("january", [said("1", KAFKA, JANUARY)])
    await bench.teach("november", [said("1", PULSAR, NOVEMBER)])
    return await bench.item_id(KAFKA), await bench.item_id(PULSAR)


async def asked(bench: Bench, until: datetime | None = None) -> dict[str, Result]:
    await bench.index.drain_to(2**62)
    found = await bench.search.query(bench.team_id, Query("order events go through", kinds=("item",), until=until, limit=5))
    return {each.text: each for each in found.results}


async def pairs(bench: Bench) -> set[frozenset[UUID]]:
    async with bench.database.begin() as connection:
        rows = await connection.execute(text("select one_id, other_id from knowledge_contradictions where decision is null"))
        return {frozenset(row) for row in rows}


def deciding(bench: Bench) -> Deciding:
    return Deciding(bench.database, admission=WriteAdmission())


async def test_both_items_and_their_results_name_the_other(bench: Bench) -> None:
    older, newer = await teach_both(bench)
    assert await pairs(bench) == {frozenset((older, newer))}
    (against,) = (await bench.store.get(bench.team_id, older)).contradicts
    assert (against.id, against.title, against.words, against.own_words) == (newer, PULSAR, PULSAR, KAFKA)
    (against,) = (await bench.store.get(bench.team_id, newer)).contradicts
    assert (against.id, against.words, against.own_words) == (older, KAFKA, PULSAR)
    found = await asked(bench)
    assert (found[KAFKA].contradicts, found[PULSAR].contradicts) == ((newer,), (older,))


async def test_an_item_shows_the_latest_of_those_that_contradict_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    older, newer = await teach_both(bench)
    await bench.teach("june", [said("1", MEANWHILE, JUNE)])
    both = [each.id for each in (await bench.store.get(bench.team_id, older)).contradicts]
    assert both == [newer, await bench.item_id(MEANWHILE)]
    assert (await asked(bench))[KAFKA].contradicts == tuple(both)
    monkeypatch.setattr("app.knowledge.contradiction_rows.MAX_SHOWN", 1)
    assert [each.id for each in (await bench.store.get(bench.team_id, older)).contradicts] == [newer]
    assert len((await listed(bench)).entries) == 3


async def test_the_past_knows_nothing_of_what_was_said_later(bench: Bench) -> None:
    await teach_both(bench)
    assert (await asked(bench, until=JUNE))[KAFKA].contradicts is None


async def test_what_was_replaced_later_contradicted_before(bench: Bench) -> None:
    older, newer = await teach_both(bench)
    await bench.teach("december", [said("1", MOVED, datetime(2026, 11, 20, tzinfo=UTC))])
    assert (await asked(bench, until=datetime(2026, 11, 15, tzinfo=UTC)))[KAFKA].contradicts == (newer,)
    assert (await asked(bench))[KAFKA].contradicts is None
    assert (await bench.store.get(bench.team_id, older)).contradicts == ()


async def test_the_order_in_which_sessions_are_read_makes_no_difference(bench: Bench) -> None:
    await bench.teach("november", [said("1", PULSAR, NOVEMBER)])
    await bench.teach("january", [said("1", KAFKA, JANUARY)])
    assert len(await pairs(bench)) == 1


async def test_another_matter_and_another_project_contradict_nothing(bench: Bench) -> None:
    await bench.teach("january", [said("1", KAFKA, JANUARY), said("2", AUDIT, JANUARY)])
    await bench.teach("other", [said("1", PULSAR, JANUARY)], project="till")
    assert await pairs(bench) == set()


async def test_a_contradiction_goes_with_the_words_that_made_it(bench: Bench) -> None:
    await teach_both(bench)
    await bench.teach("november", [said("1", AUDIT, NOVEMBER)])
    assert await pairs(bench) == set()


async def test_what_is_replaced_or_hidden_contradicts_nothing(bench: Bench) -> None:
    older, newer = await teach_both(bench)
    async with bench.database.begin() as connection:
        await connection.execute(text("update knowledge set hidden = true where id = :id"), {"id": newer})
    assert (await bench.store.get(bench.team_id, older)).contradicts == ()
    async with bench.database.begin() as connection:
        await connection.execute(text("update knowledge set hidden = false"))
    await bench.teach("december", [said("1", MOVED, datetime(2026, 11, 20, tzinfo=UTC))])
    assert {each.contradicts for each in (await asked(bench)).values()} == {None}


async def test_the_one_that_holds_replaces_the_other_whichever_is_older(bench: Bench) -> None:
    older, newer = await teach_both(bench)
    developer = (await bench.accounts.create_developer("ada")).id
    author = Author(bench.team_id, developer)
    await deciding(bench).decide(author, older, newer, "this_holds")
    await deciding(bench).decide(author, older, newer, "this_holds")
    found = await asked(bench)
    assert [each.text for each in found.values()] == [KAFKA, PULSAR]
    replacement = found[PULSAR].replaced_by
    assert replacement is not None
    assert replacement.id == older
    assert (found[KAFKA].replaced_by, found[KAFKA].contradicts, found[PULSAR].contradicts) == (None, None, None)
    with pytest.raises(Conflict):
        await deciding(bench).decide(author, newer, older, "this_holds")
    history = await ItemHistory(bench.database, bench.journal).read(bench.team_id, newer)
    told = [(each.what, each.developer_id, each.other, each.note) for each in history if each.what in {"decided", "contradicted"}]
    assert told == [("decided", developer, older, "The other one holds."), ("contradicted", None, older, KAFKA)]


async def test_a_decision_outlives_new_words_and_ends_with_a_restoration(bench: Bench) -> None:
    older, newer = await teach_both(bench)
    author = Author(bench.team_id, None)
    await deciding(bench).decide(author, older, newer, "this_holds")
    await bench.teach("december", [said("1", PULSAR, datetime(2026, 11, 20, tzinfo=UTC))])
    assert (await asked(bench))[PULSAR].replaced_by is not None
    assert await Restoring(bench.database, admission=WriteAdmission()).restore(author, newer) == 1
    found = await asked(bench)
    assert (found[PULSAR].replaced_by, found[PULSAR].contradicts) == (None, (older,))


async def told(bench: Bench, item: UUID) -> list[tuple[str, UUID | None, str | None]]:
    """What an item's history tells of another item, the latest first."""
    history = await ItemHistory(bench.database, bench.journal).read(bench.team_id, item)
    return [(each.what, each.developer_id, each.note) for each in history if each.other is not None]


async def test_who_undoes_a_decision_may_decide_otherwise_and_both_histories_keep_both(bench: Bench) -> None:
    older, newer = await teach_both(bench)
    ada, bo = [Author(bench.team_id, (await bench.accounts.create_developer(name)).id) for name in ("ada", "bo")]
    await deciding(bench).decide(ada, older, newer, "this_holds")
    assert await Restoring(bench.database, admission=WriteAdmission()).restore(bo, newer) == 1
    assert await pairs(bench) == {frozenset((older, newer))}
    await deciding(bench).decide(bo, newer, older, "this_holds")
    found = await asked(bench)
    replacement = found[KAFKA].replaced_by
    assert replacement is not None
    assert (replacement.id, found[PULSAR].replaced_by, found[PULSAR].contradicts) == (newer, None, None)
    assert await told(bench, newer) == [
        ("decided", bo.developer_id, "This one holds."),
        ("restored", bo.developer_id, None),
        ("decided", ada.developer_id, "The other one holds."),
        ("contradicted", None, KAFKA),
    ]
    assert await told(bench, older) == [
        ("decided", bo.developer_id, "The other one holds."),
        ("restored", bo.developer_id, None),
        ("decided", ada.developer_id, "This one holds."),
        ("contradicted", None, PULSAR),
    ]


@pytest.mark.parametrize("decision", ["this_holds", "both_hold"])
async def test_any_decision_is_taken_back_once_and_made_again(bench: Bench, decision: Decision) -> None:
    older, newer = await teach_both(bench)
    author = Author(bench.team_id, None)
    for _ in range(2):
        await deciding(bench).decide(author, older, newer, decision)
        assert await pairs(bench) == set()
        await deciding(bench).decide(author, newer, older, "undecided")
        await deciding(bench).decide(author, older, newer, "undecided")
        assert await pairs(bench) == {frozenset((older, newer))}
        assert {each.replaced_by for each in (await asked(bench)).values()} == {None}


async def test_what_nobody_says_any_more_is_no_contradiction_once_it_is_undecided(bench: Bench) -> None:
    older, newer = await teach_both(bench)
    author = Author(bench.team_id, None)
    await deciding(bench).decide(author, older, newer, "this_holds")
    await bench.teach("november", [said("1", AUDIT, NOVEMBER)])
    assert await Restoring(bench.database, admission=WriteAdmission()).restore(author, newer) == 1
    assert (await bench.store.get(bench.team_id, newer)).contradicts == ()
    with pytest.raises(Conflict, match="don't contradict"):
        await deciding(bench).decide(author, older, newer, "this_holds")


async def test_nothing_is_decided_where_one_replaces_the_other_or_is_hidden(bench: Bench) -> None:
    older, newer = await teach_both(bench)
    author = Author(bench.team_id, None)
    async with bench.database.begin() as connection:
        await connection.execute(text("update knowledge set hidden = true where id = :id"), {"id": newer})
    with pytest.raises(Conflict, match="hidden or replaced"):
        await deciding(bench).decide(author, newer, older, "this_holds")
    async with bench.database.begin() as connection:
        await connection.execute(text("update knowledge set hidden = false"))
        await replace_by_person(connection, older, newer, cause="merged", author_id=None)
    for one, other in ((older, newer), (newer, older)):
        with pytest.raises(Conflict, match="hidden or replaced"):
            await deciding(bench).decide(author, one, other, "this_holds")


async def test_a_restored_merge_leaves_no_decision_behind_that_replaces_nothing(bench: Bench) -> None:
    older, newer = await teach_both(bench)
    author = Author(bench.team_id, None)
    await deciding(bench).decide(author, older, newer, "this_holds")
    async with bench.database.begin() as connection:
        await replace_by_person(connection, newer, older, cause="merged", author_id=None)
    await Restoring(bench.database, admission=WriteAdmission()).restore(author, newer)
    assert await pairs(bench) == {frozenset((older, newer))}


async def test_merged_projects_are_compared_once(bench: Bench) -> None:
    await bench.teach("january", [said("1", KAFKA, JANUARY)])
    await bench.teach("november", [said("1", PULSAR, NOVEMBER)], project="till")
    till = await bench.accounts.project_named(bench.team_id, "till", closed=frozenset())
    assert till is not None
    assert await pairs(bench) == set()
    await bench.merging().merge(bench.team_id, till, bench.project_id)
    await SubjectsBackfill(bench.database).maintain()
    assert len(await pairs(bench)) == 1


async def test_where_both_hold_they_stay_and_are_not_shown_again(bench: Bench) -> None:
    older, newer = await teach_both(bench)
    await deciding(bench).decide(Author(bench.team_id, None), newer, older, "both_hold")
    await bench.teach("december", [said("1", PULSAR, datetime(2026, 11, 20, tzinfo=UTC))])
    assert await pairs(bench) == set()
    assert {(each.contradicts, each.replaced_by) for each in (await asked(bench)).values()} == {(None, None)}


async def test_nobody_decides_between_items_that_agree_or_are_another_teams(bench: Bench) -> None:
    older, newer = await teach_both(bench)
    await bench.teach("june", [said("1", AUDIT, JUNE)])
    audit = await bench.item_id(AUDIT)
    with pytest.raises(Conflict, match="don't contradict"):
        await deciding(bench).decide(Author(bench.team_id, None), older, audit, "both_hold")
    with pytest.raises(NotFound):
        await deciding(bench).decide(Author(uuid4(), None), older, newer, "both_hold")


async def listed(bench: Bench, *within: ColumnElement[bool], limit: int = 50, after: str | None = None) -> EntryPage[Contradiction]:
    async with bench.database.begin() as connection:
        return await read_open_contradictions(connection, bench.team_id, *within, wanted=PageWanted(limit, after=after))


async def test_open_contradictions_are_listed_page_by_page_the_one_found_last_first(bench: Bench) -> None:
    older, newer = await teach_both(bench)
    await bench.teach("till", [said("1", KAFKA, NOVEMBER), said("2", PULSAR, JANUARY)], project="till")
    first = await listed(bench, limit=1)
    last = await listed(bench, limit=1, after=first.next)
    assert (len(first.entries), last.next) == (1, None)
    (till,), (shop,) = first.entries, last.entries
    assert till.project_id != shop.project_id
    assert [each.title for each in till.sides] == [PULSAR, KAFKA]
    assert [(each.id, each.title, each.words) for each in shop.sides] == [(older, KAFKA, KAFKA), (newer, PULSAR, PULSAR)]
    assert [each.said_at for each in shop.sides] == [JANUARY, NOVEMBER]
    only = await listed(bench, ItemRow.project_id.not_in([till.project_id]))
    assert [each.id for each in only.entries] == [shop.id]
    async with bench.database.begin() as connection:
        assert (await read_open_contradictions(connection, uuid4(), wanted=PageWanted(9))).entries == []


async def test_what_is_decided_hidden_or_replaced_is_in_no_list(bench: Bench) -> None:
    older, newer = await teach_both(bench)
    async with bench.database.begin() as connection:
        await connection.execute(text("update knowledge set hidden = true where id = :id"), {"id": older})
    assert (await listed(bench)).entries == []
    async with bench.database.begin() as connection:
        await connection.execute(text("update knowledge set hidden = false"))
    assert len((await listed(bench)).entries) == 1
    await deciding(bench).decide(Author(bench.team_id, None), newer, older, "this_holds")
    assert (await listed(bench)).entries == []


async def test_a_pair_stays_known_however_many_others_are_compared(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    older, newer = await teach_both(bench)
    monkeypatch.setattr("app.knowledge.contradiction_rows.MAX_COMPARED", 0)
    async with bench.database.begin() as connection:
        await refresh_contradictions(connection, [older])
    assert await pairs(bench) == {frozenset((older, newer))}


@pytest.mark.parametrize(("reworded", "kept"), [(AUDIT, ["", ""]), (MEANWHILE, sorted([KAFKA, MEANWHILE]))])
async def test_a_decided_pair_keeps_no_words_that_nothing_says_any_more(bench: Bench, reworded: str, kept: list[str]) -> None:
    older, newer = await teach_both(bench)
    await deciding(bench).decide(Author(bench.team_id, None), older, newer, "both_hold")
    await bench.teach("november", [said("1", reworded, NOVEMBER)])
    async with bench.database.begin() as connection:
        (row,) = (await connection.execute(text("select decision, words, other_words from knowledge_contradictions"))).all()
    assert (row.decision, sorted([row.words, row.other_words])) == ("both", kept)


async def test_items_from_before_are_compared_once(bench: Bench) -> None:
    await teach_both(bench)
    async with bench.database.begin() as connection:
        await connection.execute(text("delete from knowledge_contradictions"))
        await connection.execute(text("update knowledge set subjects_version = 0"))
    await SubjectsBackfill(bench.database).maintain()
    assert len(await pairs(bench)) == 1

"""A later item that says so replaces an earlier one: linked, marked, ranked behind it, found as it was for the past; a person undoes it."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from app.clock import now
from app.errors import NotFound
from app.knowledge import supersession_rows
from app.knowledge.authoring import Authoring, WriteAdmission
from app.knowledge.edits import Author, ItemCorrection
from app.knowledge.history import ItemHistory
from app.knowledge.item import ItemCandidate
from app.knowledge.restoring import Restoring
from app.knowledge.results import Query, Result
from app.knowledge.subjects_backfill import SubjectsBackfill
from tests.integration.knowledge.conftest import Bench, lesson

JANUARY, JUNE, NOVEMBER = (datetime(2026, month, 10, tzinfo=UTC) for month in (1, 6, 11))
NATS = "Publish order events through nats-jetstream"
REDPANDA = "Move order events from nats-jetstream to redpanda"
PULSAR = "Order events no longer go through redpanda, they go through pulsar"
AUDIT = "Publish audit events through nats-jetstream"


def said(key: str, words: str, at: datetime) -> ItemCandidate:
    return lesson(key, words, title=words, at=at)


async def teach_both(bench: Bench) -> None:
    await bench.teach("january", [said("1", NATS, JANUARY)])
    await bench.teach("november", [said("1", REDPANDA, NOVEMBER)])


async def asked(
    bench: Bench, words: str = "order events through nats-jetstream", until: datetime | None = None, limit: int = 5
) -> list[Result]:
    await bench.index.drain_to(2**62)
    found = await bench.search.query(bench.team_id, Query(words, kinds=("item",), until=until, limit=limit))
    return list(found.results)


async def links(bench: Bench) -> list[tuple[UUID, UUID]]:
    async with bench.database.begin() as connection:
        rows = await connection.execute(
            text("select older_id, newer_id from knowledge_supersessions where undone_at is null order by said_at")
        )
        return [(row.older_id, row.newer_id) for row in rows]


async def test_the_later_one_comes_first_and_the_earlier_is_marked(bench: Bench) -> None:
    await teach_both(bench)
    later, earlier = await asked(bench)
    assert (later.text, earlier.text) == (REDPANDA, NATS)
    assert later.replaced_by is None
    assert earlier.replaced_by is not None
    assert (earlier.replaced_by.id, earlier.replaced_by.title, earlier.replaced_by.at) == (later.id, REDPANDA, NOVEMBER)


async def test_the_order_in_which_sessions_are_read_makes_no_difference(bench: Bench) -> None:
    await bench.teach("november", [said("1", REDPANDA, NOVEMBER)])
    await bench.teach("january", [said("1", NATS, JANUARY)])
    assert [each.text for each in await asked(bench)] == [REDPANDA, NATS]


async def test_the_later_one_has_the_only_place(bench: Bench) -> None:
    await teach_both(bench)
    assert [each.text for each in await asked(bench, limit=1)] == [REDPANDA]


async def test_the_past_has_what_held_then_unmarked(bench: Bench) -> None:
    await teach_both(bench)
    (then,) = await asked(bench, until=JUNE)
    assert (then.text, then.replaced_by) == (NATS, None)


async def test_both_items_tell_of_the_other(bench: Bench) -> None:
    await teach_both(bench)
    earlier = await bench.store.get(bench.team_id, await bench.item_id(NATS))
    later = await bench.store.get(bench.team_id, await bench.item_id(REDPANDA))
    assert [(each.id, each.words) for each in earlier.replaced_by] == [(later.id, REDPANDA)]
    assert [each.id for each in later.replaces] == [earlier.id]
    assert earlier.learnt_at > earlier.created_at == JANUARY


async def test_of_a_chain_the_last_comes_first(bench: Bench) -> None:
    await bench.teach("november", [said("1", PULSAR, NOVEMBER)])
    await bench.teach("january", [said("1", NATS, JANUARY)])
    await bench.teach("june", [said("1", REDPANDA, JUNE)])
    assert len(await links(bench)) == 2
    assert [each.text for each in await asked(bench)] == [PULSAR, REDPANDA, NATS]


async def test_a_replacement_of_another_type_or_subject_is_not_added(bench: Bench) -> None:
    await bench.teach("january", [said("1", NATS, JANUARY)])
    await bench.teach("november", [lesson("1", REDPANDA, title=REDPANDA, type="architectural_decision", at=NOVEMBER)])
    await bench.index.drain_to(2**62)
    for narrowed in (Query("order events", types=("gotcha",)), Query("order events", subject="publish", types=("gotcha",))):
        found = await bench.search.query(bench.team_id, narrowed)
        assert [(each.text, each.replaced_by is not None) for each in found.results] == [(NATS, True)]
    found = await bench.search.query(bench.team_id, Query("order events", subject="publish"))
    assert [each.text for each in found.results] == [NATS]
    found = await bench.search.query(bench.team_id, Query("order events", subject="nats-jetstream"))
    assert [each.text for each in found.results] == [REDPANDA, NATS]


async def test_a_result_that_was_replaced_keeps_to_the_least_score(bench: Bench) -> None:
    await teach_both(bench)
    later, earlier = await asked(bench)
    between = Query("order events through nats-jetstream", kinds=("item",), min_score=(later.score + earlier.score) / 2)
    assert [each.text for each in (await bench.search.query(bench.team_id, between)).results] == [REDPANDA]


async def test_another_matter_and_another_project_stay(bench: Bench) -> None:
    await bench.teach("january", [said("1", AUDIT, JANUARY)])
    await bench.teach("other", [said("1", NATS, JANUARY)], project="till")
    await bench.teach("november", [said("1", REDPANDA, NOVEMBER)])
    assert await links(bench) == []


async def test_what_is_said_again_later_is_not_replaced(bench: Bench) -> None:
    await teach_both(bench)
    await bench.teach("december", [said("1", NATS, datetime(2026, 11, 20, tzinfo=UTC))])
    assert await links(bench) == []


async def test_a_link_goes_with_the_words_that_made_it(bench: Bench) -> None:
    await teach_both(bench)
    assert len(await links(bench)) == 1
    await bench.teach("november", [said("1", "Order events have at most 64 kilobytes", NOVEMBER)])
    assert await links(bench) == []


def authoring(bench: Bench) -> Authoring:
    return Authoring(bench.database, bench.accounts, embedder=bench.embedder, long_form=bench.long_form, admission=WriteAdmission())


@pytest.mark.parametrize(
    "change",
    [
        ItemCorrection(paths=("deploy/events.yaml",)),
        ItemCorrection(type="architectural_decision"),
        ItemCorrection(text=f"{NATS}."),
    ],
)
async def test_a_correction_that_says_nothing_else_keeps_the_link(bench: Bench, change: ItemCorrection) -> None:
    await teach_both(bench)
    held = await links(bench)
    assert await authoring(bench).correct(Author(bench.team_id, None), await bench.item_id(NATS), change)
    assert await links(bench) == held != []


async def test_an_item_that_a_person_gave_other_words_says_them_since_then(bench: Bench) -> None:
    await bench.teach("january", [said("1", NATS, JANUARY)])
    await bench.teach("june", [said("1", "Order events have at most 64 kilobytes", JUNE)])
    later = await bench.item_id("Order events have at most 64 kilobytes")
    corrected = now()
    await authoring(bench).correct(Author(bench.team_id, None), later, ItemCorrection(title=REDPANDA, text=REDPANDA))
    (told,) = (await bench.store.get(bench.team_id, await bench.item_id(NATS))).replaced_by
    assert (told.id, told.at >= corrected) == (later, True)


async def test_an_item_that_a_person_gave_other_words_was_said_last_then(bench: Bench) -> None:
    await bench.teach("january", [said("1", AUDIT, JANUARY)])
    await bench.teach("november", [said("1", REDPANDA, NOVEMBER)])
    await authoring(bench).correct(Author(bench.team_id, None), await bench.item_id(AUDIT), ItemCorrection(title=NATS, text=NATS))
    assert await links(bench) == []


@pytest.mark.parametrize("bound", ["MAX_CHANGES", "MAX_NAMING", "MAX_HOLDING"])
@pytest.mark.parametrize("again", [("december", NOVEMBER, REDPANDA), ("february", JANUARY, NATS)])
async def test_a_link_that_is_not_looked_for_again_stays(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, bound: str, again: tuple[str, datetime, str]
) -> None:
    await teach_both(bench)
    held = await links(bench)
    monkeypatch.setattr(supersession_rows, bound, 0)
    session, at, words = again
    await bench.teach(session, [said("1", words, at)])
    assert await links(bench) == held != []


async def test_a_purge_takes_its_words_out_of_a_link_that_was_undone(bench: Bench) -> None:
    await bench.teach("january", [said("1", NATS, JANUARY)])
    await bench.teach("november", [lesson("1", REDPANDA, title=REDPANDA, confidence=0.9, at=NOVEMBER)])
    other = f"{REDPANDA} indeed"
    await bench.teach("december", [lesson("1", other, title=other, confidence=0.5, at=NOVEMBER)])
    earlier = await bench.item_id(NATS)
    assert await Restoring(bench.database, admission=WriteAdmission()).restore(Author(bench.team_id, None), earlier) == 1
    await bench.purge.delete_session(bench.requester(), bench.sessions["november"])
    async with bench.database.begin() as connection:
        rows = (await connection.execute(text("select words, undone_at is not null as undone from knowledge_supersessions"))).all()
    assert [tuple(row) for row in rows] == [(other, True)], "the words of the session that is left"
    history = await ItemHistory(bench.database, bench.journal).read(bench.team_id, earlier)
    assert [(each.what, each.note) for each in history[:2]] == [("restored", None), ("replaced", other)]
    await bench.teach("again", [said("1", REDPANDA, NOVEMBER)])
    assert await links(bench) == []


async def test_a_hidden_item_replaces_nothing(bench: Bench) -> None:
    await teach_both(bench)
    async with bench.database.begin() as connection:
        await connection.execute(text("update knowledge set hidden = true where text = :words"), {"words": REDPANDA})
    (earlier,) = await asked(bench)
    assert (earlier.text, earlier.replaced_by) == (NATS, None)


async def test_what_a_person_undid_stays_undone_and_is_in_the_history(bench: Bench) -> None:
    await teach_both(bench)
    earlier = await bench.item_id(NATS)
    developer = (await bench.accounts.create_developer("ada")).id
    restoring = Restoring(bench.database, admission=WriteAdmission())
    assert await restoring.restore(Author(bench.team_id, developer), earlier) == 1
    assert await restoring.restore(Author(bench.team_id, developer), earlier) == 0
    await bench.teach("december", [said("1", REDPANDA, datetime(2026, 11, 20, tzinfo=UTC))])
    assert await links(bench) == []
    assert {each.replaced_by for each in await asked(bench)} == {None}
    history = await ItemHistory(bench.database, bench.journal).read(bench.team_id, earlier)
    assert [(each.what, each.developer_id, each.title) for each in history[:2]] == [
        ("restored", developer, REDPANDA),
        ("replaced", None, REDPANDA),
    ]
    assert history[1].note == REDPANDA


async def test_another_teams_item_cannot_be_restored(bench: Bench) -> None:
    await teach_both(bench)
    restoring = Restoring(bench.database, admission=WriteAdmission())
    with pytest.raises(NotFound):
        await restoring.restore(Author(uuid4(), None), await bench.item_id(NATS))
    assert len(await links(bench)) == 1


async def test_items_from_before_there_were_links_are_linked_once(bench: Bench) -> None:
    await teach_both(bench)
    async with bench.database.begin() as connection:
        await connection.execute(text("delete from knowledge_supersessions"))
        await connection.execute(text("update knowledge set subjects_version = 0, gives_up = '{}'"))
    await SubjectsBackfill(bench.database).maintain()
    assert len(await links(bench)) == 1

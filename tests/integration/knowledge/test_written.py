"""What people write, correct, judge and delete holds against every later reading of the sessions; a purge takes what is a session's."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy import text

from app.errors import Conflict, InvalidInput, NotFound, NotPermitted
from app.knowledge.authoring import Authoring, WriteAdmission
from app.knowledge.browsing import ItemBrowsing
from app.knowledge.edits import Author, ItemCorrection, ItemFields, revision_of
from app.knowledge.history import ItemHistory
from app.knowledge.item import ItemFilter
from app.knowledge.judging import Judging
from app.knowledge.results import Query
from tests.integration.knowledge.conftest import Bench, lesson

NATS = "We chose NATS over Kafka because one binary is enough for our traffic"
REWORDED = "We chose NATS over Kafka since one binary is enough for our traffic today"
OTHER = "The payment worker timed out because its pool had only five connections"
CORRECT = "We run JetStream on three nodes; Kafka was too much to operate for a team of four"
SECRET = "sk_live_4eC39HqLyjWDarjtT1zdp7dc"


@pytest.fixture
def admission() -> WriteAdmission:
    return WriteAdmission()


@pytest.fixture
def authoring(bench: Bench, admission: WriteAdmission) -> Authoring:
    return Authoring(bench.database, bench.accounts, embedder=bench.embedder, long_form=bench.long_form, admission=admission)


@pytest.fixture
def judging(bench: Bench, admission: WriteAdmission) -> Judging:
    return Judging(bench.database, admission=admission)


@pytest.fixture
def admin(bench: Bench) -> Author:
    return Author(bench.team_id, None)


async def developer(bench: Bench, name: str) -> Author:
    return Author(bench.team_id, (await bench.accounts.create_developer(name)).id)


async def asked(bench: Bench, words: str) -> list[str]:
    """The texts of the items that answer, best first, once the index has heard of all."""
    await bench.index.drain_to(2**62)
    return [each.text for each in (await bench.search.query(bench.team_id, Query(words, kinds=("item",)))).results]


async def count(bench: Bench, table: str) -> int:
    async with bench.database.begin() as connection:
        return int(await connection.scalar(text(f"select count(*) from {table}")) or 0)


def anew(body: str, event: str = "e-1", key: str = "another version's") -> object:
    """The same lesson, as another version of the extraction finds it: its key and its words are others."""
    return replace(lesson(key, body), event_id=event)


# ── deleted ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("found", [NATS, REWORDED], ids=["same words", "reworded"])
async def test_a_deleted_item_does_not_come_back_when_another_version_reads_its_session(bench: Bench, found: str) -> None:
    await bench.teach("a", [lesson("1", NATS)])
    await bench.store.delete(bench.team_id, await bench.item_id(NATS), developer_id=None)
    learnt = await bench.teach("a", [anew(found), lesson("2", OTHER)])  # type: ignore[list-item]
    assert learnt.new == 1
    assert [words for _, words, _ in await bench.items()] == [OTHER]


async def test_the_same_words_do_not_come_back_from_another_session_but_other_words_do(bench: Bench) -> None:
    await bench.teach("a", [lesson("1", NATS)])
    await bench.store.delete(bench.team_id, await bench.item_id(NATS), developer_id=None)
    assert (await bench.teach("b", [lesson("9", NATS)])).new == 0
    assert (await bench.teach("b", [lesson("8", CORRECT)])).new == 1


async def test_a_person_may_record_what_was_deleted(bench: Bench, authoring: Authoring, admin: Author) -> None:
    await bench.teach("a", [lesson("1", NATS)])
    await bench.store.delete(bench.team_id, await bench.item_id(NATS), developer_id=None)
    item, _ = await authoring.record(admin, "shop", ItemFields("gotcha", "", NATS))
    assert (await bench.store.get(bench.team_id, item)).text == NATS


async def test_a_merged_projects_tombstones_hold_where_it_went(bench: Bench) -> None:
    await bench.teach("a", [lesson("1", NATS)], project="till")
    await bench.store.delete(bench.team_id, await bench.item_id(NATS), developer_id=None)
    (till,) = await bench.accounts.find_projects(bench.team_id, "till")
    await bench.merging().merge(bench.team_id, till.id, bench.project_id)
    assert (await bench.teach("b", [lesson("2", NATS)])).new == 0


# ── recorded ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_what_a_person_records_is_found_and_cites_itself(bench: Bench, authoring: Authoring, admin: Author) -> None:
    item, new = await authoring.record(admin, "shop", ItemFields("gotcha", "", NATS, ("broker.py",)))
    assert new
    await bench.index.drain_to(2**62)
    (found,) = (await bench.search.query(bench.team_id, Query(NATS, explain=True))).results
    assert (found.id, found.source.session_id, found.source.locator, found.source.excerpt) == (item, None, str(item), NATS)
    assert found.explain is not None
    assert found.explain["written_factor"] > 1  # type: ignore[operator]
    assert found.evidence_count == 1


async def test_it_is_found_by_its_words_while_the_index_is_away(
    bench: Bench, authoring: Authoring, admin: Author, monkeypatch: pytest.MonkeyPatch
) -> None:
    await authoring.record(admin, "shop", ItemFields("gotcha", "", NATS))
    monkeypatch.setattr(bench.index, "complete", False)
    answer = await bench.search.query(bench.team_id, Query(NATS))
    assert [each.text for each in answer.results] == [NATS]
    assert answer.degraded == ("vectors",)


async def test_the_same_text_at_once_is_one_item(bench: Bench, authoring: Authoring, admin: Author) -> None:
    spelt = [NATS, NATS.upper(), f"  {NATS.replace(' ', '  ')}\n"] * 5
    done = await asyncio.gather(*(authoring.record(admin, "shop", ItemFields("gotcha", "", each)) for each in spelt))
    assert len({item for item, _ in done}) == 1
    assert sum(new for _, new in done) == 1
    assert await count(bench, "knowledge") == 1


async def test_a_session_that_teaches_the_same_confirms_it_and_changes_no_word(bench: Bench, authoring: Authoring, admin: Author) -> None:
    item, _ = await authoring.record(admin, "shop", ItemFields("gotcha", "Lesson", NATS))
    await bench.index.drain_to(2**62)
    learnt = await bench.teach("a", [lesson("1", f"{NATS} indeed", confidence=0.99, type="testing_strategy")])
    assert (learnt.new, learnt.merged) == (0, 1)
    found = await bench.store.get(bench.team_id, item)
    assert (found.type, found.text, found.evidence_count, found.origin) == ("gotcha", NATS, 2, "recorded")
    await bench.teach("a", [])
    found = await bench.store.get(bench.team_id, item)
    assert (found.text, found.evidence_count) == (NATS, 1)


async def test_a_purge_leaves_what_a_person_recorded(bench: Bench, authoring: Authoring, admin: Author) -> None:
    item, _ = await authoring.record(admin, "shop", ItemFields("gotcha", "Lesson", NATS))
    await bench.index.drain_to(2**62)
    await bench.teach("a", [lesson("1", NATS)])
    await bench.purge.delete_session(bench.requester(), bench.sessions["a"])
    found = await bench.store.get(bench.team_id, item)
    assert (found.evidence_count, found.evidence) == (1, ())


async def test_it_outranks_what_was_extracted_in_the_same_words(bench: Bench, authoring: Authoring, admin: Author) -> None:
    await bench.teach("a", [lesson("1", f"{NATS} on port 4222", title="", confidence=0.9)])
    await authoring.record(admin, "shop", ItemFields("gotcha", "", f"{NATS} on port 4333"))
    found = await asked(bench, NATS)
    assert (found[0], len(found)) == (f"{NATS} on port 4333", 2)


async def test_no_secret_of_it_is_stored_anywhere(bench: Bench, authoring: Authoring, judging: Judging, admin: Author) -> None:
    said = f"The key {SECRET} opens the till"
    item, _ = await authoring.record(admin, "shop", ItemFields("gotcha", f"Key {SECRET}", said, (f"conf/{SECRET}.env",)))
    await authoring.correct(admin, item, ItemCorrection(text=f"{said} at night", title=f"Night key {SECRET}", paths=(f"{SECRET}.txt",)))
    await judging.judge(admin, item, "helpful", f"use {SECRET}")
    assert not any(SECRET in each for each in bench.embedder.embedded)
    async with bench.database.begin() as connection:
        for table in ("knowledge", "knowledge_revisions", "knowledge_feedback", "projects"):
            rows = (await connection.execute(text(f"select t::text from {table} t"))).scalars().all()
            assert rows
            assert not any(SECRET in row for row in rows), table


async def test_a_text_that_is_only_a_secret_is_refused(authoring: Authoring, admin: Author) -> None:
    with pytest.raises(InvalidInput, match="text is only a secret"):
        await authoring.record(admin, "shop", ItemFields("gotcha", "", SECRET))


# ── corrected ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def corrected(bench: Bench, authoring: Authoring, change: ItemCorrection) -> UUID:
    await bench.teach("a", [lesson("1", NATS)])
    item = await bench.item_id(NATS)
    assert await authoring.correct(Author(bench.team_id, None), item, change)
    return item


@pytest.mark.parametrize(
    "found",
    [[lesson("1", NATS)], [lesson("1", OTHER, confidence=0.95)], [anew(REWORDED)], []],
    ids=["as before", "reworded under its key", "by another version", "not any more"],
)
async def test_a_correction_holds_when_the_session_is_read_again(bench: Bench, authoring: Authoring, found: list[object]) -> None:
    item = await corrected(bench, authoring, ItemCorrection(text=CORRECT))
    await bench.teach("a", found)  # type: ignore[arg-type]
    assert [words for _, words, _ in await bench.items()] == [CORRECT]
    assert (await bench.store.get(bench.team_id, item)).evidence
    assert await asked(bench, CORRECT) == [CORRECT]


@pytest.mark.parametrize("found", [NATS, f"{NATS} indeed"], ids=["the same", "a twin"])
async def test_another_session_in_the_old_words_confirms_the_correction(bench: Bench, authoring: Authoring, found: str) -> None:
    await corrected(bench, authoring, ItemCorrection(text=CORRECT))
    await bench.teach("b", [lesson("7", found)])
    assert [(words, times) for _, words, times in await bench.items()] == [(CORRECT, 2)]


async def test_a_purge_takes_a_corrected_item_with_its_only_session(bench: Bench, authoring: Authoring) -> None:
    item = await corrected(bench, authoring, ItemCorrection(text=CORRECT))
    await bench.purge.delete_session(bench.requester(), bench.sessions["a"])
    with pytest.raises(NotFound):
        await bench.store.get(bench.team_id, item)
    for table in ("knowledge_revisions", "knowledge_feedback", "knowledge_forgotten", "knowledge"):
        assert await count(bench, table) == 0


async def test_after_a_purge_no_words_of_the_session_stay_beside_a_correction(bench: Bench, authoring: Authoring) -> None:
    await bench.teach("a", [lesson("1", f"{NATS} indeed", confidence=0.9)])
    await bench.teach("b", [lesson("1", NATS, confidence=0.5)])
    item = await bench.item_id(f"{NATS} indeed")
    await authoring.correct(Author(bench.team_id, None), item, ItemCorrection(title="Why NATS"))
    await bench.purge.delete_session(bench.requester(), bench.sessions["a"])
    assert await bench.items() == [("Lesson", NATS, 1)]


async def test_what_a_person_worded_wholly_outlives_the_purge_of_one_of_its_sessions(bench: Bench, authoring: Authoring) -> None:
    await bench.teach("b", [lesson("1", NATS)])
    await corrected(bench, authoring, ItemCorrection(title="Why NATS", text=CORRECT))
    await bench.purge.delete_session(bench.requester(), bench.sessions["a"])
    assert await bench.items() == [("Why NATS", CORRECT, 1)]


async def test_only_its_author_or_an_admin_corrects(bench: Bench, authoring: Authoring, admin: Author) -> None:
    ada, bob = await developer(bench, "ada"), await developer(bench, "bob")
    item, _ = await authoring.record(ada, "shop", ItemFields("gotcha", "", NATS))
    with pytest.raises(NotPermitted, match="feedback"):
        await authoring.correct(bob, item, ItemCorrection(text=CORRECT))
    with pytest.raises(NotFound):
        await authoring.correct(Author((await bench.accounts.create_team("others")).id, None), item, ItemCorrection(text=CORRECT))
    assert await authoring.correct(ada, item, ItemCorrection(text=CORRECT))
    assert not await authoring.correct(admin, item, ItemCorrection(text=CORRECT))


async def test_what_is_not_corrected_is_not_held_against_the_limits_of_people(bench: Bench, authoring: Authoring, admin: Author) -> None:
    title, body = "t" * 300, f"{NATS} " * 200
    await bench.teach("a", [lesson("1", body, title=title)])
    item = await bench.item_id(body)
    assert await authoring.correct(admin, item, ItemCorrection(type="tool_usage"))
    found = await bench.store.get(bench.team_id, item)
    assert (found.type, found.title, found.text) == ("tool_usage", title, body)


async def test_of_two_corrections_of_one_revision_the_second_is_refused(bench: Bench, authoring: Authoring, admin: Author) -> None:
    await bench.teach("a", [lesson("1", NATS)])
    item = await bench.item_id(NATS)
    revision = revision_of(await bench.store.get(bench.team_id, item))
    done = await asyncio.gather(
        *(authoring.correct(admin, item, ItemCorrection(text=f"{CORRECT} {word}", revision=revision)) for word in ("once", "twice")),
        return_exceptions=True,
    )
    assert sorted(type(each).__name__ for each in done) == ["ChangedMeanwhile", "bool"]
    assert await authoring.correct(admin, item, ItemCorrection(text=OTHER))  # without a revision the last writer wins


async def test_a_correction_into_what_is_recorded_already_is_refused(bench: Bench, authoring: Authoring, admin: Author) -> None:
    await authoring.record(admin, "shop", ItemFields("gotcha", "", NATS))
    item, _ = await authoring.record(admin, "shop", ItemFields("gotcha", "", CORRECT))
    with pytest.raises(Conflict, match="recorded already"):
        await authoring.correct(admin, item, ItemCorrection(text=NATS))
    assert await count(bench, "knowledge_revisions") == 2


async def test_two_projects_that_recorded_the_same_can_be_merged(bench: Bench, authoring: Authoring, admin: Author) -> None:
    for project in ("till", "shop"):
        await authoring.record(admin, project, ItemFields("gotcha", "", NATS))
    (till,) = await bench.accounts.find_projects(bench.team_id, "till")
    await bench.merging().merge(bench.team_id, till.id, bench.project_id)
    page = await ItemBrowsing(bench.database).page(bench.team_id, ItemFilter(bench.project_id), limit=10)
    assert len(page.entries) == 2
    assert (await authoring.record(admin, "till", ItemFields("gotcha", "", NATS)))[1] is False


# ── judged ───────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_fifty_verdicts_of_one_person_count_once_and_the_last_one_counts(bench: Bench, judging: Judging) -> None:
    await bench.teach("a", [lesson("1", NATS)])
    item, ada = await bench.item_id(NATS), await developer(bench, "ada")
    await asyncio.gather(*(judging.judge(ada, item, "wrong") for _ in range(50)))
    found = await bench.store.get(bench.team_id, item)
    assert (found.wrong, found.hidden) == (1, False)
    await judging.judge(ada, item, "helpful", "It helped after all")
    found = await bench.store.get(bench.team_id, item)
    assert (found.helpful, found.wrong) == (1, 0)
    assert await count(bench, "knowledge_feedback") == 1


async def test_two_people_hide_an_item_and_no_reading_of_its_session_brings_it_back(bench: Bench, judging: Judging) -> None:
    await bench.teach("a", [lesson("1", NATS)])
    item, ada, bob = await bench.item_id(NATS), await developer(bench, "ada"), await developer(bench, "bob")
    await judging.judge(ada, item, "wrong")
    assert await asked(bench, NATS) == [NATS]
    await judging.judge(bob, item, "wrong")
    assert await asked(bench, NATS) == []
    assert (await bench.vectors.status()).points == 0
    assert await bench.index.check()
    await bench.teach("a", [anew(REWORDED)])  # type: ignore[list-item]
    await bench.teach("b", [lesson("3", NATS)])
    assert await asked(bench, NATS) == []
    browsing = ItemBrowsing(bench.database)
    assert not (await browsing.page(bench.team_id, ItemFilter(), limit=10)).entries
    assert [row.id for row in (await browsing.page(bench.team_id, ItemFilter(hidden=True), limit=10)).entries] == [item]
    await judging.judge(bob, item, "helpful")
    assert len(await asked(bench, NATS)) == 1


async def test_its_author_alone_hides_an_item(bench: Bench, judging: Judging) -> None:
    ada = await developer(bench, "ada")
    await bench.teach("a", [lesson("1", NATS)], developer_id=ada.developer_id)
    await judging.judge(ada, await bench.item_id(NATS), "wrong")
    assert await asked(bench, NATS) == []


async def test_a_stale_item_ranks_after_and_says_so(bench: Bench, judging: Judging) -> None:
    for name, port in (("a", 4222), ("b", 4333)):
        await bench.teach(name, [lesson("1", f"{NATS} on port {port}", title="")])
    before = await asked(bench, NATS)
    await judging.judge(await developer(bench, "ada"), await bench.item_id(before[0]), "stale")
    await bench.index.drain_to(2**62)
    results = (await bench.search.query(bench.team_id, Query(NATS, kinds=("item",), explain=True))).results
    assert [each.text for each in results] == before[::-1]
    assert results[-1].freshness == "stale"
    assert results[-1].explain is not None
    assert results[-1].explain["feedback"] == {"helpful": 0, "wrong": 0, "stale": 1}


async def test_a_verdict_on_a_text_that_was_corrected_since_counts_no_more(
    bench: Bench, authoring: Authoring, judging: Judging, admin: Author
) -> None:
    await bench.teach("a", [lesson("1", NATS)])
    item = await bench.item_id(NATS)
    for name, verdict in (("ada", "wrong"), ("bob", "wrong"), ("eve", "stale")):
        await judging.judge(await developer(bench, name), item, verdict)
    assert await asked(bench, NATS) == []
    await authoring.correct(admin, item, ItemCorrection(title="Which broker"))
    assert (await bench.store.get(bench.team_id, item)).hidden
    await authoring.correct(admin, item, ItemCorrection(text=CORRECT))
    found = await bench.store.get(bench.team_id, item)
    assert (found.hidden, found.wrong, found.stale) == (False, 0, 0)
    assert await asked(bench, CORRECT) == [CORRECT]
    assert [each.what for each in await ItemHistory(bench.database, bench.journal).read(bench.team_id, item)].count("judged") == 3
    await judging.judge(admin, item, "stale")
    assert (await bench.store.get(bench.team_id, item)).stale == 1


async def test_a_developer_who_is_gone_leaves_a_verdict_without_a_name(bench: Bench, judging: Judging) -> None:
    await bench.teach("a", [lesson("1", NATS)])
    item, ada = await bench.item_id(NATS), await developer(bench, "ada")
    await judging.judge(ada, item, "helpful", "Good")
    async with bench.database.begin() as connection:
        await connection.execute(text("delete from developers where name = 'ada'"))
    entries = await ItemHistory(bench.database, bench.journal).read(bench.team_id, item)
    assert [(each.what, each.developer_id, each.by_admin) for each in entries] == [("judged", None, False), ("learnt", None, False)]


# ── browsed ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_pages_are_whole_and_the_newest_comes_first(bench: Bench, authoring: Authoring, admin: Author) -> None:
    for number in range(7):
        await authoring.record(admin, "shop", ItemFields("gotcha" if number % 2 else "refactoring", "", f"Lesson number {number} of seven"))
    browsing, seen, cursor = ItemBrowsing(bench.database), [], None
    while True:
        page = await browsing.page(bench.team_id, ItemFilter(bench.project_id), limit=3, cursor=cursor)
        seen += [row.text for row in page.entries]
        if (cursor := page.next) is None:
            break
    assert seen == [f"Lesson number {number} of seven" for number in reversed(range(7))]
    assert len((await browsing.page(bench.team_id, ItemFilter(type="gotcha"), limit=10)).entries) == 3
    for nonsense in ("x", "=" * 50, "bm9uc2Vuc2U", "é", "MDAwMS0wMS0wMVQwMDowMDowMCsxNDowMHwwMTg"):
        with pytest.raises(InvalidInput, match="not from a page of this list"):
            await browsing.page(bench.team_id, ItemFilter(), limit=3, cursor=nonsense)


async def test_a_history_tells_who_did_what(bench: Bench, authoring: Authoring, judging: Judging, admin: Author) -> None:
    ada = await developer(bench, "ada")
    item, _ = await authoring.record(ada, "shop", ItemFields("gotcha", "Lesson", NATS))
    await bench.index.drain_to(2**62)
    await bench.teach("a", [lesson("1", NATS)])
    await authoring.correct(admin, item, ItemCorrection(text=CORRECT))
    await judging.judge(ada, item, "stale", "moved on")
    entries = await ItemHistory(bench.database, bench.journal).read(bench.team_id, item)
    assert [(each.what, each.developer_id, each.by_admin) for each in entries] == [
        ("judged", ada.developer_id, False),
        ("corrected", None, True),
        ("merged", None, False),
        ("recorded", ada.developer_id, False),
    ]
    assert (entries[1].text, entries[1].title, entries[0].note) == (CORRECT, None, "moved on")

"""What a lead reviews: which list an item is in, what takes it out, and that a merge and a retirement are told, kept and undone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from app.clock import now
from app.errors import Conflict, InvalidInput, NotFound, NotPermitted
from app.knowledge.authoring import WriteAdmission
from app.knowledge.curating import Curating
from app.knowledge.deciding import Deciding
from app.knowledge.edits import Author
from app.knowledge.history import ItemHistory
from app.knowledge.item import REVIEW_LISTS, ReviewList
from app.knowledge.judging import Judging
from app.knowledge.restoring import Restoring
from app.knowledge.results import Query
from app.knowledge.review_lists import ReviewLists, ReviewScope
from app.knowledge.supersession_rows import refresh_links
from tests.integration.knowledge.conftest import Bench, lesson
from tests.waiting import PATIENCE_SECONDS

JANUARY = datetime(2026, 1, 10, tzinfo=UTC)
OLD, NEW = "Publish order events through nats-jetstream", "Move order events from nats-jetstream to redpanda"
CACHE = "Cache keys hold the tenant"
MINUTES, HOURS = "Access tokens expire after 15 minutes.", "Access tokens expire after 24 hours."


class Desk:
    """A lead, a developer, and what they do with items."""

    def __init__(self, bench: Bench, lead: UUID, developer: UUID) -> None:
        self.bench = bench
        self.lead = Author(bench.team_id, lead, change_any=True)
        self.developer = Author(bench.team_id, developer)
        admission = WriteAdmission()
        self.curating = Curating(bench.database, admission=admission)
        self.judging = Judging(bench.database, admission=admission)
        self.deciding = Deciding(bench.database, admission=admission)
        self.restoring = Restoring(bench.database, admission=admission)
        self.history = ItemHistory(bench.database, bench.journal)
        self.lists = ReviewLists(bench.database, bench.journal)

    async def item(self, body: str, at: datetime = JANUARY, *, known_days: int = 0, project: str = "shop") -> UUID:
        """Teach an item. `known_days`: since when Cairn knows it."""
        await self.bench.teach(f"session {body}", [lesson("1", body, title=body, at=at)], project=project)
        found = await self.bench.item_id(body)
        await self.execute("update knowledge_evidence set created_at = :at where knowledge_id = :item", at=_ago(known_days), item=found)
        await self.execute("update knowledge set updated_at = :at where id = :item", at=_ago(known_days), item=found)
        return found

    async def execute(self, statement: str, **values: object) -> None:
        async with self.bench.database.begin() as connection:
            await connection.execute(text(statement), values)

    def scope(self, **more: object) -> ReviewScope:
        return ReviewScope(self.bench.team_id, now(), **more)  # type: ignore[arg-type]

    async def lists_of(self, item: UUID) -> set[ReviewList]:
        """The lists that an item is in; the counts agree with the pages."""
        scope, found = self.scope(), set[ReviewList]()
        counts = await self.lists.counts(scope)
        for name in REVIEW_LISTS:
            page = await self.lists.page(name, scope, limit=100)
            assert counts[name] == len(page.entries)
            found |= {name for row in page.entries if row.id == item}
        return found

    async def told(self, item: UUID) -> Sequence[tuple[str, UUID | None]]:
        return [(each.what, each.developer_id) for each in await self.history.read(self.bench.team_id, item)]


def _ago(days: int) -> datetime:
    return now() - timedelta(days=days, minutes=1)


@pytest.fixture
async def desk(bench: Bench) -> Desk:
    lead, developer = [(await bench.accounts.create_developer(name)).id for name in ("lea", "dan")]
    return Desk(bench, lead, developer)


async def used(desk: Desk, item: UUID, session: str, *, accepted: bool = True) -> None:
    """A session that was served an item and did what it says."""
    session_id = await desk.bench.session(session)
    await served(desk, item, session)
    await desk.execute(
        "insert into knowledge_uses (knowledge_id, session_id, accepted, act, transcript, locator, at)"
        " values (:item, :session, :accepted, 'command', 't', 'L1', now())",
        item=item, session=session_id, accepted=accepted,
    )  # fmt: skip


async def served(desk: Desk, item: UUID, session: str) -> None:
    session_id = await desk.bench.session(session)
    await desk.execute(
        "insert into session_served_knowledge (session_id, knowledge_id, seq) values (:session, :item, 1)", item=item, session=session_id
    )


async def test_what_was_learnt_lately_is_new_however_old_its_session_is(desk: Desk) -> None:
    assert await desk.lists_of(await desk.item(CACHE, JANUARY)) == {"new"}
    assert await desk.lists_of(await desk.item(OLD, known_days=13)) == {"new"}
    assert await desk.lists_of(await desk.item("Retry on 40001", known_days=15)) == set()


@pytest.mark.parametrize("verdict", ["helpful", "stale", "wrong"])
async def test_what_somebody_judged_is_no_longer_new(desk: Desk, verdict: str) -> None:
    item = await desk.item(CACHE)
    await desk.judging.judge(desk.developer, item, verdict)
    assert "new" not in await desk.lists_of(item)


async def test_what_is_learnt_again_is_not_new(desk: Desk) -> None:
    item = await desk.item(CACHE, known_days=20)
    await desk.bench.teach("another", [lesson("1", CACHE, title=CACHE, at=now())])
    assert await desk.lists_of(item) == set()


async def test_what_people_find_out_of_date_is_until_somebody_keeps_it(desk: Desk) -> None:
    item = await desk.item(CACHE, known_days=20)
    await desk.judging.judge(desk.developer, item, "stale")
    await desk.judging.judge(Author(desk.bench.team_id, None), item, "stale")
    assert await desk.lists_of(item) == {"outdated"}
    await desk.judging.judge(desk.lead, item, "helpful")
    assert await desk.lists_of(item) == {"most_useful"}


@pytest.mark.parametrize("verdict", ["changed", "gone"])
async def test_what_speaks_of_changed_code_is_out_of_date_until_somebody_keeps_it(desk: Desk, verdict: str) -> None:
    item = await desk.item(CACHE, known_days=20)
    mark = (
        "insert into knowledge_code_marks (knowledge_id, repository, verdict, head, committed_at) values (:item, 'r', :verdict, 'a', :at)"
    )
    await desk.judging.judge(desk.developer, item, "helpful")
    await desk.execute(mark, item=item, verdict=verdict, at=now() + timedelta(seconds=1))
    await desk.execute("update knowledge set code_verdict = :verdict where id = :item", item=item, verdict=verdict)
    assert await desk.lists_of(item) == {"outdated", "most_useful"}
    await desk.execute("update knowledge_code_marks set committed_at = :at", at=_ago(1))
    assert await desk.lists_of(item) == {"most_useful"}


async def test_what_a_later_item_replaces_is_out_of_date_alone(desk: Desk) -> None:
    older, newer = await desk.item(OLD, JANUARY), await desk.item(NEW, now() - timedelta(days=1))
    assert await desk.lists_of(older) == {"outdated"}
    (row,) = (await desk.lists.page("outdated", desk.scope(), limit=5)).entries
    assert (row.id, row.replaced_by, row.replaced_by_title) == (older, newer, NEW)
    await desk.restoring.restore(desk.lead, older)
    assert await desk.lists_of(older) == {"new"}


@pytest.mark.parametrize(("sessions", "listed"), [(0, True), (1, False), (2, False), (3, True)])
async def test_an_item_of_which_nobody_made_use_is_never_used(desk: Desk, sessions: int, listed: bool) -> None:
    item = await desk.item(CACHE, known_days=31)
    for number in range(sessions):
        await served(desk, item, f"s{number}")
    assert ("never_used" in await desk.lists_of(item)) is listed


async def test_a_use_a_helpful_verdict_or_a_short_time_is_not_never_used(desk: Desk) -> None:
    tried, helped, young = [await desk.item(words, known_days=days) for words, days in ((CACHE, 31), (OLD, 31), ("Retry on 40001", 29))]
    await used(desk, tried, "user", accepted=False)
    await desk.judging.judge(desk.developer, helped, "helpful")
    for item in (tried, helped, young):
        assert "never_used" not in await desk.lists_of(item)


async def test_the_most_useful_come_first_page_by_page(desk: Desk) -> None:
    words = [f"Lesson of the {name} service" for name in ("ledger", "courier", "depot", "till", "harbour")]
    items = [await desk.item(each, known_days=20) for each in words]
    for number, item in enumerate(items[:4]):
        for use in range(number):
            await used(desk, item, f"user {number} {use}")
    await desk.judging.judge(desk.developer, items[0], "helpful")
    found: list[UUID] = []
    after: str | None = None
    while True:
        page = await desk.lists.page("most_useful", desk.scope(), limit=1, after=after)
        found += [row.id for row in page.entries]
        if (after := page.next) is None:
            break
    assert found[:2] == [items[3], items[2]]
    assert sorted(found[2:]) == sorted(items[:2])
    assert [row.used for row in (await desk.lists.page("most_useful", desk.scope(), limit=2)).entries] == [3, 2]


async def test_every_page_of_new_items_is_read_once(desk: Desk) -> None:
    items = {await desk.item(f"Fact {word} of the till", JANUARY) for word in ("amber", "birch", "cedar", "dune", "elm")}
    found: list[UUID] = []
    after: str | None = None
    while True:
        page = await desk.lists.page("new", desk.scope(), limit=2, after=after)
        found += [row.id for row in page.entries]
        if (after := page.next) is None:
            break
    assert len(found) == len(items)
    assert set(found) == items


async def test_closed_projects_and_other_teams_and_projects_are_left_out(desk: Desk) -> None:
    await desk.item(CACHE)
    assert (await desk.lists.counts(desk.scope()))["new"] == 1
    assert (await desk.lists.counts(desk.scope(closed={desk.bench.project_id})))["new"] == 0
    assert (await desk.lists.counts(desk.scope(project_id=uuid4())))["new"] == 0
    assert (await desk.lists.counts(ReviewScope(uuid4(), now())))["new"] == 0


async def test_a_retired_item_is_found_by_nobody_until_a_lead_brings_it_back(desk: Desk) -> None:
    item = await desk.item(CACHE)
    assert await desk.curating.retire(desk.lead, item)
    assert not await desk.curating.retire(desk.lead, item)
    assert await desk.lists_of(item) == set()
    await desk.judging.judge(desk.developer, item, "helpful")  # another's verdict doesn't bring it back
    shown = await desk.bench.store.get(desk.bench.team_id, item)
    assert (shown.hidden, shown.retired) == (True, True)
    await desk.bench.index.drain_to(2**62)
    assert not (await desk.bench.search.query(desk.bench.team_id, Query(CACHE, kinds=("item",)))).results
    with pytest.raises(NotPermitted, match="only a lead or an admin"):
        await desk.restoring.restore(desk.developer, item)
    assert await desk.restoring.restore(desk.lead, item) == 1
    assert await desk.restoring.restore(desk.lead, item) == 0
    shown = await desk.bench.store.get(desk.bench.team_id, item)
    assert (shown.hidden, shown.retired) == (False, False)
    lead = desk.lead.developer_id
    assert [each for each in await desk.told(item) if each[0] in {"retired", "reinstated"}] == [("reinstated", lead), ("retired", lead)]


async def test_what_two_people_judged_wrong_stays_hidden_when_it_is_brought_back(desk: Desk) -> None:
    item = await desk.item(CACHE)
    for author in (desk.developer, Author(desk.bench.team_id, None)):
        await desk.judging.judge(author, item, "wrong")
    await desk.curating.retire(desk.lead, item)
    await desk.restoring.restore(desk.lead, item)
    shown = await desk.bench.store.get(desk.bench.team_id, item)
    assert (shown.hidden, shown.retired) == (True, False)


async def test_a_merged_item_is_marked_and_the_kept_one_shows_the_evidence_of_both(desk: Desk) -> None:
    merged, kept = await desk.item(CACHE), await desk.item("The tenant is part of each key of a cache")
    await desk.curating.merge(desk.lead, merged, kept)
    shown, other = [await desk.bench.store.get(desk.bench.team_id, each) for each in (kept, merged)]
    assert (shown.evidence_count, len(shown.evidence)) == (2, 2)
    assert [(each.id, each.cause) for each in shown.replaces] == [(merged, "merged")]
    assert [(each.id, each.cause) for each in other.replaced_by] == [(kept, "merged")]
    assert await desk.lists_of(merged) == set()
    lead = desk.lead.developer_id
    assert (await desk.told(merged))[0] == ("merged_into", lead)
    assert ("absorbed", lead) in await desk.told(kept)
    await desk.restoring.restore(desk.developer, merged)
    undone = ("restored", desk.developer.developer_id)
    assert [(await desk.told(each))[0] for each in (merged, kept)] == [undone, undone]


async def test_what_used_a_merged_item_counts_for_the_kept_one_once_and_no_longer_when_that_is_undone(desk: Desk) -> None:
    words = (CACHE, "The tenant is part of each key", "The tenant is part of each key of a cache")
    first, second, kept = [await desk.item(each, known_days=40) for each in words]
    await used(desk, first, "one")
    await used(desk, second, "one")
    await used(desk, second, "two")
    await used(desk, kept, "two", accepted=False)
    await used(desk, first, f"session {words[2]}")  # it taught the kept one: that is no use
    await desk.curating.merge(desk.lead, first, second)
    await desk.curating.merge(desk.lead, second, kept)
    shown = await desk.bench.store.get(desk.bench.team_id, kept)
    assert (shown.used, shown.refused) == (2, 1)
    assert await desk.lists_of(kept) == {"most_useful"}
    (row,) = (await desk.lists.page("most_useful", desk.scope(), limit=5)).entries
    assert (row.id, row.used) == (kept, 2)
    await desk.restoring.restore(desk.lead, second)
    shown = await desk.bench.store.get(desk.bench.team_id, kept)
    assert (shown.used, shown.refused) == (0, 1)
    assert await desk.lists_of(second) == {"most_useful"}


async def test_what_a_used_item_was_merged_into_is_not_never_used(desk: Desk) -> None:
    merged, kept = await desk.item(CACHE, known_days=40), await desk.item("The tenant is part of each key of a cache", known_days=40)
    assert await desk.lists_of(kept) == {"never_used"}
    await used(desk, merged, "user", accepted=False)
    await desk.curating.merge(desk.lead, merged, kept)
    assert await desk.lists_of(kept) == set()
    await desk.restoring.restore(desk.lead, merged)
    assert await desk.lists_of(kept) == {"never_used"}


async def test_a_search_shows_what_was_merged_under_the_one_that_was_kept(desk: Desk) -> None:
    """Also where the kept one is the earlier, through others, and none of the question's words are in it."""
    kept = await desk.item("Every tenant has a prefix of its own in redis", JANUARY)
    middle = await desk.item("Never share one redis prefix between two customers", JANUARY + timedelta(days=30))
    last = await desk.item("Shared invoices came from colliding names of memory entries", JANUARY + timedelta(days=60))
    await desk.curating.merge(desk.lead, last, middle)
    await desk.curating.merge(desk.lead, middle, kept)
    await desk.bench.index.drain_to(2**62)
    query = Query("Why did invoices collide by names of memory entries?", kinds=("item",), limit=2, min_score=0.0)
    found = (await desk.bench.search.query(desk.bench.team_id, query)).results
    assert [each.id for each in found] == [kept]
    assert set(found[0].like or ()) >= {last}
    await desk.restoring.restore(desk.lead, last)
    found = (await desk.bench.search.query(desk.bench.team_id, query)).results
    assert found[0].id == last


async def test_what_contradicts_an_earlier_item_is_listed_until_a_person_decides(desk: Desk) -> None:
    earlier = await desk.item(MINUTES, JANUARY)
    later = await desk.item(HOURS, JANUARY + timedelta(days=1))
    assert "contradicted" in await desk.lists_of(later)
    assert "contradicted" not in await desk.lists_of(earlier)
    assert [each.id for each in (await desk.lists.contradictions([earlier, later]))[later]] == [earlier]
    for scope in (desk.scope(closed={desk.bench.project_id}), desk.scope(project_id=uuid4()), ReviewScope(uuid4(), now())):
        assert (await desk.lists.counts(scope))["contradicted"] == 0
    await desk.deciding.decide(desk.developer, later, earlier, "both_hold")
    assert (await desk.lists.counts(desk.scope()))["contradicted"] == 0
    await desk.deciding.decide(desk.developer, later, earlier, "undecided")
    assert "contradicted" in await desk.lists_of(later)


@pytest.mark.parametrize("act", ["retire the earlier", "retire the later", "merge", "judge wrong"])
async def test_what_is_not_valid_contradicts_nothing_in_a_review(desk: Desk, act: str) -> None:
    earlier = await desk.item(MINUTES, JANUARY)
    later = await desk.item(HOURS, JANUARY + timedelta(days=1))
    match act:
        case "merge":
            await desk.curating.merge(desk.lead, later, earlier)
        case "judge wrong":
            for author in (desk.developer, desk.lead):
                await desk.judging.judge(author, earlier, "wrong")
        case _:
            await desk.curating.retire(desk.lead, earlier if act.endswith("earlier") else later)
    assert (await desk.lists.counts(desk.scope()))["contradicted"] == 0
    assert (await desk.lists.page("contradicted", desk.scope(), limit=5)).entries == []


async def test_two_items_are_not_merged_into_each_other_while_one_is_hidden(desk: Desk) -> None:
    """Else both were replaced, and valid nowhere, once the hidden one is brought back."""
    words = (CACHE, "The tenant is part of each key", "Retry on 40001")
    first, second, third = [await desk.item(each) for each in words]
    await desk.curating.merge(desk.lead, first, second)
    await desk.curating.merge(desk.lead, second, third)
    for item in (second, third):
        await desk.curating.retire(desk.lead, item)
    for item in (second, third):
        with pytest.raises(Conflict, match="restore it first"):
            await desk.curating.merge(desk.lead, item, first)
    await desk.restoring.restore(desk.lead, first)
    await desk.curating.merge(desk.lead, third, first)


async def test_merges_of_two_items_into_each_other_at_once_leave_one(desk: Desk) -> None:
    item, other = await desk.item(CACHE), await desk.item("The tenant is part of each key of a cache")
    merges = (desk.curating.merge(desk.lead, item, other), desk.curating.merge(desk.lead, other, item))
    done = await asyncio.wait_for(asyncio.gather(*merges, return_exceptions=True), PATIENCE_SECONDS)
    assert [type(each) for each in done if each is not None] == [Conflict]
    replaced = [(await desk.bench.store.get(desk.bench.team_id, each)).replaced_by for each in (item, other)]
    assert sorted(map(len, replaced)) == [0, 1]


async def test_a_merge_is_kept_when_sessions_are_read_again_and_undone_by_a_person_for_good(desk: Desk) -> None:
    merged, kept = await desk.item(CACHE), await desk.item("The tenant is part of each key of a cache")
    await desk.curating.merge(desk.lead, merged, kept)
    await desk.bench.teach(f"session {CACHE}", [lesson("1", f"{CACHE}, always", title=CACHE, at=JANUARY)])
    assert (await desk.bench.store.get(desk.bench.team_id, merged)).replaced_by
    assert await desk.restoring.restore(desk.developer, merged) == 1
    shown = await desk.bench.store.get(desk.bench.team_id, kept)
    assert (shown.replaces, len(shown.evidence)) == ((), 1)
    assert (await desk.told(merged))[0] == ("restored", desk.developer.developer_id)


async def test_a_merge_may_be_made_again_after_it_was_undone(desk: Desk) -> None:
    merged, kept = await desk.item(CACHE), await desk.item("The tenant is part of each key of a cache")
    for _ in range(2):
        await desk.curating.merge(desk.lead, merged, kept)
        await desk.restoring.restore(desk.developer, merged)
    await desk.curating.merge(desk.lead, merged, kept)
    assert [each.id for each in (await desk.bench.store.get(desk.bench.team_id, merged)).replaced_by] == [kept]


async def test_evidence_is_joined_through_a_chain_of_merges(desk: Desk) -> None:
    first, second, third = [await desk.item(words) for words in (CACHE, "The tenant is part of each key", "Retry on 40001")]
    await desk.curating.merge(desk.lead, first, second)
    await desk.curating.merge(desk.lead, second, third)
    assert len((await desk.bench.store.get(desk.bench.team_id, third)).evidence) == 3


async def test_what_cannot_be_merged_is_refused_with_the_reason(desk: Desk) -> None:
    item, kept = await desk.item(CACHE), await desk.item("The tenant is part of each key of a cache")
    elsewhere = await desk.item("Retry on 40001", project="depot")
    with pytest.raises(InvalidInput, match="the item itself"):
        await desk.curating.merge(desk.lead, item, item)
    with pytest.raises(Conflict, match="different projects"):
        await desk.curating.merge(desk.lead, item, elsewhere)
    with pytest.raises(InvalidInput, match="there is no item"):
        await desk.curating.merge(desk.lead, item, uuid4())
    with pytest.raises(NotFound):
        await desk.curating.merge(Author(uuid4(), None), item, kept)
    await desk.curating.merge(desk.lead, item, kept)
    with pytest.raises(Conflict, match="itself replaced"):
        await desk.curating.merge(desk.lead, kept, item)
    await desk.restoring.restore(desk.lead, item)
    await desk.curating.retire(desk.lead, kept)
    with pytest.raises(Conflict, match="hidden"):
        await desk.curating.merge(desk.lead, item, kept)


async def test_two_items_never_replace_each_other(desk: Desk) -> None:
    """A person merges the later one into the earlier one, whatever it says; when it is read again it doesn't replace that."""
    older, newer = await desk.item(OLD, JANUARY), await desk.item(NEW, now() - timedelta(days=1))
    await desk.restoring.restore(desk.lead, older)
    await desk.execute("delete from knowledge_supersessions")
    await desk.curating.merge(desk.lead, newer, older)
    await desk.bench.teach(f"session {NEW}", [lesson("1", f"{NEW}.", title=NEW, at=now() - timedelta(days=1))])
    assert (await desk.bench.store.get(desk.bench.team_id, older)).replaced_by == ()
    assert [each.id for each in (await desk.bench.store.get(desk.bench.team_id, newer)).replaced_by] == [older]


async def test_items_never_replace_each_other_in_a_circle(desk: Desk) -> None:
    """A person merges the later one into a third, and that into the earlier one: read again, it doesn't replace that."""
    older, newer = await desk.item(OLD, JANUARY), await desk.item(NEW, now() - timedelta(days=1))
    between = await desk.item(CACHE)
    await desk.restoring.restore(desk.lead, older)
    await desk.execute("delete from knowledge_supersessions")
    await desk.curating.merge(desk.lead, between, older)
    await desk.execute(
        "insert into knowledge_supersessions (older_id, newer_id, words, said_at) values (:a, :b, 'w', now())", a=newer, b=between
    )
    async with desk.bench.database.begin() as connection:
        await refresh_links(connection, [older])
    assert (await desk.bench.store.get(desk.bench.team_id, older)).replaced_by == ()


async def test_what_other_items_are_served_keeps_none_in_the_list(desk: Desk) -> None:
    """Only what is reviewed is counted, however often other projects' items were served."""
    item, other = await desk.item(CACHE, known_days=40), await desk.item(OLD, known_days=40, project="till")
    sessions = [await desk.bench.session(f"reader {number}") for number in range(2)]
    for each in sessions:
        served = "insert into session_served_knowledge (session_id, knowledge_id, seq) values (:session, :item, 1)"
        await desk.execute(served, session=each, item=other)
    till = (await desk.bench.store.get(desk.bench.team_id, other)).project_id
    shop = (await desk.bench.store.get(desk.bench.team_id, item)).project_id
    assert (await desk.lists.counts(desk.scope(project_id=shop)))["never_used"] == 1
    assert (await desk.lists.counts(desk.scope(project_id=till)))["never_used"] == 0


async def test_a_merge_outlives_another_version_of_extraction(desk: Desk) -> None:
    """Which words the same places otherwise, under other keys: both items keep their evidence, and take the new words as more of it."""
    item, kept = await desk.item(CACHE), await desk.item("Each key of the cache of baskets holds the tenant's number")
    await desk.curating.merge(desk.lead, item, kept)
    reworded = lesson("1", f"{CACHE} always", title=CACHE, at=JANUARY)
    await desk.bench.teach(f"session {CACHE}", [replace(reworded, key="another")])
    assert [each.id for each in (await desk.bench.store.get(desk.bench.team_id, kept)).replaces] == [item]
    assert len(await desk.bench.items()) == 2


async def test_a_decision_that_both_hold_outlives_another_version_of_extraction(desk: Desk) -> None:
    item, other = await desk.item(MINUTES), await desk.item(HOURS)
    await desk.deciding.decide(desk.developer, item, other, "both_hold")
    for words in (MINUTES, HOURS):
        await desk.bench.teach(f"session {words}", [])
    assert "contradicted" not in {*await desk.lists_of(item), *await desk.lists_of(other)}
    assert {each.what for each in await desk.history.read(desk.bench.team_id, item)} >= {"contradicted", "decided"}

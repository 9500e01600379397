"""Near-copies of one matter become one item with its history, in the richest words; what says something of its own keeps its place."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta

import pytest
from sqlalchemy import text

from app.knowledge.authoring import Authoring, WriteAdmission
from app.knowledge.curating import Curating
from app.knowledge.edits import Author, ItemCorrection
from app.knowledge.item import ItemCandidate
from app.knowledge.judging import Judging
from app.knowledge.restoring import Restoring
from app.knowledge.results import Query
from tests.crisis import APART, Said, crisis
from tests.integration.knowledge.conftest import AT, Bench, lesson

LESS = "The nightly stock export fails because the connection pool is exhausted"
MORE = "The nightly stock export of the warehouse fails because the connection pool is exhausted by open transactions"
BETWEEN = "The nightly stock export of the warehouse fails because the connection pool is exhausted"
BESIDE = "The nightly stock export fails because the connection pool is exhausted by open transactions"


def said(words: str, key: str = "1", *, days: int = 0) -> ItemCandidate:
    return lesson(key, words, title=words, at=AT + timedelta(days=days))


async def texts(bench: Bench) -> list[tuple[str, int]]:
    return [(words, count) for _, words, count in await bench.items()]


@pytest.mark.parametrize("order", [(LESS, MORE), (MORE, LESS)], ids=["more later", "less later"])
async def test_what_says_less_of_the_same_is_evidence_of_what_says_more(bench: Bench, order: Sequence[str]) -> None:
    for name, words in zip(("one", "two"), order, strict=True):
        await bench.teach(name, [said(words)])
    assert await texts(bench) == [(MORE, 2)]
    item = await bench.store.get(bench.team_id, await bench.item_id(MORE))
    assert sorted(each.excerpt for each in item.evidence) == sorted(order)


async def test_one_that_says_all_of_two_takes_both(bench: Bench) -> None:
    await bench.teach("one", [said(BETWEEN)])
    await bench.teach("two", [said(BESIDE)])
    assert len(await texts(bench)) == 2
    await bench.teach("three", [said(MORE)])
    assert await texts(bench) == [(MORE, 3)]
    assert await bench.search.query(bench.team_id, Query(LESS, kinds=("item",))) is not None


async def test_two_that_one_session_says_are_taken_together(bench: Bench) -> None:
    learnt = await bench.teach("one", [said(BETWEEN, "1"), said(BESIDE, "2"), said(MORE, "3"), said(LESS, "4")])
    assert await texts(bench) == [(MORE, 4)]
    assert (learnt.new, learnt.merged) == (1, 3)
    again = await bench.teach("one", [said(BETWEEN, "1"), said(BESIDE, "2"), said(MORE, "3"), said(LESS, "4")])
    assert (again.known, again.new, again.withdrawn) == (4, 0, 0)


async def test_without_the_richest_words_what_each_says_of_its_own_is_an_item_again(bench: Bench) -> None:
    for name, words in (("one", BETWEEN), ("two", BESIDE), ("three", MORE), ("four", LESS)):
        await bench.teach(name, [said(words)])
    assert await texts(bench) == [(MORE, 4)]
    await bench.teach("three", [])
    assert sorted(words for words, _ in await texts(bench)) == sorted([BETWEEN, BESIDE])
    assert sum(count for _, count in await texts(bench)) == 3
    for name in ("one", "two", "four"):
        await bench.teach(name, [])
    assert await texts(bench) == []


async def test_a_purge_leaves_nothing_of_the_purged_words(bench: Bench) -> None:
    await bench.teach("one", [said(LESS)])
    await bench.teach("two", [said(MORE)])
    await bench.purge.delete_session(bench.requester(), bench.sessions["two"])
    assert await texts(bench) == [(LESS, 1)]


async def test_another_day_another_project_and_what_people_touched_stay_apart(bench: Bench) -> None:
    await bench.teach("one", [said(MORE)])
    await bench.teach("two", [said(LESS, days=1)])
    await bench.teach("three", [said(LESS)], project="till")
    assert len(await texts(bench)) == 3


async def test_an_item_that_a_person_judged_or_corrected_takes_no_near_copy(bench: Bench) -> None:
    await bench.teach("one", [said(LESS)])
    item = await bench.item_id(LESS)
    await Judging(bench.database, admission=WriteAdmission()).judge(Author(bench.team_id, None), item, "stale")
    await bench.teach("two", [said(MORE)])
    assert len(await texts(bench)) == 2
    authoring = Authoring(bench.database, bench.accounts, embedder=bench.embedder, long_form=bench.long_form, admission=WriteAdmission())
    corrected = "The nightly stock export of the warehouse fails because the pool is exhausted by open transactions"
    await authoring.correct(Author(bench.team_id, None), await bench.item_id(MORE), ItemCorrection(text=corrected))
    await bench.teach("three", [said(BETWEEN)])
    assert corrected in [words for words, _ in await texts(bench)]


async def test_what_people_decided_or_retired_once_takes_no_near_copy(bench: Bench) -> None:
    """A decision that both hold is no link, and a retirement that was undone no verdict: both would be gone with the item."""
    await bench.teach("one", [said(LESS)])
    await bench.teach("rule", [said("The stock export is limited to 5 GB", "2")])
    item, other = await bench.item_id(LESS), await bench.item_id("The stock export is limited to 5 GB")
    async with bench.database.begin() as connection:
        decided = "insert into knowledge_contradictions (one_id, other_id, team_id, words, other_words, decision) values (:a, :b, :t, '', '', 'both')"
        one, two = sorted((item, other))
        await connection.execute(text(decided), {"a": one, "b": two, "t": bench.team_id})
    await bench.teach("two", [said(MORE)])
    assert len(await texts(bench)) == 3
    lead = Author(bench.team_id, None, change_any=True)
    await Curating(bench.database, admission=WriteAdmission()).retire(lead, await bench.item_id(MORE))
    await Restoring(bench.database, admission=WriteAdmission()).restore(lead, await bench.item_id(MORE))
    await bench.teach("three", [said(BETWEEN)])
    assert len(await texts(bench)) == 4


async def test_a_deleted_matter_stays_deleted_with_all_that_was_part_of_it(bench: Bench) -> None:
    await bench.teach("one", [said(LESS)])
    await bench.teach("two", [said(MORE)])
    await bench.store.delete(bench.team_id, await bench.item_id(MORE), developer_id=None)
    await bench.teach("one", [said(LESS)])
    await bench.teach("two", [said(MORE)])
    assert await texts(bench) == []


def by_session(statements: Sequence[Said]) -> dict[int, list[Said]]:
    found: dict[int, list[Said]] = defaultdict(list)
    for each in statements:
        found[each.session].append(each)
    return found


@pytest.mark.parametrize("backwards", [False, True], ids=["in order", "backwards"])
async def test_a_crisis_of_an_afternoon_takes_few_places(bench: Bench, backwards: bool) -> None:
    statements = crisis()
    developers = [(await bench.accounts.create_developer(name)).id for name in ("con-ada", "con-bo", "con-cy")]
    for session, of_session in sorted(by_session(statements).items(), reverse=backwards):
        candidates = [lesson(str(place), each.text, title=each.text[:80]) for place, each in enumerate(of_session)]
        await bench.teach(f"crisis-{session}", candidates, developer_id=developers[of_session[0].developer])
    stored = await texts(bench)

    assert set(APART) <= {words for words, _ in stored}
    assert len(stored) <= len(APART) + 14  # with vectors of words; with those of the model 11 (decision 0073)
    assert sum(count for _, count in stored) == len(statements)
    async with bench.database.begin() as connection:
        orphans = await connection.scalar(
            text("select count(*) from knowledge_evidence e left join knowledge k on k.id = e.knowledge_id where k.id is null")
        )
    assert orphans == 0

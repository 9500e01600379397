"""What holds in two projects is portable, what two people stand by is team practice; both are counted anew with what they rest on."""

from __future__ import annotations

from uuid import UUID

from app.knowledge.authoring import Authoring, WriteAdmission
from app.knowledge.edits import Author, ItemCorrection
from app.knowledge.item import ItemCandidate
from app.knowledge.judging import Judging
from app.knowledge.results import Query, Result
from tests.integration.knowledge.conftest import Bench, lesson

RULE = "Run the database migrations before every deployment of the ledger"
SAME = "We run database migrations before each deployment of the ledger"
OTHER = "Never run the database migrations before a deployment of the ledger"


def said(words: str) -> ItemCandidate:
    return lesson("1", words, title=words)


async def found(bench: Bench, closed: frozenset[UUID] = frozenset()) -> Result:
    await bench.index.drain_to(2**62)
    query = Query("database migrations before the deployment", kinds=("item",), project="shop", explain=True, closed=closed)
    return (await bench.search.query(bench.team_id, query)).results[0]


async def test_an_item_that_two_projects_hold_is_portable_to_those_who_may_see_both(bench: Bench) -> None:
    await bench.teach("one", [said(RULE)])
    assert (await found(bench)).standing is None
    await bench.teach("two", [said(OTHER)], project="till")
    assert (await found(bench)).standing is None
    await bench.teach("three", [said(SAME)], project="bank")
    result = await found(bench)
    assert result.standing == ("portable",)
    assert result.explain is not None
    assert (result.explain["standing_factor"], result.explain["standing"]) == (1.02, ["portable"])
    assert (await bench.store.get(bench.team_id, result.id)).standing == ("portable",)
    bank = await bench.accounts.project_named(bench.team_id, "bank", closed=frozenset())
    assert bank is not None
    assert (await found(bench, frozenset({bank}))).standing is None
    assert (await bench.store.get(bench.team_id, result.id, closed={bank})).standing == ()


async def test_what_two_developers_sessions_taught_is_team_practice(bench: Bench) -> None:
    ada, bo = [(await bench.accounts.create_developer(name)).id for name in ("ada", "bo")]
    await bench.teach("one", [said(RULE)], developer_id=ada)
    await bench.teach("two", [said(RULE)], developer_id=ada)
    assert (await found(bench)).standing is None
    await bench.teach("three", [said(RULE)], developer_id=bo)
    assert (await found(bench)).standing == ("team_practice",)
    await bench.teach("three", [], developer_id=bo)
    assert (await found(bench)).standing is None


async def test_a_persons_helpful_verdict_counts_once_and_weighs_nothing_against_a_stale_one(bench: Bench) -> None:
    ada, bo, cy = [(await bench.accounts.create_developer(name)).id for name in ("ada", "bo", "cy")]
    await bench.teach("one", [said(RULE)], developer_id=ada)
    item, judging = await bench.item_id(RULE), Judging(bench.database, admission=WriteAdmission())
    await judging.judge(Author(bench.team_id, ada), item, "helpful")
    assert (await found(bench)).standing is None
    await judging.judge(Author(bench.team_id, bo), item, "helpful")
    assert (await found(bench)).standing == ("team_practice",)
    await judging.judge(Author(bench.team_id, cy), item, "stale")
    result = await found(bench)
    assert result.explain is not None
    assert (result.standing, result.explain["standing_factor"]) == (("team_practice",), 1.0)


async def test_a_correction_of_the_type_keeps_the_people_and_one_of_the_text_ends_their_verdicts(bench: Bench) -> None:
    ada, bo = [(await bench.accounts.create_developer(name)).id for name in ("ada", "bo")]
    await bench.teach("one", [said(RULE)], developer_id=ada)
    item, lead = await bench.item_id(RULE), Author(bench.team_id, None, change_any=True)
    await Judging(bench.database, admission=WriteAdmission()).judge(Author(bench.team_id, bo), item, "helpful")
    authoring = Authoring(bench.database, bench.accounts, embedder=bench.embedder, long_form=bench.long_form, admission=WriteAdmission())
    await authoring.correct(lead, item, ItemCorrection(type="bug_solution"))
    assert (await bench.store.get(bench.team_id, item)).standing == ("team_practice",)
    await authoring.correct(lead, item, ItemCorrection(text=OTHER))
    assert (await bench.store.get(bench.team_id, item)).standing == ()

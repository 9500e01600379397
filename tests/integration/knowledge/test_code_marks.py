"""Marks by the code: whose they are, when they count, what they change in search, and what takes them away."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, update

from app.errors import NotFound, NotPermitted
from app.knowledge.authoring import Authoring, WriteAdmission
from app.knowledge.browsing import ItemBrowsing
from app.knowledge.code_checking import COMMIT_MARGIN, CheckedProject, CodeChecking, StoredMarks, repository_name
from app.knowledge.edits import Author, ItemCorrection, ItemFields
from app.knowledge.item import CheckableItem, CodeMark, GivenMark, ItemFilter
from app.knowledge.judging import Judging
from app.knowledge.marks import EXPIRY, MAX_REPOSITORIES
from app.knowledge.results import Query, Result
from app.knowledge.tables import CodeMarkRow, VersionRow
from app.storage.pages import PageWanted
from tests.integration.knowledge.conftest import AT, Bench, lesson

POOL = "Pool.acquire in src/pool.py waits for a connection for five seconds"
TILL = "Till.close in src/till.py counts the coins of the drawer twice"
HEAD, COMMIT = "a" * 40, "b" * 40
SHOP = "git@github.com:acme/shop.git"
CHANGED = CodeMark(SHOP, "changed", HEAD, "src/pool.py", "Pool.acquire", commit=COMMIT, committed_at=AT)


@pytest.fixture
def checking(bench: Bench) -> CodeChecking:
    return CodeChecking(bench.database, bench.accounts, bench.journal)


@pytest.fixture
def authoring(bench: Bench) -> Authoring:
    return Authoring(bench.database, bench.accounts, embedder=bench.embedder, long_form=bench.long_form, admission=WriteAdmission())


@pytest.fixture
def shop(bench: Bench) -> CheckedProject:
    return CheckedProject(bench.team_id, bench.project_id)


async def page(checking: CodeChecking, shop: CheckedProject, repository: str = SHOP) -> list[CheckableItem]:
    return list((await checking.page(shop, repository, PageWanted(100))).entries)


async def mark(checking: CodeChecking, shop: CheckedProject, mark: CodeMark, *, of: str = POOL) -> None:
    """Check as a client does: read the items, store a mark of one."""
    (item,) = [each for each in await page(checking, shop) if each.text == of]
    assert (await checking.store(shop, mark.repository, [GivenMark(item.id, item.revision, mark)])).stored == 1


async def set_checked_at(bench: Bench, at: datetime) -> None:
    async with bench.database.begin() as connection:
        await connection.execute(update(CodeMarkRow).values(checked_at=at))


async def project_version(bench: Bench) -> UUID | None:
    """The version of the project's knowledge, which is drawn anew when cached results no longer hold."""
    async with bench.database.begin() as connection:
        return await connection.scalar(select(VersionRow.version).where(VersionRow.project_id == bench.project_id))


async def found(bench: Bench, words: str = POOL) -> Result:
    await bench.index.drain_to(2**62)
    return (await bench.search.query(bench.team_id, Query(words, kinds=("item",), explain=True))).results[0]


async def test_a_mark_lowers_the_rank_a_little_and_is_told(bench: Bench, checking: CodeChecking, shop: CheckedProject) -> None:
    await bench.teach("a", [lesson("1", POOL), lesson("2", TILL)])
    before = await found(bench)
    assert (before.freshness, before.explain and before.explain["code"]) == ("fresh", None)
    for verdict, factor in (("changed", 0.97), ("gone", 0.88), ("unverifiable", 1.0), ("fresh", 1.0)):
        await mark(checking, shop, replace(CHANGED, verdict=verdict))  # type: ignore[arg-type]
        after = await found(bench)
        assert (after.id, after.freshness) == (before.id, verdict)
        assert after.explain is not None
        assert (after.explain["code"], after.explain["code_factor"]) == (verdict, factor)
        assert after.score == pytest.approx(before.score * factor, abs=0.001)
    (told,) = (await bench.store.get(bench.team_id, before.id)).code
    assert (told.repository, told.symbol, told.commit, told.head) == ("github.com/acme/shop", "Pool.acquire", COMMIT, HEAD)


async def test_what_people_say_goes_before_what_the_code_says(bench: Bench, checking: CodeChecking, shop: CheckedProject) -> None:
    await bench.teach("a", [lesson("1", POOL)])
    await mark(checking, shop, replace(CHANGED, verdict="fresh"))
    await Judging(bench.database, admission=WriteAdmission()).judge(Author(bench.team_id, None), await bench.item_id(POOL), "stale")
    assert (await found(bench)).freshness == "stale"


async def test_clones_share_the_marks_of_a_repository_and_another_has_its_own(
    bench: Bench, checking: CodeChecking, shop: CheckedProject
) -> None:
    await bench.teach("a", [lesson("1", POOL)])
    await mark(checking, shop, CHANGED)
    (item,) = await page(checking, shop, "https://token@github.com/Acme/Shop")
    assert (item.mark and item.mark.verdict) == "changed"
    assert (await page(checking, shop, "till"))[0].mark is None
    await mark(checking, shop, replace(CHANGED, repository="till", verdict="unverifiable"))
    assert (await found(bench)).freshness == "changed"
    await mark(checking, shop, replace(CHANGED, verdict="gone"))
    await mark(checking, shop, replace(CHANGED, repository="till", verdict="fresh"))
    assert (await found(bench)).freshness == "changed"
    assert [each.repository for each in (await bench.store.get(bench.team_id, item.id)).code] == ["github.com/acme/shop", "till"]


async def test_a_mark_of_words_that_changed_meanwhile_is_not_stored(
    bench: Bench, checking: CodeChecking, shop: CheckedProject, authoring: Authoring
) -> None:
    await bench.teach("a", [lesson("1", POOL)])
    (item,) = await page(checking, shop)
    await authoring.correct(Author(bench.team_id, None, change_any=True), item.id, ItemCorrection(text=f"{POOL}, not ten"))
    given = [GivenMark(item.id, item.revision, CHANGED), GivenMark(uuid4(), "x", CHANGED)]
    assert await checking.store(shop, SHOP, given) == StoredMarks(stored=0, outdated=2)
    assert (await page(checking, shop))[0].mark is None


async def test_a_mark_of_what_was_taught_again_meanwhile_is_not_stored(bench: Bench, checking: CodeChecking, shop: CheckedProject) -> None:
    await bench.teach("a", [lesson("1", POOL)])
    (item,) = await page(checking, shop)
    given = [GivenMark(item.id, item.revision, CHANGED, item.said_at)]
    await bench.teach("b", [lesson("1", POOL, at=AT + timedelta(days=2))])
    assert await checking.store(shop, SHOP, given) == StoredMarks(stored=0, outdated=1)
    (again,) = await page(checking, shop)
    assert again.said_at > item.said_at
    given = [GivenMark(again.id, again.revision, CHANGED, again.said_at)]
    assert await checking.store(shop, SHOP, given) == StoredMarks(stored=1, outdated=0)


@pytest.mark.parametrize("ahead", [timedelta(0), timedelta(minutes=30), timedelta(days=300)])
async def test_what_was_said_only_now_is_marked(bench: Bench, checking: CodeChecking, shop: CheckedProject, ahead: timedelta) -> None:
    await bench.teach("a", [lesson("1", POOL, at=datetime.now(UTC) + ahead)])
    (item,) = await page(checking, shop)
    given = [GivenMark(item.id, item.revision, CHANGED, item.said_at)]
    assert await checking.store(shop, SHOP, given) == StoredMarks(stored=1, outdated=0)


async def test_a_mark_that_says_what_was_known_is_only_confirmed(bench: Bench, checking: CodeChecking, shop: CheckedProject) -> None:
    await bench.teach("a", [lesson("1", POOL)])
    secret = replace(CHANGED, path="src/sk_live_4eC39HqLyjWDarjtT1zdp7dc")
    await mark(checking, shop, secret)
    await set_checked_at(bench, datetime(2026, 9, 1, tzinfo=UTC))
    (item,) = await page(checking, shop)
    version = await project_version(bench)
    given = [GivenMark(item.id, item.revision, replace(secret, head="d" * 40), item.said_at)]
    assert await checking.store(shop, SHOP, given) == StoredMarks(stored=0, outdated=0)
    (told,) = (await bench.store.get(bench.team_id, item.id)).code
    assert told.checked_at is not None
    assert (told.head, told.checked_at > datetime(2026, 9, 2, tzinfo=UTC)) == ("d" * 40, True)
    assert await project_version(bench) == version
    assert (await checking.store(shop, SHOP, [replace(given[0], mark=CHANGED)])).stored == 1
    assert await project_version(bench) != version


async def test_an_item_has_the_marks_of_the_repositories_that_were_checked_last(
    bench: Bench, checking: CodeChecking, shop: CheckedProject
) -> None:
    await bench.teach("a", [lesson("1", POOL), lesson("2", TILL)])
    await mark(checking, shop, replace(CHANGED, repository="first", verdict="gone"), of=TILL)
    await mark(checking, shop, replace(CHANGED, repository="first", verdict="gone"))
    for number in range(MAX_REPOSITORIES):
        await mark(checking, shop, replace(CHANGED, repository=f"later-{number}", verdict="fresh"))
    known = await bench.store.get(bench.team_id, await bench.item_id(POOL))
    assert [each.repository for each in known.code] == [f"later-{number}" for number in range(MAX_REPOSITORIES)]
    assert known.code_verdict == "fresh"
    assert (await bench.store.get(bench.team_id, await bench.item_id(TILL))).code_verdict == "gone"


async def test_a_mark_that_nobody_confirms_expires(bench: Bench, checking: CodeChecking, shop: CheckedProject) -> None:
    await bench.teach("a", [lesson("1", POOL), lesson("2", TILL)])
    await mark(checking, shop, replace(CHANGED, verdict="gone"))
    await mark(checking, shop, CHANGED, of=TILL)
    await set_checked_at(bench, datetime.now(UTC) - EXPIRY + timedelta(minutes=1))
    assert await checking.expire() == 0
    await set_checked_at(bench, datetime.now(UTC) - EXPIRY - timedelta(minutes=1))
    (till,) = [each for each in await page(checking, shop) if each.text == TILL]
    assert (await checking.store(shop, SHOP, [GivenMark(till.id, till.revision, CHANGED)])).stored == 0  # it is confirmed
    version = await project_version(bench)
    assert [await checking.expire() for _ in range(2)] == [1, 0]
    assert await project_version(bench) != version
    known = [await bench.store.get(bench.team_id, await bench.item_id(words)) for words in (POOL, TILL)]
    assert [each.code_verdict for each in known] == [None, "changed"]


async def test_the_marks_of_a_repository_are_removed_by_any_of_its_names(
    bench: Bench, checking: CodeChecking, shop: CheckedProject
) -> None:
    await bench.teach("a", [lesson("1", POOL), lesson("2", TILL)])
    await bench.teach("b", [lesson("1", POOL)], project="till")
    for name in (SHOP, "till"):
        for words in (POOL, TILL):
            await mark(checking, shop, replace(CHANGED, repository=name, verdict="gone" if name == SHOP else "fresh"), of=words)
    assert await checking.remove(shop, "no such repository") == 0
    assert await checking.remove(CheckedProject(bench.team_id, uuid4()), SHOP) == 0
    assert [await checking.remove(shop, "github.com/acme/shop") for _ in range(2)] == [2, 0]
    assert {(await bench.store.get(bench.team_id, each.id)).code_verdict for each in await page(checking, shop)} == {"fresh"}
    assert await checking.remove(shop, "till") == 2
    assert {(await bench.store.get(bench.team_id, each.id)).code_verdict for each in await page(checking, shop)} == {None}


@pytest.mark.parametrize(
    ("repository", "name"),
    [
        ("https://eve:sk_live_4eC39HqLyjWDarjtT1zdp7dc@git.example.org", "https://git.example.org"),
        ("https://sk_live_4eC39HqLyjWDarjtT1zdp7dc@git.example.org/", "https://git.example.org/"),
        ("file://eve:hunter2@host/srv/git", "file://host/srv/git"),
        (" till ", "till"),
        ("github.com/acme/shop", "github.com/acme/shop"),
        ("https://hunter2@github.com/acme/shop.git", "github.com/acme/shop"),
    ],
)
def test_a_repositorys_name_holds_no_credentials_and_names_itself(repository: str, name: str) -> None:
    assert repository_name(repository) == repository_name(name) == name


def test_a_secret_in_a_repositorys_name_is_redacted() -> None:
    name = repository_name("till-sk_live_4eC39HqLyjWDarjtT1zdp7dc")
    assert "4eC39" not in name
    assert repository_name(name) == name


async def test_a_correction_takes_the_marks_away(bench: Bench, checking: CodeChecking, shop: CheckedProject, authoring: Authoring) -> None:
    await bench.teach("a", [lesson("1", POOL)])
    await mark(checking, shop, CHANGED)
    item = await bench.item_id(POOL)
    await authoring.correct(Author(bench.team_id, None, change_any=True), item, ItemCorrection(title="Another title"))
    known = await bench.store.get(bench.team_id, item)
    assert (known.code, known.code_verdict) == ((), None)


async def test_a_later_session_takes_the_marks_away_and_an_older_one_does_not(
    bench: Bench, checking: CodeChecking, shop: CheckedProject
) -> None:
    await bench.teach("a", [lesson("1", POOL)])
    await mark(checking, shop, CHANGED)
    await bench.teach("b", [lesson("1", POOL, at=AT - timedelta(days=9))])
    assert (await bench.store.get(bench.team_id, await bench.item_id(POOL))).code_verdict == "changed"
    async with bench.database.begin() as connection:
        await connection.exec_driver_sql("update knowledge_code_marks set checked_at = '2026-09-01'")
    await bench.teach("c", [lesson("1", POOL, at=AT + timedelta(hours=1))])
    known = await bench.store.get(bench.team_id, await bench.item_id(POOL))
    assert (known.evidence_count, known.code, known.code_verdict) == (3, (), None)


async def test_changes_count_from_an_hour_after_the_session_or_from_a_persons_last_word(
    bench: Bench, checking: CodeChecking, shop: CheckedProject, authoring: Authoring
) -> None:
    await bench.teach("a", [lesson("1", POOL)])
    (item,) = await page(checking, shop)
    assert item.said_at == AT + COMMIT_MARGIN
    person = Author(bench.team_id, None, change_any=True)
    await authoring.record(person, "shop", ItemFields("gotcha", "", TILL, ("src/till.py",)))
    recorded = next(each for each in await page(checking, shop) if each.text == TILL)
    assert (recorded.said_at, recorded.paths) == (recorded.created_at, ["src/till.py"])
    await authoring.correct(person, item.id, ItemCorrection(title="Another title"))
    corrected = next(each for each in await page(checking, shop) if each.id == item.id)
    assert corrected.said_at == (await bench.store.get(bench.team_id, item.id)).corrected_at


async def test_a_session_that_ends_in_the_future_counts_until_now(bench: Bench, checking: CodeChecking, shop: CheckedProject) -> None:
    await bench.teach("a", [lesson("1", POOL, at=datetime.now(UTC) + timedelta(days=300))])
    assert (await page(checking, shop))[0].said_at <= datetime.now(UTC)


async def test_items_come_page_by_page_without_hidden_ones(bench: Bench, checking: CodeChecking, shop: CheckedProject) -> None:
    words = ["NATS has one binary", "The till counts coins twice", "Migrations lock for a second", "Pay by card first", "Logs rotate daily"]
    await bench.teach("a", [lesson(str(n), each, at=AT + timedelta(days=n)) for n, each in enumerate(words)])
    hidden = (await page(checking, shop))[0].id
    judging, seen = Judging(bench.database, admission=WriteAdmission()), list[UUID]()
    for name in ("eve", "bob"):
        await judging.judge(Author(bench.team_id, (await bench.accounts.create_developer(name)).id), hidden, "wrong")
    after: str | None = None
    while True:
        some = await checking.page(shop, SHOP, PageWanted(2, after=after))
        seen += [each.id for each in some.entries]
        if (after := some.next) is None:
            break
    assert len(seen) == len(set(seen)) == len(words) - 1
    assert hidden not in seen


async def test_only_who_may_write_checks_a_project_that_is_open_to_them(bench: Bench, checking: CodeChecking) -> None:
    developer = (await bench.accounts.create_developer("eve")).id
    who = bench.requester(developer)
    assert (await checking.project(who, "shop")).developer_id == developer
    with pytest.raises(NotFound):
        await checking.project(replace(who, closed=frozenset({bench.project_id})), "shop")
    with pytest.raises(NotFound):
        await checking.project(who, "no such project")
    with pytest.raises(NotPermitted):
        await checking.project(replace(who, role="auditor"), "shop")


async def test_another_projects_item_is_not_marked(bench: Bench, checking: CodeChecking, shop: CheckedProject) -> None:
    await bench.teach("a", [lesson("1", POOL)], project="till")
    item = await bench.item_id(POOL)
    assert (await checking.store(shop, SHOP, [GivenMark(item, "x", CHANGED)])).stored == 0


async def test_a_secret_in_a_path_is_not_stored(bench: Bench, checking: CodeChecking, shop: CheckedProject) -> None:
    await bench.teach("a", [lesson("1", POOL)])
    await mark(checking, shop, replace(CHANGED, path="src/sk_live_4eC39HqLyjWDarjtT1zdp7dc"))
    (told,) = (await bench.store.get(bench.team_id, await bench.item_id(POOL))).code
    assert told.path is not None
    assert "4eC39" not in told.path


async def test_the_list_shows_those_whose_code_changed_or_is_gone(bench: Bench, checking: CodeChecking, shop: CheckedProject) -> None:
    await bench.teach("a", [lesson("1", POOL), lesson("2", TILL)])
    await mark(checking, shop, CHANGED)
    await mark(checking, shop, replace(CHANGED, verdict="gone"), of=TILL)
    for state, words in (("changed", POOL), ("gone", TILL)):
        rows = (await ItemBrowsing(bench.database).page(bench.team_id, ItemFilter(state=state), limit=9)).entries  # type: ignore[arg-type]
        assert [row.text for row in rows] == [words]

"""A worker that can read a project's repository checks its items there, again and again, and when it is asked to."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from app.errors import NotFound
from app.knowledge.authoring import Authoring, WriteAdmission
from app.knowledge.code_checking import CodeChecking
from app.knowledge.edits import Author, ItemFields
from app.knowledge.repository_checks import FRESHNESS, RepositoryChecks
from app.queue.jobs import Queue
from app.settings import FreshnessSettings, Settings
from tests.integration.freshness.conftest import Repo
from tests.integration.knowledge.conftest import Bench

POOL = "class Pool:\n    def acquire(self, n):\n        return n + 1\n"
WORDS = "`Pool.acquire` gives one more than it is asked for"


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return Repo.begun(tmp_path / "shop.git", {"src/pool.py": POOL})


@pytest.fixture
async def queue(bench: Bench) -> Queue:
    return Queue(bench.database, Settings().worker)


def checks(bench: Bench, queue: Queue, tmp_path: Path, **repositories: Path) -> RepositoryChecks:
    checking = CodeChecking(bench.database, bench.accounts, bench.journal)
    settings = FreshnessSettings(repositories={name.replace("__", ":"): path for name, path in repositories.items()})
    return RepositoryChecks(queue, bench.accounts, checking, settings=settings, folder=tmp_path / "kept")


async def record(bench: Bench, words: str = WORDS) -> None:
    authoring = Authoring(bench.database, bench.accounts, embedder=bench.embedder, long_form=bench.long_form, admission=WriteAdmission())
    await authoring.record(Author(bench.team_id, None), "shop", ItemFields("gotcha", "", words))


async def run(checks: RepositoryChecks, queue: Queue) -> dict[str, object]:
    """Do the job that waits, as a worker does."""

    async def progress(done: int, total: int) -> None:
        assert done <= total

    job = await queue.claim("worker", [FRESHNESS])
    assert job is not None
    done = await checks.job(job, progress)
    async with queue.begin() as connection:
        await queue.finish(connection, job, done.result)
    return dict(done.result)


async def test_a_planned_check_marks_what_changed_and_stores_only_what_is_new(
    bench: Bench, queue: Queue, repo: Repo, tmp_path: Path
) -> None:
    each = checks(bench, queue, tmp_path, shop=repo.folder)
    await record(bench)
    await each.plan()
    await each.plan()
    assert (await run(each, queue))["stored"] == 1
    assert await queue.claim("worker", [FRESHNESS]) is None
    item = await bench.item_id(WORDS)
    assert (await bench.store.get(bench.team_id, item)).code_verdict == "fresh"
    repo.day = 400  # after it was recorded, which is now
    changed = repo.commit({"src/pool.py": POOL.replace("+ 1", "+ 2")})
    await each.request("shop")
    assert await run(each, queue) == {"items": 1, "stored": 1, "commit": changed}
    (mark,) = (await bench.store.get(bench.team_id, item)).code
    assert (mark.verdict, mark.commit, mark.repository) == ("changed", changed, "shop")
    await each.request("shop")
    assert (await run(each, queue))["stored"] == 0
    assert list((tmp_path / "kept").iterdir())


async def test_a_clone_that_is_only_fetched_is_checked_at_the_remotes_default_branch(
    bench: Bench, queue: Queue, repo: Repo, tmp_path: Path
) -> None:
    await record(bench)
    repo.git("clone", "--quiet", str(repo.folder), str(tmp_path / "clone"))
    repo.day = 400
    changed = repo.commit({"src/pool.py": POOL.replace("+ 1", "+ 2")})
    Repo(tmp_path / "clone").git("fetch", "--quiet")
    each = checks(bench, queue, tmp_path, shop=tmp_path / "clone")
    await each.plan()
    assert (await run(each, queue))["commit"] == changed
    assert (await bench.store.get(bench.team_id, await bench.item_id(WORDS))).code_verdict == "changed"


async def test_a_branch_that_is_named_as_the_remotes_is_not_taken_for_it(bench: Bench, queue: Queue, repo: Repo, tmp_path: Path) -> None:
    await record(bench)
    repo.git("clone", "--quiet", str(repo.folder), str(tmp_path / "clone"))
    clone = Repo(tmp_path / "clone", day=400)
    pushed = clone.git("rev-parse", "HEAD")
    clone.commit({"src/pool.py": POOL.replace("+ 1", "+ 2")})
    clone.git("branch", "origin/main")
    each = checks(bench, queue, tmp_path, shop=clone.folder)
    await each.plan()
    assert (await run(each, queue))["commit"] == pushed


async def test_an_entry_whose_team_is_not_there_keeps_no_other_from_its_check(
    bench: Bench, queue: Queue, repo: Repo, tmp_path: Path
) -> None:
    await record(bench)
    each = checks(bench, queue, tmp_path, nobody__shop=repo.folder, shop=repo.folder)
    await each.plan()
    assert (await run(each, queue))["stored"] == 1
    assert await queue.claim("worker", [FRESHNESS]) is None
    with pytest.raises(NotFound):
        await each.request("nobody:shop")


async def test_an_older_commit_replaces_no_marks_of_a_newer_one(bench: Bench, queue: Queue, repo: Repo, tmp_path: Path) -> None:
    await record(bench)
    repo.git("clone", "--quiet", str(repo.folder), str(tmp_path / "clone"))
    repo.day = 400
    repo.commit({"src/pool.py": POOL.replace("+ 1", "+ 2")})
    for folder in (repo.folder, tmp_path / "clone"):
        Repo(folder).git("config", "remote.origin.url", "https://git.example.org/acme/shop.git")
        each = checks(bench, queue, tmp_path, shop=folder)
        await each.request("shop")
        await run(each, queue)
    assert (await bench.store.get(bench.team_id, await bench.item_id(WORDS))).code_verdict == "changed"


async def test_another_team_is_named_before_its_project(bench: Bench, queue: Queue, repo: Repo, tmp_path: Path) -> None:
    await record(bench)
    each = checks(bench, queue, tmp_path, default__shop=repo.folder)
    await each.plan()
    assert (await run(each, queue))["stored"] == 1


async def test_what_is_not_there_is_told(bench: Bench, queue: Queue, repo: Repo, tmp_path: Path) -> None:
    each = checks(bench, queue, tmp_path, shop=tmp_path / "none", other=repo.folder)
    with pytest.raises(NotFound, match="No repository of the project 'till' is configured"):
        await each.request("till")
    await each.request("shop")
    with pytest.raises(NotFound, match="There is no folder"):
        await run(each, queue)
    await each.request("other")
    with pytest.raises(NotFound, match="There is no project 'other' yet"):
        await run(each, queue)


async def test_a_worker_that_lacks_the_repository_says_so(bench: Bench, queue: Queue, repo: Repo, tmp_path: Path) -> None:
    await checks(bench, queue, tmp_path, shop=repo.folder).plan()
    with pytest.raises(NotFound, match="This worker has no repository of the project 'shop'"):
        await run(checks(bench, queue, tmp_path, till=repo.folder), queue)


async def test_a_worker_without_repositories_leaves_the_jobs_to_others(bench: Bench, queue: Queue, tmp_path: Path) -> None:
    each = checks(bench, queue, tmp_path)
    assert (each.jobs(), each.loops()) == ({}, ())


def test_a_repositorys_path_must_be_absolute() -> None:
    with pytest.raises(ValidationError, match="must be absolute"):
        FreshnessSettings(repositories={"shop": Path("shop")})

"""A re-index while the index is used: built by processes of its own, and whichever of them is killed, nothing is lost and nothing hangs."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from subprocess import PIPE

import psutil
import pytest

from app.errors import VectorStoreUnavailable
from app.knowledge.index import Index
from app.knowledge.reindexer import Reindexer
from app.knowledge.results import Query
from app.storage.vectors.edge import EdgeStagingStore
from tests.integration.knowledge.conftest import Bench, lesson
from tests.waiting import patience

pytestmark = pytest.mark.slow

NAMES = ["amber", "birch", "cedar", "daisy", "ebony", "fern", "grape", "hazel", "iris", "jade", "kelp", "lotus"]


@pytest.fixture
def index(bench: Bench, database_url: str, tmp_path: Path) -> Index:
    return Index(bench.database, bench.vectors, copy=Reindexer({"CAIRN_DATABASE__URL": database_url, "CAIRN_DATA_DIR": str(tmp_path)}))


@pytest.fixture
async def taught(bench: Bench) -> Bench:
    await bench.teach("s", [lesson(name, body(name)) for name in NAMES])
    return bench


def body(name: str) -> str:
    return f"The {name} service keeps {name} retries in {name} tables"


@pytest.fixture(autouse=True)
def only_this_tests_engines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests of this process have theirs."""
    monkeypatch.setattr(sys.modules[__name__], "FOLDER", str(tmp_path))


FOLDER = ""


def engines() -> list[psutil.Process]:
    """The live one first."""
    ours = [each for each in psutil.Process().children() if "app.storage.vectors.engine" in each.cmdline()]
    found = [each for each in ours if any(part.startswith(FOLDER) for part in each.cmdline()[1:])]
    return sorted(found, key=lambda each: int(each.cmdline()[each.cmdline().index("--generation") + 1]))


def copiers() -> list[psutil.Process]:
    return [each for each in psutil.Process().children() if "app.knowledge.reindexer" in each.cmdline()]


async def found(bench: Bench, name: str) -> list[str]:
    answer = await bench.search.query(bench.team_id, Query(f"{name} service retries tables"))
    assert answer.degraded == ()
    return [result.text for result in answer.results]


async def all_found(bench: Bench, names: list[str]) -> None:
    await bench.index.drain_to(2**62)
    assert (await bench.vectors.status()).points == len(names)
    for name in names:
        assert body(name) in await found(bench, name)


def before(monkeypatch: pytest.MonkeyPatch, step: str, act: Callable[[], Awaitable[object]]) -> None:
    """Act just before a step of the next rebuild."""
    inner = getattr(EdgeStagingStore, step)

    async def acting(self: EdgeStagingStore) -> None:
        await act()
        await inner(self)

    monkeypatch.setattr(EdgeStagingStore, step, acting)


async def killed(place: int) -> None:
    engine = engines()[place]
    engine.kill()
    while engine.is_running() and engine.status() != psutil.STATUS_ZOMBIE:
        await asyncio.sleep(0.01)


async def test_a_process_of_its_own_copies_and_reports(taught: Bench, index: Index) -> None:
    seen: list[tuple[int, int]] = []
    assert await index.rebuild(lambda done, total: seen.append((done, total))) == len(NAMES)
    assert seen[-1] == (len(NAMES), len(NAMES))
    assert not copiers()
    await all_found(taught, NAMES)


async def test_what_changes_meanwhile_is_in_the_new_index_and_what_goes_is_not(
    taught: Bench, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def change() -> None:
        await taught.teach("late", [lesson("mango", body("mango"))])
        await taught.store.delete(taught.team_id, await taught.item_id(body("amber")), developer_id=None)
        await taught.index.drain_to(2**62)  # told to the old index, which is about to leave

    async def change_again() -> None:
        await taught.teach("later", [lesson("olive", body("olive"))])
        await taught.index.drain_to(2**62)

    before(monkeypatch, "optimize", change)
    catch_up = index._catch_up

    async def catching_up(*args: object) -> None:
        await catch_up(*args)  # type: ignore[arg-type]
        await change_again()

    monkeypatch.setattr(index, "_catch_up", catching_up)
    await index.rebuild()
    await all_found(taught, [*NAMES[1:], "mango", "olive"])
    assert body("amber") not in await found(taught, "amber")


@pytest.mark.parametrize("step", ["optimize", "commit"])
async def test_a_killed_builder_is_noticed_at_once_and_the_old_index_stays(
    taught: Bench, index: Index, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    with monkeypatch.context() as patched:
        before(patched, step, lambda: killed(1))
        async with patience():
            with pytest.raises(VectorStoreUnavailable):
                await index.rebuild()
    await all_found(taught, NAMES)
    await taught.teach("after", [lesson("peach", body("peach"))])
    assert await index.rebuild() == len(NAMES) + 1
    await all_found(taught, [*NAMES, "peach"])


async def test_a_builder_killed_while_it_builds_is_noticed(taught: Bench, index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    async def kill_soon() -> None:
        engine = engines()[1]
        engine.suspend()  # as if it built for minutes
        asyncio.get_running_loop().call_later(0.3, engine.kill)

    before(monkeypatch, "optimize", kill_soon)
    async with patience():
        with pytest.raises(VectorStoreUnavailable, match="the build is retried"):
            await index.rebuild()
    await all_found(taught, NAMES)


async def test_a_killed_copier_ends_the_rebuild_and_the_old_index_stays(taught: Bench, index: Index) -> None:
    async def kill() -> None:
        while not (running := copiers()):
            await asyncio.sleep(0.01)
        running[0].kill()

    killing = asyncio.create_task(kill())
    async with patience():
        with pytest.raises(VectorStoreUnavailable, match="process that fills the new vector index"):
            await index.rebuild()
    await killing
    assert len(engines()) == 1
    await all_found(taught, NAMES)
    assert await index.rebuild() == len(NAMES)


@pytest.mark.parametrize("step", ["optimize", "commit"])
async def test_the_old_engine_killed_meanwhile_loses_nothing(
    taught: Bench, index: Index, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    before(monkeypatch, step, lambda: killed(0))
    asked = asyncio.create_task(found(taught, "cedar"))
    async with patience():
        await index.rebuild()
    assert body("cedar") in await asked
    await all_found(taught, NAMES)
    assert len(engines()) == 1


async def test_queries_go_on_through_a_re_index(taught: Bench, index: Index) -> None:
    rebuilding, asked = asyncio.create_task(index.rebuild()), 0
    while not rebuilding.done():
        assert body("fern") in await found(taught, "fern")
        asked += 1
    assert await rebuilding == len(NAMES)
    assert asked > 1


async def test_a_copier_ends_with_its_owner(tmp_path: Path, database_url: str) -> None:
    env = {**os.environ, "CAIRN_DATABASE__URL": database_url, "CAIRN_DATA_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "app.knowledge.reindexer", str(tmp_path / "nobody-listens.sock")]
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=env)
    assert process.stdin is not None
    process.stdin.close()
    async with patience():
        assert await process.wait() != -signal.SIGKILL

"""The embedded index can be rebuilt, so no damage to it keeps a server from starting: it is set aside, and an empty one takes writes
and answers no search until a rebuild has replaced it. With PostgreSQL and a whole server: tests/integration/test_damaged_parts.py."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest

from app.errors import VectorStoreUnavailable
from app.settings import Settings, VectorsSettings
from app.storage.child import Child
from app.storage.vectors import host as hosting
from app.storage.vectors import open_store
from app.storage.vectors.damage import MAX_DEATHS
from app.storage.vectors.index_folder import STEM, IndexFolder
from app.storage.vectors.lexical import document
from app.storage.vectors.store import IndexSchema, StoreStatus, VectorPoint, VectorStore
from tests.waiting import patience

pytestmark = pytest.mark.slow

SCHEMA = IndexSchema(keywords=("team",))
BUILT, LATER = 700, 40
"""Points that a graph holds, and points that only the log holds."""
SECONDS = 60
"""For what takes a moment on a machine at rest."""
Damage = Callable[[Path], None]
"""Of the folder `vectors`, whose live generation is 2."""


def point(number: int) -> VectorPoint:
    vector = np.random.default_rng(number).standard_normal(384).astype(np.float32)
    return VectorPoint(UUID(int=number), {"dense_384": vector / np.linalg.norm(vector)}, document(f"word{number}"), {"team": "a"})


POINTS = [point(number) for number in range(1, BUILT + LATER + 1)]


def opened(folder: Path) -> AbstractAsyncContextManager[VectorStore]:
    return open_store(Settings(vectors=VectorsSettings(timeout_seconds=SECONDS)), SCHEMA, folder=folder, owner=True)


@pytest.fixture(scope="module")
async def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of two segments, as a killed server leaves it: with a log that was not flushed."""
    folder = tmp_path_factory.mktemp("filled") / "vectors"
    async with opened(folder) as store:
        async with store.rebuild() as staging:
            await staging.upsert(POINTS[:BUILT])
            await staging.optimize()
            await staging.commit()
        await store.upsert(POINTS[BUILT:])
        copy = folder.with_name("killed") / "vectors"
        pid = int((await store.status()).detail["pid"])
        os.kill(pid, signal.SIGSTOP)
        await asyncio.to_thread(shutil.copytree, folder, copy, ignore=shutil.ignore_patterns("*.sock"))
        os.kill(pid, signal.SIGCONT)
    return copy


@pytest.fixture
def folder(filled: Path, tmp_path: Path) -> Path:
    shutil.copytree(filled, tmp_path / "vectors")
    return tmp_path / "vectors"


def files(pattern: str, change: Callable[[bytes], bytes | None]) -> Damage:
    """Change every file of the live generation that the pattern names; None: it is deleted."""

    def damage(folder: Path) -> None:
        found = [each for each in (folder / "2").rglob(pattern) if each.is_file()]
        assert found, pattern
        for each in found:
            changed = change(each.read_bytes())
            each.unlink() if changed is None else each.write_bytes(changed)

    return damage


def half(data: bytes) -> bytes:
    return data[: len(data) // 2]


def nothing(data: bytes) -> bytes:
    del data
    return b""


def noise(data: bytes) -> bytes:
    return random.Random(len(data)).randbytes(min(len(data), 2**20)) + data[2**20 :]


def no_file(data: bytes) -> None:
    del data


def a_segment_gone(folder: Path) -> None:
    shutil.rmtree(max((folder / "2" / "shard" / "segments").iterdir(), key=lambda each: sum(1 for _ in each.rglob("*"))))


def a_folder_instead_of(name: str) -> Damage:
    def damage(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).mkdir()

    return damage


def a_file_instead_of(name: str) -> Damage:
    def damage(folder: Path) -> None:
        shutil.rmtree(folder / name)
        (folder / name).write_bytes(b"not a folder")

    return damage


def written(name: str, content: bytes | None) -> Damage:
    def damage(folder: Path) -> None:
        (folder / name).unlink() if content is None else (folder / name).write_bytes(content)

    return damage


def gone(folder: Path) -> None:
    shutil.rmtree(folder / "2")


def not_ours_to_read(folder: Path) -> None:
    for each in (folder / "2" / "shard").rglob("*.json"):
        each.chmod(0)


HARD: dict[str, Damage] = {
    "every file cut to half": files("*", half),
    "every file emptied": files("*", nothing),
    "every file noise": files("*", noise),
    "every json cut": files("*.json", half),
    "every json of a newer version": files("*.json", lambda _: b'{"version": 99, "new": {"kind": "unheard of"}}'),
    "mappings noise": files("id_tracker.mappings", noise),
    "flags cut": files("status.dat", half),
    "payload emptied": files("page_0.dat", nothing),
    "segments cut": files("segment.json", half),
    "a folder instead of a file": a_folder_instead_of("2/shard/edge_config.json"),
    "a file instead of the generation": a_file_instead_of("2"),
    "a file instead of the segments": a_file_instead_of("2/shard/segments"),
    "a folder instead of the list of fresh points": a_folder_instead_of("2/ungraphed"),
    "the pointer emptied": written("current", b""),
    "the pointer noise": written("current", b"\xff\xfe\x00garbage"),
    "the pointer to a generation that never was": written("current", b"77"),
    "the pointer negative": written("current", b"-2"),
    "a folder instead of the pointer": a_folder_instead_of("current"),
    "the generation gone": gone,
}
"""After these the index can't be opened, or is not there."""
SOFT: dict[str, Damage] = {
    "the log cut": files("open-*", half),
    "the log emptied": files("open-*", nothing),
    "the log noise": files("open-*", noise),
    "no log": files("open-*", no_file),
    "a segment gone": a_segment_gone,
    "versions cut": files("id_tracker.versions", half),
    "deletions noise": files("id_tracker.deleted", noise),
    "the breadth noise": files("ef", noise),
    "no pointer": written("current", None),
    "not made": written("2/made", None),
    "a folder instead of the next pointer": lambda folder: (folder / "current.new").mkdir(),
    "a folder instead of the socket": lambda folder: (folder / "live.sock").mkdir(),
}
"""After these it may be opened and hold less than it should, which the count of points tells (`Index.check`)."""


async def found(store: VectorStore, number: int) -> list[UUID]:
    return [hit.id for hit in await store.nearest(POINTS[number - 1].vectors["dense_384"], where={"team": "a"}, limit=1)]


async def rebuilt(store: VectorStore) -> None:
    """As `Index.rebuild` does it from PostgreSQL; afterwards all is found."""
    async with store.rebuild() as staging:
        await staging.upsert(POINTS)
        await staging.commit()
    status = await store.status()
    assert (status.points, status.unfilled) == (len(POINTS), False)
    assert [await found(store, number) for number in (1, 350, len(POINTS))] == [[UUID(int=n)] for n in (1, 350, len(POINTS))]


def set_aside(folder: Path) -> list[str]:
    return sorted(each.name for place in (folder, folder.parent) for each in place.glob("*.damaged-*"))


async def test_the_undamaged_index_is_opened_whole(folder: Path) -> None:
    async with opened(folder) as store:
        status = await store.status()
        assert (status.points, status.unfilled) == (len(POINTS), False)
        assert await found(store, len(POINTS)) == [UUID(int=len(POINTS))]
    assert set_aside(folder) == []


@pytest.mark.parametrize("damage", HARD)
async def test_a_damaged_index_is_set_aside_and_an_empty_one_waits_for_its_rebuild(folder: Path, damage: str) -> None:
    HARD[damage](folder)
    async with opened(folder) as store:
        status = await store.status()
        assert (status.points, status.unfilled) == (0, True)
        with pytest.raises(VectorStoreUnavailable, match="rebuilt from PostgreSQL"):
            await found(store, 1)
        await store.upsert([point(5)])  # the feed of what changes meanwhile goes on
        await rebuilt(store)
    assert set_aside(folder) != [] or damage == "the generation gone"
    async with opened(folder) as store:
        assert (await store.status()).points == len(POINTS)


@pytest.mark.parametrize("damage", SOFT)
async def test_an_index_that_may_have_lost_something_is_opened_and_can_be_rebuilt(folder: Path, damage: str) -> None:
    SOFT[damage](folder)
    async with opened(folder) as store:
        status = await store.status()
        assert status.points <= len(POINTS)
        if not status.unfilled:
            with suppress(VectorStoreUnavailable):
                await found(store, 1)
        await rebuilt(store)


async def test_a_file_that_stands_where_the_folder_should_be_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / "vectors").write_bytes(b"not a folder")
    async with opened(tmp_path / "vectors") as store:
        await rebuilt(store)
    assert set_aside(tmp_path / "vectors") != []


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads what nobody may read")
async def test_files_that_may_not_be_read_are_set_aside(folder: Path) -> None:
    not_ours_to_read(folder)
    async with opened(folder) as store:
        assert (await store.status()).unfilled
        await rebuilt(store)


async def test_the_rest_of_an_interrupted_rebuild_is_forgotten(folder: Path) -> None:
    shutil.copytree(folder / "2", folder / "3")
    files("*.json", half)(folder)  # the live one
    async with opened(folder) as store:
        assert (await store.status()).unfilled
        await rebuilt(store)


async def test_a_server_killed_between_setting_aside_and_the_rebuild_goes_on_with_it(folder: Path) -> None:
    files("*.json", half)(folder)
    for _ in range(2):
        async with opened(folder) as store:
            assert (await store.status()).unfilled
    assert len(set_aside(folder)) == 1
    await asyncio.to_thread(lambda: IndexFolder.at(folder).renew(2, "once more"))
    shutil.rmtree(folder / "2")  # killed before the empty one was there
    async with opened(folder) as store:
        assert (await store.status()).unfilled
        await rebuilt(store)


KILLED = """
import asyncio, sys
from pathlib import Path
from app.settings import Settings
from app.storage.vectors import open_store
from tests.integration.storage.test_damaged_vectors import POINTS, SCHEMA

async def main():
    async with open_store(Settings(), SCHEMA, folder=Path(sys.argv[1]), owner=True) as store:
        async with store.rebuild() as staging:
            await staging.upsert(POINTS[:100])
            print("rebuilding", flush=True)
            await asyncio.sleep(3600)

asyncio.run(main())
"""


async def test_a_server_killed_in_the_middle_of_the_rebuild_begins_it_anew(folder: Path) -> None:
    files("*.json", half)(folder)
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED, str(folder), stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    async with patience():
        while not (line := await process.stdout.readline()).startswith(b"rebuilding"):
            assert line, "it ended too early"
    process.kill()
    await process.wait()
    async with opened(folder) as store:
        status = await store.status()
        assert (status.points, status.unfilled) == (0, True)
        await rebuilt(store)


async def test_only_the_newest_damaged_ones_are_kept(folder: Path, filled: Path) -> None:
    for _ in range(4):
        shutil.rmtree(folder / "2", ignore_errors=True)
        shutil.copytree(filled / "2", folder / "2", ignore=lambda _, names: [each for each in names if each.endswith(".dat")])
        async with opened(folder) as store:
            assert (await store.status()).unfilled
    assert len(set_aside(folder)) == 2
    assert all(name.startswith(f"{STEM}.damaged-") for name in set_aside(folder))


async def test_one_that_cannot_be_set_aside_leaves_searches_refused_at_once_and_is_tried_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files("*.json", half)(folder)
    renew, refused = IndexFolder.renew, True

    def renewing(place: IndexFolder, number: int, reason: str) -> None:
        if refused:
            raise OSError(5, "Input/output error")
        renew(place, number, reason)

    monkeypatch.setattr(IndexFolder, "renew", renewing)
    async with opened(folder) as store:
        with pytest.raises(VectorStoreUnavailable, match="can't be set aside: Input/output error"):
            await store.status()
        with pytest.raises(VectorStoreUnavailable, match="Look at the disk"):
            await found(store, 1)
        refused = False
        assert await unfilled(store)
        await rebuilt(store)


async def unfilled(store: VectorStore) -> bool:
    return (await answered(store)).unfilled


async def test_a_folder_that_cannot_be_written_leaves_the_server_running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tidy, refused = IndexFolder.tidy, True

    def tidying(place: IndexFolder) -> int:
        if refused:
            raise OSError(28, "No space left on device")
        return tidy(place)

    monkeypatch.setattr(IndexFolder, "tidy", tidying)
    async with opened(tmp_path / "vectors") as store:
        with pytest.raises(VectorStoreUnavailable, match="No space left"):
            await store.upsert(POINTS[:1])
        with pytest.raises(VectorStoreUnavailable, match="No space left"):
            async with store.rebuild():
                pytest.fail("nothing can be built there")
        refused = False
        assert await unfilled(store) is False
        await store.upsert(POINTS[:1])


@pytest.fixture
async def live(folder: Path) -> AsyncIterator[VectorStore]:
    async with opened(folder) as store:
        yield store


async def ended_by(store: VectorStore, number: int) -> None:
    """End the live engine with a signal, and wait for the next one (or for the same once it is set aside)."""
    pid = int((await answered(store)).detail["pid"])
    os.kill(pid, number)
    async with patience():
        while int((await answered(store)).detail["pid"]) == pid:
            await asyncio.sleep(0.05)


async def answered(store: VectorStore) -> StoreStatus:
    """Its status, once it answers: an engine that ends as soon as it has started is away until the next one is there."""
    async with patience():
        while True:
            with suppress(VectorStoreUnavailable):
                return await store.status()
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT])
async def test_one_whose_engine_crashes_again_and_again_is_set_aside(live: VectorStore, folder: Path, number: int) -> None:
    for _ in range(2):
        await ended_by(live, number)
        assert not await unfilled(live)
    await ended_by(live, number)
    assert await unfilled(live)
    assert len(set_aside(folder)) == 1
    await rebuilt(live)


async def test_one_whose_engine_is_killed_is_not_set_aside_however_often(live: VectorStore, folder: Path) -> None:
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL, signal.SIGKILL, signal.SIGTERM):
        await ended_by(live, number)
    assert (await answered(live)).points == len(POINTS)
    assert set_aside(folder) == []


async def test_one_that_served_before_its_owner_could_ask_it_is_neither_set_aside_nor_given_up(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def too_late(_: object, child: Child) -> bool:
        await child.ended()
        return False

    monkeypatch.setattr(hosting.EngineHost, "_opened", too_late)
    monkeypatch.setattr(hosting, "START_SECONDS", 0.05)
    async with opened(folder) as store, open_store(Settings(), SCHEMA, folder=folder, owner=False) as worker:
        for _ in range(MAX_DEATHS + 1):
            await ended_by(worker, signal.SIGKILL)
            assert (await store.status()).points == len(POINTS)
    assert set_aside(folder) == []


async def test_a_slow_or_hanging_engine_is_not_taken_for_a_damaged_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosting, "START_SECONDS", 0.05)  # shorter than any engine takes
    async with opened(folder) as store:
        status = await store.status()
        assert (status.points, status.unfilled) == (len(POINTS), False)
        os.kill(int(status.detail["pid"]), signal.SIGSTOP)
        asyncio.get_running_loop().call_later(1, os.kill, int(status.detail["pid"]), signal.SIGCONT)
        assert await found(store, 1) == [UUID(int=1)]
    assert set_aside(folder) == []


async def test_damage_that_shows_only_in_a_search_ends_with_a_rebuilt_index(live: VectorStore, folder: Path) -> None:
    """The files are damaged beneath the running engine: it fails at work, is opened again, and can't be."""
    files("*.json", noise)(folder)
    files("*.dat", nothing)(folder)
    files("*.mmap", nothing)(folder)
    async with patience():
        while not await unfilled(live):
            with suppress(VectorStoreUnavailable):
                await live.upsert(POINTS[:32])
                await found(live, 1)
    await rebuilt(live)
    assert len(set_aside(folder)) >= 1


async def test_damage_during_a_rebuild_does_not_disturb_it(live: VectorStore, folder: Path) -> None:
    async with live.rebuild() as staging:
        await staging.upsert(POINTS[:300])
        files("*.json", half)(folder)
        await ended_by(live, signal.SIGKILL)
        assert (await live.status()).unfilled
        await staging.upsert(POINTS[300:])
        await staging.commit()
    assert (await live.status()).points == len(POINTS)
    assert await found(live, 5) == [UUID(int=5)]
    assert [each.name for each in folder.iterdir() if each.name.isdigit()] == ["3"]

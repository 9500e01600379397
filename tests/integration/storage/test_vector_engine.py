"""The engine's process and its owner: what a `kill -9` of either loses (nothing), who owns the folder, what a rebuild leaves."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from uuid import UUID, uuid4

import msgspec
import numpy as np
import psutil
import pytest

from app.errors import ConfigurationError, VectorStoreUnavailable
from app.settings import Settings, VectorsSettings
from app.storage.vectors import frames, host, open_store
from app.storage.vectors.frames import EngineReply, EngineRequest
from app.storage.vectors.index_folder import IndexFolder
from app.storage.vectors.lexical import document
from app.storage.vectors.store import IndexSchema, Vector, VectorPoint, VectorStore
from tests.waiting import patience

SCHEMA = IndexSchema(keywords=("team",))
PATIENT = Settings(vectors=VectorsSettings(timeout_seconds=60))
"""On a busy machine an engine takes its time to come back."""
GENERATOR = np.random.default_rng(11)
OWNER = """
import asyncio, sys
from pathlib import Path
from uuid import UUID
import numpy as np
from app.settings import Settings
from app.storage.vectors import open_store
from app.storage.vectors.lexical import SparseVector
from app.storage.vectors.store import IndexSchema, VectorPoint

def point(number):
    vector = np.zeros(384, np.float32)
    vector[number] = 1
    return VectorPoint(UUID(int=number), {"dense_384": vector}, SparseVector([], []), {"team": "a"})

async def main():
    async with open_store(Settings(vectors={"timeout_seconds": 60}), IndexSchema(keywords=("team",)), folder=Path(sys.argv[1]), owner=True) as store:
        await store.upsert([point(1), point(2)])
        async with store.rebuild() as staging:
            await staging.upsert([point(3)])
            print("pid", (await store.status()).detail["pid"], flush=True)
            await asyncio.sleep(3600)

asyncio.run(main())
"""


def unit() -> Vector:
    made = GENERATOR.standard_normal(384).astype(np.float32)
    return made / np.linalg.norm(made)


def points(count: int) -> list[VectorPoint]:
    return [VectorPoint(uuid4(), {"dense_384": unit()}, document("text"), {"team": "a"}) for _ in range(count)]


async def everything(store: VectorStore) -> set[UUID]:
    return {hit.id for hit in await store.nearest(unit(), where={}, limit=10_000)}


async def pid_of(store: VectorStore) -> int:
    return int((await store.status()).detail["pid"])


async def gone(pid: int) -> None:
    async with patience():
        while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            await asyncio.sleep(0.02)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "vectors"


@pytest.fixture
async def store(folder: Path) -> AsyncIterator[VectorStore]:
    async with open_store(PATIENT, SCHEMA, folder=folder, owner=True) as opened:
        yield opened


async def test_nothing_acknowledged_is_lost_when_the_engine_is_killed_among_writes(store: VectorStore) -> None:
    acknowledged: set[UUID] = set()
    deleted: set[UUID] = set()
    killed = [await pid_of(store)]

    async def write(kill_at: set[int]) -> None:
        for number in range(60):
            batch = points(20)
            await store.upsert(batch)
            acknowledged.update(each.id for each in batch)
            await store.delete([batch[0].id])
            deleted.add(batch[0].id)
            if number in kill_at:
                os.kill(await pid_of(store), signal.SIGKILL)

    async with asyncio.TaskGroup() as group:
        group.create_task(write({15, 35}))
        group.create_task(write(set()))
    assert await pid_of(store) not in killed
    assert await everything(store) == acknowledged - deleted
    assert (await store.status()).unindexed == len(acknowledged - deleted)


async def test_a_search_in_flight_survives_the_engines_death(store: VectorStore) -> None:
    stored = points(5)
    await store.upsert(stored)
    os.kill(await pid_of(store), signal.SIGKILL)
    found = await asyncio.gather(*(everything(store) for _ in range(10)))
    assert found == [{each.id for each in stored}] * 10


async def test_an_index_outlives_its_owner(folder: Path) -> None:
    stored = points(50)
    async with open_store(PATIENT, SCHEMA, folder=folder, owner=True) as store:
        await store.upsert(stored)
        pid = await pid_of(store)
    await gone(pid)
    async with open_store(PATIENT, SCHEMA, folder=folder, owner=True) as store:
        assert await everything(store) == {each.id for each in stored}
        assert (await store.status()).unindexed == 50


async def test_after_a_killed_owner_its_engines_leave_and_the_unfinished_rebuild_is_forgotten(folder: Path) -> None:
    owner = await asyncio.create_subprocess_exec(sys.executable, "-c", OWNER, str(folder), stdout=asyncio.subprocess.PIPE)
    assert owner.stdout is not None
    async with patience():
        while not (line := await owner.stdout.readline()).startswith(b"pid"):
            assert line, "the owner ended too early"
    engines = [child.pid for child in psutil.Process(owner.pid).children()]
    assert len(engines) == 2
    owner.kill()
    await owner.wait()
    async with open_store(PATIENT, SCHEMA, folder=folder, owner=True) as store:
        assert await everything(store) == {UUID(int=1), UUID(int=2)}
        for pid in engines:
            await gone(pid)
        assert sorted(entry.name for entry in folder.iterdir() if entry.is_dir()) == ["1"]


async def test_a_folder_has_one_owner(folder: Path, store: VectorStore) -> None:
    with pytest.raises(ConfigurationError, match="already uses"):
        async with open_store(PATIENT, SCHEMA, folder=folder, owner=True):
            pytest.fail("a second owner came in")
    await store.upsert(points(1))


async def test_who_does_not_own_it_reads_and_writes_but_cannot_rebuild(folder: Path, store: VectorStore) -> None:
    async with open_store(PATIENT, SCHEMA, folder=folder, owner=False) as other:
        stored = points(3)
        await other.upsert(stored)
        assert await everything(store) == {each.id for each in stored}
        with pytest.raises(ConfigurationError, match="cairn index rebuild"):
            async with other.rebuild():
                pytest.fail("rebuilt by someone else")


async def test_without_an_engine_a_call_ends_with_its_timeout(folder: Path) -> None:
    settings = Settings(vectors=VectorsSettings(timeout_seconds=0.2))
    async with open_store(settings, SCHEMA, folder=folder, owner=False) as store:
        with pytest.raises(VectorStoreUnavailable, match=r"0\.2 s"):
            await store.status()


async def test_a_closed_store_says_so(folder: Path) -> None:
    async with open_store(PATIENT, SCHEMA, folder=folder, owner=False) as store:
        pass
    with pytest.raises(VectorStoreUnavailable, match="stopping"):
        await store.status()


async def test_a_path_too_long_for_a_socket_gets_a_private_folder_elsewhere(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30) / "vectors"
    async with open_store(PATIENT, SCHEMA, folder=folder, owner=True) as store:
        await store.upsert(points(2))
        async with store.rebuild() as staging:
            await staging.upsert(points(1))
            await staging.commit()
        assert (await store.status()).points == 1
        sockets = (await asyncio.to_thread(IndexFolder.at, folder)).live.parent
        assert sockets.parent == Path(tempfile.gettempdir())
        assert sockets.stat().st_mode & 0o777 == 0o700
    for entry in sockets.iterdir():
        entry.unlink()
    sockets.rmdir()


def test_a_socket_folder_that_someone_else_put_there_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / ("evil" * 30) / "vectors"
    sockets = IndexFolder.at(folder).live.parent
    sockets.rmdir()
    sockets.symlink_to(tmp_path)
    try:
        with pytest.raises(ConfigurationError, match="belongs to someone else"):
            IndexFolder.at(folder)
    finally:
        sockets.unlink()


async def test_a_start_that_was_cut_off_before_anything_was_stored_is_made_anew(folder: Path) -> None:
    (folder / "1" / "shard" / "segments").mkdir(parents=True)
    async with open_store(PATIENT, SCHEMA, folder=folder, owner=True) as store:
        await store.upsert(points(1))
        assert (await store.status()).points == 1


async def test_a_field_that_a_newer_schema_filters_by_is_indexed_at_the_next_start(folder: Path) -> None:
    stored = VectorPoint(uuid4(), {"dense_384": unit()}, document(""), {"team": "a", "project": "p"})
    async with open_store(PATIENT, SCHEMA, folder=folder, owner=True) as store:
        await store.upsert([stored])
    async with open_store(PATIENT, IndexSchema(keywords=("team", "project")), folder=folder, owner=True) as store:
        assert [hit.id for hit in await store.nearest(unit(), where={"project": "p"}, limit=5)] == [stored.id]


def dense_vectors(folder: Path) -> set[str]:
    return {found.name.removeprefix("vector_storage-") for found in folder.rglob("vector_storage-dense*")}


async def test_an_index_with_a_vector_too_many_is_used_until_the_next_rebuild_leaves_it_out(folder: Path) -> None:
    stored = points(3)
    earlier = IndexSchema(keywords=("team",), vectors={"dense_384": 384, "dense_768": 768})
    async with open_store(PATIENT, earlier, folder=folder, owner=True) as store:
        await store.upsert(stored[:2])
        assert dense_vectors(folder) == {"dense_384", "dense_768"}
    async with open_store(PATIENT, SCHEMA, folder=folder, owner=True) as store:
        await store.upsert(stored[2:])
        assert await everything(store) == {each.id for each in stored}
        async with store.rebuild() as staging:
            await staging.upsert(stored)
            await staging.optimize()
            await staging.commit()
        assert await everything(store) == {each.id for each in stored}
    assert dense_vectors(folder) == {"dense_384"}


async def test_a_rebuilt_engine_that_dies_comes_back_in_the_live_ones_place(store: VectorStore, folder: Path) -> None:
    kept = points(3)
    async with store.rebuild() as staging:
        await staging.upsert(kept)
        await staging.commit()
    os.kill(await pid_of(store), signal.SIGKILL)
    assert await everything(store) == {each.id for each in kept}
    assert (await store.status()).detail["generation"] == "2"
    assert sorted(entry.name for entry in folder.iterdir() if entry.is_dir()) == ["2"]


async def test_a_live_engine_that_dies_during_a_rebuild_disturbs_neither(store: VectorStore) -> None:
    old, new = points(3), points(4)
    await store.upsert(old)
    async with store.rebuild() as staging:
        await staging.upsert(new[:2])
        os.kill(await pid_of(store), signal.SIGKILL)
        assert await everything(store) == {each.id for each in old}
        await staging.upsert(new[2:])
        await staging.commit()
    assert await everything(store) == {each.id for each in new}


async def test_a_staging_engine_that_dies_leaves_the_live_one(folder: Path) -> None:
    settings = Settings(vectors=VectorsSettings(timeout_seconds=3))
    async with open_store(settings, SCHEMA, folder=folder, owner=True) as store:
        old = points(3)
        await store.upsert(old)
        live = await pid_of(store)

        async def rebuild() -> None:
            async with store.rebuild() as staging:
                for child in psutil.Process().children():
                    if "app.storage.vectors.engine" in child.cmdline() and child.pid != live:
                        child.kill()
                await staging.commit()

        with pytest.raises(VectorStoreUnavailable):
            await rebuild()
        assert await everything(store) == {each.id for each in old}
        late = points(1)
        await store.upsert(late)
        assert await everything(store) == {each.id for each in old + late}
        assert sorted(entry.name for entry in folder.iterdir() if entry.is_dir()) == ["1"]


async def test_how_long_a_builder_may_take_grows_with_its_points(store: VectorStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "OPTIMIZE_SECONDS", 0)
    async with store.rebuild() as staging:
        await staging.upsert(points(3))
        with monkeypatch.context() as patched:
            patched.setattr(host, "OPTIMIZE_SECONDS_A_POINT", 0)
            with pytest.raises(VectorStoreUnavailable, match="within 0 s"):
                await staging.optimize()
        monkeypatch.setattr(host, "OPTIMIZE_SECONDS_A_POINT", 100)
        await staging.optimize()
        await staging.commit()
    assert (await store.status()).unindexed == 0


@pytest.mark.parametrize("half_way", [False, True])
async def test_a_commit_that_is_cancelled_leaves_one_whole_index(
    store: VectorStore, folder: Path, monkeypatch: pytest.MonkeyPatch, *, half_way: bool
) -> None:
    old, new = points(2), points(3)
    await store.upsert(old)
    loop, started, promoting = asyncio.get_running_loop(), asyncio.Event(), IndexFolder.promote

    def promote(place: IndexFolder, number: int) -> None:
        loop.call_soon_threadsafe(started.set)
        promoting(place, number)

    monkeypatch.setattr(IndexFolder, "promote", promote)

    async def rebuild() -> None:
        async with store.rebuild() as staging:
            await staging.upsert(new)
            if not half_way:
                started.set()
            await staging.commit()

    task = asyncio.create_task(rebuild())
    await started.wait()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    found = await everything(store)
    either = [{each.id for each in new}] if half_way else [{each.id for each in old}, {each.id for each in new}]
    assert found in either
    assert [entry.name for entry in folder.iterdir() if entry.is_dir()] == [(await store.status()).detail["generation"]]
    os.kill(await pid_of(store), signal.SIGKILL)
    assert await everything(store) == found


async def test_an_engine_about_to_be_replaced_answers_searches_but_acknowledges_no_write(
    store: VectorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write it acknowledged would be lost with it. It waits instead, and reaches the new one."""
    old, new, late = points(2), points(3), points(1)
    await store.upsert(old)
    loop, promoting, writes = asyncio.get_running_loop(), IndexFolder.promote, []

    def promote(place: IndexFolder, number: int) -> None:
        writes.append(asyncio.run_coroutine_threadsafe(store.upsert(late), loop))
        found = asyncio.run_coroutine_threadsafe(everything(store), loop).result(10)  # sent behind the write, over one connection
        assert found == {each.id for each in old}
        assert not writes[0].done()
        promoting(place, number)

    monkeypatch.setattr(IndexFolder, "promote", promote)
    async with store.rebuild() as staging:
        await staging.upsert(new)
        await staging.commit()
    await asyncio.wrap_future(writes[0])
    assert await everything(store) == {each.id for each in new + late}


async def test_points_written_since_the_last_graph_are_counted_across_restarts(store: VectorStore) -> None:
    first, later = points(30), points(5)
    async with store.rebuild() as staging:
        await staging.upsert(first)
        await staging.optimize()
        await staging.commit()
    assert (await store.status()).unindexed == 0
    await store.upsert(later)
    await store.upsert([*later, first[0]])
    await store.delete([later[0].id])
    assert (await store.status()).unindexed == 5
    os.kill(await pid_of(store), signal.SIGKILL)
    assert (await store.status()).unindexed == 5


async def test_graphs_and_int8_find_what_brute_force_finds(store: VectorStore) -> None:
    """Texts lie in clusters, so the vectors do: plain noise is the easy case."""
    centres = [unit() for _ in range(60)]
    stored = []
    for place in range(3000):
        vector = centres[place % 60] + 0.5 * unit()
        stored.append(VectorPoint(uuid4(), {"dense_384": vector / np.linalg.norm(vector)}, document(""), {"team": "ab"[place % 2]}))
    async with store.rebuild() as staging:
        await staging.upsert(stored)
        await staging.optimize()
        await staging.commit()
    assert (await store.status()).unindexed == 0
    found = wanted = 0
    for centre in centres[:20]:
        near = centre + unit()
        asked = near / np.linalg.norm(near)
        mine = [each for each in stored if each.payload["team"] == "a"]
        best = sorted(mine, key=lambda each: -float(each.vectors["dense_384"] @ asked))[:10]
        hits = await store.nearest(asked, where={"team": "a"}, limit=10)
        found += len({hit.id for hit in hits} & {each.id for each in best})
        wanted += 10
        exact = {each.id: float(each.vectors["dense_384"] @ asked) for each in mine}
        assert all(hit.score == pytest.approx(exact[hit.id], abs=1e-4) for hit in hits)
    assert found / wanted >= 0.98


async def talk(socket: Path, sent: bytes, replies: int) -> list[EngineReply | None]:
    reader, writer = await asyncio.open_unix_connection(str(socket))
    writer.write(sent)
    await writer.drain()
    found = []
    for _ in range(replies):
        data = await frames.read(reader)
        found.append(None if data is None else msgspec.msgpack.decode(data, type=EngineReply))
    writer.close()
    await writer.wait_closed()
    return found


async def test_bad_frames_get_an_error_and_cost_nobody_else_anything(store: VectorStore, folder: Path) -> None:
    await store.upsert(points(2))
    pid, socket = await pid_of(store), (await asyncio.to_thread(IndexFolder.at, folder)).live
    garbage = b"\x00\x00\x00\x05hello"
    unknown = frames.pack(EngineRequest(7, "nonsense", frames.raw(None)))
    misshapen = frames.pack(EngineRequest(8, "search", frames.raw({"no": "ask"})))
    good = frames.pack(EngineRequest(9, "delete", frames.raw([])))
    first, second, third, fourth = await talk(socket, garbage + unknown + misshapen + good, 4)
    assert first is not None
    assert first.number == frames.UNREADABLE
    assert first.error
    assert second is not None
    assert (second.number, "nonsense" in second.error) == (7, True)
    assert third is not None
    assert third.number == 8
    assert third.error
    assert fourth is not None
    assert (fourth.number, fourth.error) == (9, "")
    refused, end = await talk(socket, b"\xff\xff\xff\xff" + garbage, 2)
    assert refused is not None
    assert "at most" in refused.error
    assert end is None
    assert await talk(socket, garbage[:6], 0) == []
    assert (await store.status()).points == 2
    assert await pid_of(store) == pid


async def test_an_engine_that_refuses_says_why(store: VectorStore, folder: Path) -> None:
    refused = EngineRequest(3, "delete", frames.raw(["no uuid"]))
    socket = (await asyncio.to_thread(IndexFolder.at, folder)).live
    (reply,) = await talk(socket, frames.pack(refused), 1)
    assert reply is not None
    assert "no uuid" in reply.error


def test_the_engines_process_imports_nothing_heavy() -> None:
    code = "import sys, app.storage.vectors.engine; print([name for name in sys.argv[1:] if name in sys.modules])"
    heavy = ["torch", "sqlalchemy", "numpy", "pydantic", "qdrant_client", "fastapi", "onnxruntime"]
    made = subprocess.run([sys.executable, "-c", code, *heavy], capture_output=True, text=True, check=True)
    assert made.stdout.strip() == "[]"

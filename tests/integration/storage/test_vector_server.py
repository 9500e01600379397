"""What only a Qdrant server can do to us: be away, refuse, be slow, keep what a rebuild left behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from aiohttp import web
from pydantic import SecretStr

from app import clock
from app.errors import VectorStoreUnavailable
from app.settings import QdrantSettings, Settings, VectorsSettings
from app.storage.vectors import open_store
from app.storage.vectors.lexical import document
from app.storage.vectors.store import IndexSchema, VectorPoint
from tests.fakes.qdrant_server import QdrantServer, qdrant_server

SCHEMA = IndexSchema(keywords=("team",), floats=("confidence",))
VECTOR = np.full(384, 1 / np.sqrt(384), np.float32)


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[tuple[str, QdrantServer]]:
    async with qdrant_server(tmp_path) as made:
        yield made


def settings(url: str, *, seconds: float = 5, key: str | None = None) -> Settings:
    secret = SecretStr(key) if key else None
    return Settings(qdrant=QdrantSettings(url=url, api_key=secret, collection="team"), vectors=VectorsSettings(timeout_seconds=seconds))


async def test_a_store_opens_while_the_server_is_away_and_works_once_it_is_back(tmp_path: Path, unused_tcp_port: int) -> None:
    async with open_store(settings(f"http://127.0.0.1:{unused_tcp_port}"), SCHEMA, folder=tmp_path, owner=False) as store:
        with pytest.raises(VectorStoreUnavailable, match="CAIRN_QDRANT__URL"):
            await store.status()
        runner = web.AppRunner(QdrantServer(tmp_path).application())
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", unused_tcp_port).start()
        assert (await store.status()).points == 0
        await runner.cleanup()


@pytest.mark.parametrize(("status", "said"), [(401, "API_KEY"), (403, "API_KEY"), (404, "index rebuild"), (500, "500"), (429, "429")])
async def test_a_refusal_says_what_to_do_and_never_the_key(
    running: tuple[str, QdrantServer], tmp_path: Path, status: int, said: str
) -> None:
    url, server = running
    async with open_store(settings(url), SCHEMA, folder=tmp_path, owner=False) as store:
        await store.status()
        server.refuse = status
        with pytest.raises(VectorStoreUnavailable, match=said):
            await store.upsert([VectorPoint(uuid4(), {"dense_384": VECTOR}, document(""), {"team": "a"})])


async def test_a_server_that_does_not_answer_in_time_is_away(running: tuple[str, QdrantServer], tmp_path: Path) -> None:
    url, server = running
    async with open_store(settings(url), SCHEMA, folder=tmp_path, owner=False) as store:
        await store.status()  # the collection is made
    async with open_store(settings(url, seconds=1), SCHEMA, folder=tmp_path, owner=False) as store:
        async with server.standing_still():
            with pytest.raises(VectorStoreUnavailable, match="does not answer"):
                await store.nearest(VECTOR, where={}, limit=5)
        assert await store.nearest(VECTOR, where={}, limit=5) == []


async def test_two_that_start_at_once_use_one_collection(running: tuple[str, QdrantServer], tmp_path: Path) -> None:
    url, _ = running
    async with (
        open_store(settings(url), SCHEMA, folder=tmp_path, owner=False) as one,
        open_store(settings(url), SCHEMA, folder=tmp_path, owner=False) as other,
    ):
        await asyncio.gather(one.status(), other.status())
        await one.upsert([VectorPoint(uuid4(), {"dense_384": VECTOR}, document(""), {"team": "a"})])
        assert (await other.status()).points == 1


async def test_a_second_start_makes_no_second_collection(running: tuple[str, QdrantServer], tmp_path: Path) -> None:
    url, server = running
    for _ in range(2):
        async with open_store(settings(url), SCHEMA, folder=tmp_path, owner=False) as store:
            await store.status()
    assert len(server.collections) == 1


async def test_a_rebuild_sweeps_only_what_is_ours_and_old(
    running: tuple[str, QdrantServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, server = running
    then = clock.now() - timedelta(days=2)
    async with open_store(settings(url), SCHEMA, folder=tmp_path, owner=False) as store:
        with monkeypatch.context() as before:
            before.setattr(clock, "now", lambda: then)
            await store.status()  # the live one is old, and stays
            await store._collections.create()  # type: ignore[attr-defined]
        live, abandoned = server.collections
        young = await store._collections.create()  # type: ignore[attr-defined]
        server.others = ["team-photos", "other-20200101T000000-abcdef00"]
        async with store.rebuild():
            assert abandoned not in server.collections
            assert {live, young, *server.others} < set(server.collections)
    assert server.collections == [live, young, *server.others]


async def test_a_switch_whose_answer_is_lost_does_not_cost_the_index(running: tuple[str, QdrantServer], tmp_path: Path) -> None:
    url, server = running
    stored = VectorPoint(uuid4(), {"dense_384": VECTOR}, document(""), {"team": "a"})
    async with open_store(settings(url), SCHEMA, folder=tmp_path, owner=False) as store:
        await store.status()

        async def rebuild() -> None:
            async with store.rebuild() as staging:
                await staging.upsert([stored])
                server.lose_answer_to = "POST /collections/aliases"
                await staging.commit()

        with pytest.raises(VectorStoreUnavailable):
            await rebuild()
        assert [hit.id for hit in await store.nearest(VECTOR, where={}, limit=5)] == [stored.id]


async def test_a_collection_has_room_for_the_vectors_of_its_schema_only(running: tuple[str, QdrantServer], tmp_path: Path) -> None:
    url, _ = running
    async with open_store(settings(url), SCHEMA, folder=tmp_path, owner=False) as store:
        await store.upsert([VectorPoint(uuid4(), {"dense_384": VECTOR}, document(""), {"team": "a"})])
    assert {found.name for found in tmp_path.rglob("vector_storage-dense*")} == {"vector_storage-dense_384"}


async def test_payload_fields_are_indexed_and_the_key_is_sent(running: tuple[str, QdrantServer], tmp_path: Path) -> None:
    url, server = running
    with pytest.warns(UserWarning, match="insecure connection"):  # the client's own, where a key goes over plain HTTP
        async with open_store(settings(url, key="secret"), SCHEMA, folder=tmp_path, owner=False) as store:
            await store.status()
    (name,) = server.collections
    assert server.requests.count(f"PUT /collections/{name}/index") == 2
    assert server.keys == {"secret"}

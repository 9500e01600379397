"""A team's deployment: the same program with URLs set. Two servers and two workers as processes; Qdrant is our shim over its engine."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from tests.fakes.models import models_folder
from tests.fakes.qdrant_server import QdrantServer
from tests.waiting import patience

pytestmark = pytest.mark.slow

ADMIN = "admin-key-of-this-test-0123456789"
TRANSCRIPT = "".join(
    json.dumps(each) + "\n"
    for each in (
        {"id": "1", "role": "user", "text": "The quokka service drops connections, fix it"},
        {
            "id": "2",
            "role": "assistant",
            "text": "The root cause was that `keepalive_quokka` was unset because the template skips empty values. "
            "I fixed this by setting `keepalive_quokka = 30` in `quokka/config.toml`.",
        },
    )
)


@asynccontextmanager
async def qdrant(folder: Path) -> AsyncIterator[str]:
    runner = web.AppRunner(QdrantServer(folder).application())
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def command(folder: Path, env: Mapping[str, str], *words: str) -> AsyncIterator[Process]:
    """One `cairn` on its own "machine": a data folder of its own, nothing shared but the URLs."""
    folder.mkdir(parents=True)
    models_folder().mkdir(exist_ok=True)
    (folder / "models").symlink_to(models_folder())
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CAIRN_")}
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "app.cli",
            *words,
            env={**clean, **env, "CAIRN_DATA_DIR": str(folder)},
            stdin=DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.wait(), 30)


async def url_of(folder: Path, process: Process) -> str:
    async with patience():
        while not (folder / "server.json").exists():
            assert process.returncode is None, (folder / "log").read_text()
            await asyncio.sleep(0.05)
    return str(json.loads((folder / "server.json").read_text())["url"])


def environment(database_url: str, qdrant_url: str) -> dict[str, str]:
    return {
        "CAIRN_DATABASE__URL": database_url,
        "CAIRN_QDRANT__URL": qdrant_url,
        "CAIRN_ADMIN_KEY": ADMIN,
        "CAIRN_SECRET_KEY": "secret-key-of-this-test-0123456789",
    }


async def test_what_one_server_takes_in_any_worker_reads_and_the_other_server_answers(
    database_url: str, tmp_path: Path, short_folder: Path
) -> None:
    async with AsyncExitStack() as stack:
        env = environment(database_url, await stack.enter_async_context(qdrant(tmp_path / "qdrant")))
        homes = [short_folder / f"team-{name}" for name in ("one", "two", "worker-a", "worker-b")]
        servers = [await stack.enter_async_context(command(home, env, "serve", "--port", "0")) for home in homes[:2]]
        for home in homes[2:]:
            await stack.enter_async_context(command(home, env, "worker"))
        one, two = [await url_of(home, server) for home, server in zip(homes[:2], servers, strict=True)]
        client = await stack.enter_async_context(aiohttp.ClientSession(headers={"authorization": f"Bearer {ADMIN}"}))

        async with client.post(f"{one}/v1/sessions?project=zoo", data=TRANSCRIPT.encode()) as reply:
            assert reply.status == 202, await reply.text()
            job = (await reply.json())["job_id"]
        async with patience():
            while True:
                async with client.get(f"{two}/v1/jobs/{job}") as reply:
                    found = await reply.json()
                if found["state"] in {"done", "failed"}:
                    break
                await asyncio.sleep(0.05)
        assert found["state"] == "done", found
        async with client.post(f"{two}/v1/knowledge/query", json={"query": "quokka drops connections"}) as reply:
            answer = await reply.json()
        assert answer["degraded"] == []
        assert "keepalive_quokka" in answer["results"][0]["text"]
        async with client.get(f"{two}/readyz") as reply:
            assert await reply.json() == {"status": "ok", "database": "ok", "vectors": "ok", "embeddings": "ok", "disk": "ok"}


@pytest.mark.parametrize(
    ("missing", "says"), [("CAIRN_ADMIN_KEY", "CAIRN_ADMIN_KEY must be set"), ("CAIRN_SECRET_KEY", "CAIRN_SECRET_KEY must be set")]
)
async def test_a_server_without_the_teams_keys_says_which_is_missing(database_url: str, tmp_path: Path, missing: str, says: str) -> None:
    env = {name: value for name, value in environment(database_url, "http://127.0.0.1:9").items() if name != missing}
    assert says in await _refusal(tmp_path / "home", env)


async def test_an_old_schema_is_refused_with_the_command_that_mends_it(empty_database_url: str, tmp_path: Path) -> None:
    env = environment(empty_database_url, "http://127.0.0.1:9")
    assert "cairn db upgrade" in await _refusal(tmp_path / "home", env)


async def test_a_database_that_is_away_is_said_in_time(tmp_path: Path, unused_tcp_port: int) -> None:
    env = environment(f"postgresql+asyncpg://nobody:hunter22@127.0.0.1:{unused_tcp_port}/cairn", "http://127.0.0.1:9")
    said = await _refusal(tmp_path / "home", env)
    assert "CAIRN_DATABASE__URL" in said
    assert "Warning" not in said
    assert "hunter22" not in said


async def _refusal(home: Path, env: Mapping[str, str]) -> str:
    """What `cairn serve` says before it ends with an error, without a traceback."""
    async with command(home, env, "serve", "--port", "0") as process, patience():
        assert await process.wait() == 1
    said = (home / "log").read_text()
    assert "Traceback" not in said
    return said

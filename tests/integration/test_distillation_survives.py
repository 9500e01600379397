"""kill -9 of the worker in the middle of a distillation, twice: nothing is stored twice, nothing lost, and only what was under way is paid again."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import asyncpg
import pytest

from tests.fakes.provider import FakeProvider
from tests.integration.api.conftest import generic
from tests.integration.test_door_stops import CONFIG
from tests.running import Running, start
from tests.unit.knowledge.distillation.replies import item, reply
from tests.waiting import patience

pytestmark = pytest.mark.long

DISTILLING = """
[distillation]
enabled = true
batch_tokens = 200
"""
ENV = {
    "FAKE_KEY": "sk-fake",
    "CAIRN_BUDGET__PROCESS_SILENT_SECONDS": "1",
    "CAIRN_WORKER__LEASE_SECONDS": "5",
}
LESSONS = [
    "The payment worker of the shop timed out because its pool in app/pool.py had only 5 connections in staging.",
    "In staging the gateway of the shop listens on port 8443, and only the mesh may reach it from the inside.",
    "The search cache of the shop keeps a page for 300 seconds, since the catalogue is written every 5 minutes.",
]
FILLER = " It took a while to find that out, and many people looked at it with much patience before it became clear to us."
KILLS = 2


async def test_a_worker_killed_twice_in_the_middle_pays_at_most_what_was_under_way(short_folder: Path) -> None:
    async with FakeProvider(first_token_ms=1_500) as fake:
        fake.say(reply(*(item(each, ("1", each)) for each in LESSONS)))
        folder = short_folder / "distil"
        config = short_folder / "distil.toml"
        config.write_text((CONFIG + DISTILLING).format(url=fake.url))
        server = await asyncio.to_thread(start, folder, {"CAIRN_CONFIG": str(config), **ENV})
        try:
            database = server.database_url().replace("+asyncpg", "")  # the worker was told of it: later it may be dead
            await taught(server, database, short_folder / "shop.jsonl")
            for kills in range(KILLS):
                async with patience():
                    while len(fake.asked) < 2 + 2 * kills:  # the second part's call, then the last part's
                        await asyncio.sleep(0.05)
                await asyncio.to_thread(kill_worker, server)
            async with patience():
                while len(stored := await evidence(database)) < len(LESSONS) or await behind(database):
                    await asyncio.sleep(0.5)
            assert sorted(stored) == sorted(LESSONS)
            assert len(fake.asked) <= len(LESSONS) + KILLS
            async with patience():
                while (budget := await asyncio.to_thread(server.get, "/v1/budgets/distiller"))["held_usd"] != 0:
                    await asyncio.sleep(0.2)
            assert 0 < budget["unreconciled_usd"] < budget["spent_usd"]  # type: ignore[operator]
            assert await asyncio.to_thread(server.get, "/v1/budget/verify") == {"differences": []}
        finally:
            await asyncio.to_thread(server.stop)


async def taught(server: Running, database: str, file: Path) -> None:
    """Upload a session of three parts, and let it have been quiet for an hour."""
    file.write_text(generic(*((f"d{number}", "assistant", each + FILLER * 6) for number, each in enumerate(LESSONS))))
    job = await asyncio.to_thread(server.upload, file, "shop")
    assert (await asyncio.to_thread(server.finished, job, seconds=240))["state"] == "done"
    await execute(database, "update sessions set updated_at = now() - interval '1 hour'")


def kill_worker(server: Running) -> None:
    next(each for each in server.family() if each.cmdline()[-1:] == ["worker"]).kill()


async def evidence(database: str) -> list[str]:
    found = await execute(database, "select coalesce(json_agg(text), '[]') from knowledge_evidence where distilled")
    return list(json.loads(found))


async def behind(database: str) -> bool:
    return await execute(database, "select count(*) from jobs where kind = 'deferred' and state in ('queued', 'running')") != "0"


async def execute(database: str, query: str) -> str:
    connection = await asyncpg.connect(database)
    try:
        return str(await connection.fetchval(query))
    finally:
        await connection.close()

"""A team's deployment as processes: the services of docker-compose.yml without Docker, for tests that need all of it at once.

What stands for an image there is real here too, but for Qdrant (our shim over its engine) and the proxy (callers choose a server).
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from redis.asyncio import Redis

from tests.fakes.models import models_folder
from tests.fakes.provider import FakeProvider
from tests.fakes.qdrant_server import qdrant_server
from tests.fakes.redis_server import RedisServer
from tests.waiting import patience

ADMIN = "admin-key-of-this-test-0123456789"
START_SECONDS, STOP_SECONDS = 120, 60
CONFIG = """
[server]
shutdown_seconds = 45

[database]
pool_size = 8
max_overflow = 8
replica_test_seconds = 0.5

[embeddings]
threads = 1

[worker]
lease_seconds = 10
poll_seconds = 0.1

[budget]
process_silent_seconds = 10
timeout_seconds = 5

[cache]
tier_timeout_seconds = 5

[knowledge]
embedding_timeout_seconds = 30

[redis]
timeout_seconds = 5

[providers.one]
kind = "openai"
model = "one-model"
api_base = "{url}/v1"
api_key_env = "ONE_KEY"
input_usd_per_mtok = 0
output_usd_per_mtok = 100

[providers.flaky]
kind = "openai"
model = "flaky-model"
api_base = "{url}/v1"
api_key_env = "ONE_KEY"
input_usd_per_mtok = 0
output_usd_per_mtok = 100

[inference]
chain = ["one"]
"""


class Member:
    """One container's worth: a `cairn` process with a folder of its own, which can die and be started again."""

    def __init__(self, folder: Path, words: list[str], env: Mapping[str, str]) -> None:
        self.folder = folder
        self._words = words
        self._env = {name: value for name, value in os.environ.items() if not name.startswith("CAIRN_")}
        self._env |= {**env, "CAIRN_DATA_DIR": str(folder)}
        self._process: Process | None = None
        folder.mkdir(parents=True)
        models_folder().mkdir(exist_ok=True)
        (folder / "models").symlink_to(models_folder())

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def run(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "app.cli", *self._words, env=self._env, stdin=DEVNULL, stdout=log, stderr=log
            )

    async def start(self) -> float:
        """Run, and wait until it is ready. Returns the seconds that it took."""
        began = time.monotonic()
        await self.run()
        async with patience(START_SECONDS):
            while not await self.ready():
                assert self._process is not None
                assert self._process.returncode is None, self.log()
                await asyncio.sleep(0.05)
        return time.monotonic() - began

    async def ready(self) -> bool:
        raise NotImplementedError

    async def kill(self) -> None:
        """kill -9."""
        await self.end(signal.SIGKILL)

    async def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """The exit status, once it has ended; by force where a signal isn't enough."""
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(how)
        try:
            return await asyncio.wait_for(self._process.wait(), STOP_SECONDS)
        except TimeoutError:
            self._process.kill()
            return await self._process.wait()

    async def ended(self) -> int:
        assert self._process is not None
        return await self._process.wait()

    async def close(self) -> None:
        if self._process is not None:
            await self.end()

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")


class Server(Member):
    """At a port of its own, as a container keeps its name."""

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        super().__init__(folder, ["serve", "--port", str(self.port)], env)

    async def ready(self) -> bool:
        try:
            async with aiohttp.ClientSession() as http, http.get(f"{self.url}/readyz") as reply:
                return reply.status == 200
        except aiohttp.ClientError:
            return False


class Worker(Member):
    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        super().__init__(folder, ["worker"], env)

    async def run(self) -> None:
        (self.folder / "worker.alive").unlink(missing_ok=True)
        await super().run()

    async def ready(self) -> bool:
        return (self.folder / "worker.alive").exists()


@dataclass(frozen=True, slots=True)
class Team:
    """`http` carries the admin key; other headers win over it."""

    servers: list[Server]
    workers: list[Worker]
    redis: RedisServer
    qdrant_url: str
    database_url: str
    provider: FakeProvider
    http: aiohttp.ClientSession

    async def get(self, path: str, server: int = 0) -> dict[str, Any]:
        async with self.http.get(self.servers[server].url + path) as reply:
            assert reply.status == 200, await reply.text()
            return dict(await reply.json())

    async def settled_budget(self, developer: str, server: int = 0) -> dict[str, Any]:
        """A developer's budget, once nothing is held: a call is settled beside its answer, and on a busy machine after it."""
        async with patience():
            while (budget := await self.get(f"/v1/budgets/{developer}", server))["held_usd"] != 0:
                await asyncio.sleep(0.1)
        return budget

    async def cached(self, cache: str) -> int:
        """Entries that Redis holds of a cache."""
        async with Redis.from_url(self.redis.url) as client:
            return len(await client.keys(f"cairn:cache:{cache}:*"))

    async def written(self, cache: str, before: int) -> None:
        """Until Redis holds more of a cache than before: it is written behind the answer."""
        async with patience():
            while await self.cached(cache) <= before:
                await asyncio.sleep(0.05)

    async def put(self, method: str, path: str, body: object) -> dict[str, Any]:
        async with self.http.request(method, self.servers[0].url + path, json=body) as reply:
            assert reply.status in {200, 201}, await reply.text()
            return dict(await reply.json())

    async def developer(self, name: str, limit_usd: float = 100) -> str:
        """Its key."""
        await self.put("POST", "/v1/developers", {"name": name, "monthly_limit_usd": limit_usd})
        return str((await self.put("POST", f"/v1/developers/{name}/keys", {}))["key"])


@asynccontextmanager
async def deployed(folder: Path, database_url: str, *, replica_urls: str | None = None, more: str = "") -> AsyncIterator[Team]:
    """Two servers and two workers on an empty database, as `docker compose up` brings them up: secrets in files, `migrate` first.

    `more`: further sections of their configuration.
    """
    folder.mkdir()
    async with AsyncExitStack() as stack:
        fake = await stack.enter_async_context(FakeProvider())
        qdrant_url, _ = await stack.enter_async_context(qdrant_server(folder / "qdrant"))
        redis = RedisServer(folder / "redis.sock")
        redis.start()
        stack.callback(redis.stop)
        secrets = {
            "CAIRN_DATABASE__URL": database_url,
            "CAIRN_REDIS__URL": redis.url,
            "CAIRN_ADMIN_KEY": ADMIN,
            "CAIRN_SECRET_KEY": "secret-key-of-this-test-0123456789",
            "ONE_KEY": "sk-of-the-fake",
        }
        if replica_urls is not None:
            secrets["CAIRN_DATABASE__REPLICA_URLS"] = replica_urls
        (folder / "secrets").mkdir()
        (folder / "cairn.toml").write_text(CONFIG.format(url=fake.url) + more)
        env = {"CAIRN_CONFIG": str(folder / "cairn.toml"), "CAIRN_QDRANT__URL": qdrant_url}
        for name, secret in secrets.items():
            (folder / "secrets" / name).write_text(f"{secret}\n")
            env[f"{name}_FILE"] = str(folder / "secrets" / name)
        migrate = Member(folder / "migrate", ["db", "upgrade"], env)
        await migrate.run()
        assert await migrate.ended() == 0, migrate.log()
        servers = [Server(folder / f"server-{name}", env) for name in ("one", "two")]
        workers = [Worker(folder / f"worker-{name}", env) for name in ("one", "two")]
        members: list[Member] = [*servers, *workers]
        stack.push_async_callback(_all, [each.close for each in members])
        await _all([each.start for each in members])
        http = await stack.enter_async_context(aiohttp.ClientSession(headers={"authorization": f"Bearer {ADMIN}"}))
        yield Team(servers, workers, redis, qdrant_url, database_url, fake, http)


async def _all(works: list[Any]) -> None:
    async with asyncio.TaskGroup() as tasks:
        for work in works:
            tasks.create_task(work())

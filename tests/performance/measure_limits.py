"""What a limit costs a request: the decision, with the headers, over Redis; and the server's CPU for a completion with and without one.

`python -m tests.performance.measure_limits`: microseconds, for docs/how-to/limit-keys.md and docs/decisions/0010. No target: see the door's own.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch
from uuid import uuid4

import psutil
import uvloop
from pydantic import SecretStr
from starlette.types import Message, Receive, Scope, Send

from app.accounts.requester import Requester
from app.main import ACCESS
from app.rate_limits.limits import RateLimits
from app.rate_limits.shared import MAX_CONCURRENT, SharedLimits
from app.settings import LimitsSettings
from app.settings import RedisSettings as RedisOptions
from app.storage.redis import open_redis
from app.web import authentication
from app.web.authentication import Authentication
from tests.fakes.redis_server import RedisServer
from tests.performance import measure_inference as door
from tests.performance.measure import percentile

DECISIONS, COMPLETIONS = 5000, 5000
LIMITS = {"model_requests_a_minute": 10**9, "model_tokens_a_minute": 10**12}


async def main() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        redis = RedisServer(Path(folder) / "redis.sock")
        redis.start()
        try:
            await _decisions(redis)
            on = {f"CAIRN_LIMITS__{name.upper()}": str(value) for name, value in LIMITS.items()}
            for name, env in (("off", {}), ("on", on), ("on, over Redis", {**on, "CAIRN_REDIS__URL": redis.url})):
                await _completions(name, env, Path(folder) / name.replace(", ", "-").replace(" ", "-"))
        finally:
            redis.stop()


async def _decisions(redis: RedisServer) -> None:
    key, options = uuid4(), LimitsSettings(**LIMITS)
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(open_redis(RedisOptions(url=SecretStr(redis.url), connections=MAX_CONCURRENT)))
        assert client is not None
        shared = SharedLimits(client, timeout_seconds=1)
        now = int(time.time())
        for unit in ("requests", "tokens"):  # a minute with something in every second: the most that a window holds
            await client.hset(f"cairn:limits:{{{key}:models}}:{unit}", mapping={str(now - each): 5 for each in range(60)})
        for name, limits in (("in process", RateLimits(options)), ("over Redis", RateLimits(options, shared))):
            await _timed(f"a decision {name}", partial(limits.admit, key, model=True))
        for name, limits in ((", with its headers", RateLimits(options)), (" without limits", RateLimits(LimitsSettings()))):
            with _asgi(limits) as ask:
                await _timed(f"the middleware{name}", ask)


async def _timed(name: str, act: Callable[[], Awaitable[object]]) -> None:
    spent = []
    cpu = time.process_time()
    for _ in range(DECISIONS):
        began = time.perf_counter()
        await act()
        spent.append((time.perf_counter() - began) * 1e6)
    cpu = (time.process_time() - cpu) / DECISIONS * 1e6
    print(f"{name}: p50 {percentile(spent, 0.5):.0f} µs, p99 {percentile(spent, 0.99):.0f} µs, CPU {cpu:.0f} µs", flush=True)


@contextmanager
def _asgi(limits: RateLimits) -> Iterator[Callable[[], Awaitable[None]]]:
    """The middleware around an application that answers at once; the key is known already."""
    requester = Requester(uuid4(), "core", uuid4(), "ada", uuid4())

    async def authenticate(key: str) -> Requester:
        return requester

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        return None

    services = SimpleNamespace(limits=limits, accounts=SimpleNamespace(authenticate=authenticate))
    middleware = Authentication(app, access=ACCESS)

    async def ask() -> None:
        headers = [(b"authorization", b"Bearer cairn_key"), (b"content-type", b"application/json")]
        await middleware({"type": "http", "method": "POST", "path": "/v1/embeddings", "headers": headers}, receive, send)

    with patch.object(authentication, "services_in", lambda scope: services):
        yield ask


async def _completions(name: str, env: Mapping[str, str], folder: Path) -> None:
    os.environ.update(env)
    folder.mkdir()
    async with door._opened(folder) as opened:
        server = psutil.Process(opened.server.process.pid)
        await opened.many_at_once(500)
        before = server.cpu_times()
        await opened.many_at_once(COMPLETIONS)
        after = server.cpu_times()
        each = (after.user + after.system - before.user - before.system) / COMPLETIONS * 1e6
        said = (folder / "inference.log").read_text()
        print(f"limits {name}: {each:.0f} µs of the server's CPU a completion, away {said.count('limits.not_shared')} times", flush=True)


if __name__ == "__main__":
    uvloop.run(main())

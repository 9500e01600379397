"""What a real server writes: one canonical line a request, with its id; and of a secret, a prompt or a key not a word, on any route."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.fakes.provider import FakeProvider
from tests.integration.test_door_stops import CONFIG, developer
from tests.running import Running, start
from tests.waiting import patience

pytestmark = pytest.mark.long

SECRET = "PlantedSecret-4f9a1c77"
PROVIDER_KEY = "sk-ProviderSecret-8d2b"
RIDDLES = (SECRET, PROVIDER_KEY)


@dataclass(frozen=True, slots=True)
class Served:
    server: Running
    key: str
    http: aiohttp.ClientSession

    async def ask(self, method: str, path: str, *, key: str | None = None, **options: Any) -> tuple[int, str]:
        headers = {"authorization": f"Bearer {key or self.key}", **options.pop("headers", {})}
        async with self.http.request(method, self.server.url + path, headers=headers, **options) as reply:
            await reply.read()
            return reply.status, reply.headers["x-request-id"]

    def text(self) -> str:
        return (self.server.folder.parent / f"{self.server.folder.name}.log").read_text()

    async def line(self, request_id: str) -> dict[str, Any]:
        """The one line of a request, once it is written."""
        async with patience():
            while True:
                lines = [json.loads(each) for each in self.text().splitlines() if request_id in each and each.startswith("{")]
                if found := [each for each in lines if each["event"] == "http.answered"]:
                    assert len(found) == 1
                    return found[0]
                await asyncio.sleep(0.02)


@pytest.fixture(scope="module")
async def served(short_folder: Path) -> AsyncIterator[Served]:
    async with FakeProvider() as fake:
        folder = short_folder / "logs"
        config = folder.parent / "logs.toml"
        config.write_text(CONFIG.format(url=fake.url))
        env = {"CAIRN_CONFIG": str(config), "FAKE_KEY": PROVIDER_KEY, "CAIRN_LOG__FORMAT": "json", "CAIRN_LOG__LEVEL": "debug"}
        server = await asyncio.to_thread(start, folder, env)
        try:
            key = await asyncio.to_thread(developer, server)
            async with aiohttp.ClientSession() as http:
                yield Served(server, key, http)
        finally:
            await asyncio.to_thread(server.stop)


def prompt(words: str, **fields: Any) -> dict[str, Any]:
    return {"model": "auto", "messages": [{"role": "user", "content": words}], **fields}


async def test_a_call_of_a_model_is_one_line_with_who_what_and_how_much(served: Served) -> None:
    status, request_id = await served.ask("POST", "/v1/chat/completions", json=prompt("say 5 words"), headers={"x-request-id": "ide-42"})
    assert (status, request_id) == (200, "ide-42")
    line = await served.line("ide-42")
    told = {name: line[name] for name in ("method", "route", "status", "developer", "provider", "model", "cache", "attempts")}
    assert told == {
        "method": "POST", "route": "/v1/chat/completions", "status": 200, "developer": "ada", "provider": "one", "model": "one-model",
        "cache": "miss", "attempts": 1,
    }  # fmt: skip
    assert line["cost_usd"] > 0
    assert line["ms"] > 0


async def test_a_streams_line_is_written_at_its_end_with_its_cost(served: Served) -> None:
    _, request_id = await served.ask("POST", "/v1/chat/completions", json=prompt("say 9 words now", stream=True))
    line = await served.line(request_id)
    assert (line["status"], line["provider"]) == (200, "one")
    assert line["cost_usd"] > 0


async def test_an_answer_from_the_cache_says_so(served: Served) -> None:
    for _ in range(2):
        _, request_id = await served.ask("POST", "/v1/chat/completions", json=prompt("say 4 words, twice"))
    line = await served.line(request_id)
    assert (line["cache"], line["cost_usd"]) == ("memory", 0)


async def test_other_routes_say_who_asked(served: Served) -> None:
    _, request_id = await served.ask("POST", "/v1/knowledge/query", json={"query": "why?"})
    assert (await served.line(request_id))["developer"] == "ada"
    _, request_id = await served.ask("GET", "/v1/teams", key=served.server.key)
    assert (await served.line(request_id))["developer"] == "admin"
    status, request_id = await served.ask("GET", "/v1/teams", key="no-such-key")
    line = await served.line(request_id)
    assert status == 401
    assert "developer" not in line


async def test_nothing_that_was_planted_on_any_route_is_written(served: Served) -> None:
    """In bodies, headers, paths, queries and keys; well-formed and not; asked as the admin, as a developer, as nobody."""
    async with served.http.get(f"{served.server.url}/openapi.json") as reply:
        paths = (await reply.json())["paths"]
    asked = 0
    bodies: list[dict[str, Any]] = [
        {"json": _planted()},
        {"json": prompt(SECRET)},
        {"data": SECRET.encode(), "headers": {"content-type": "application/octet-stream", "x-filename": f"{SECRET}.jsonl"}},
        {"data": f'{{"{SECRET}": [NaN'.encode(), "headers": {"content-type": "application/json"}},
    ]
    for path, methods in paths.items():
        filled = re.sub(r"\{[^}]*\}", SECRET, path)
        for method in methods:
            for body in bodies if method in {"post", "put", "patch"} else [{}]:
                for key in (served.server.key, served.key, SECRET):
                    options = {**body, "headers": {**body.get("headers", {}), "x-cairn-project": SECRET, "cookie": f"a={SECRET}"}}
                    options["params"] = {"q": SECRET, "project": SECRET, "format": SECRET, "wait_seconds": "0"}
                    if filled.endswith("/stream"):
                        options["timeout"] = aiohttp.ClientTimeout(total=0.5)
                    with contextlib.suppress(TimeoutError):
                        await served.ask(method.upper(), filled, key=key, **options)
                    asked += 1
    assert asked > 100
    for words in (f"say {SECRET}", f"{SECRET} stream"):
        await served.ask("POST", "/v1/chat/completions", json=prompt(words, stream="stream" in words, cache=False))
    _, last = await served.ask("GET", "/v1/models")
    await served.line(last)
    shown_once = "Admin key, shown this once"  # to the person who starts it, on standard output
    written = [line for line in served.text().splitlines() if not line.startswith(shown_once)]
    for riddle in (*RIDDLES, served.key, served.server.key):
        places = [line[:300] for line in written if riddle in line]
        assert not places, places[:3]


def _planted() -> dict[str, Any]:
    """Every field that some route takes, each with the secret in it."""
    names = ("text", "query", "input", "name", "team", "note", "sender", "type", "payload", "model", "channel", "group", "consumer", "to")
    return dict.fromkeys(names, SECRET) | {"messages": [{"role": "user", "content": SECRET}], "ids": [SECRET], "hold_ids": [SECRET]}

"""The whole application over a real socket, with real engines and a real worker; one for all tests of this folder."""

from __future__ import annotations

import asyncio
import io
import json
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from fastapi import FastAPI

from app import settings as config
from app.cli.serving import Server, configuration
from app.main import create_app
from app.services import Services
from tests.conftest import without_fsync
from tests.fakes.models import models_folder
from tests.waiting import PATIENT_DATABASE, patience

MAX_UPLOAD_BYTES = 4 * 2**20
MAX_BODY_BYTES = 300_000
STANDARD: dict[str, dict[str, Any]] = {
    "server": {"max_upload_bytes": MAX_UPLOAD_BYTES, "max_body_bytes": MAX_BODY_BYTES},
    "knowledge": {"embedding_timeout_seconds": 30},
    "hooks": {"timeout_seconds": 25},
    "budget": {"timeout_seconds": 30},
    "database": PATIENT_DATABASE,
    "vectors": {"timeout_seconds": 60},
}
"""Settings of every served application, section by section: a busy machine is no slow embedder, and no absent PostgreSQL or engine."""


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    text: str
    json: Any

    @property
    def error(self) -> Any:
        """The error, in the one shape that all have."""
        assert set(self.json) == {"error"}, self.text
        assert set(self.json["error"]) == {"message", "type", "code", "param", "request_id"}
        assert self.json["error"]["request_id"] == self.headers["x-request-id"]
        assert "Traceback" not in self.text
        return self.json["error"]


@dataclass(frozen=True, slots=True)
class Api:
    """A client of the application; `key`: the admin's unless said otherwise. `services`: to look behind the curtain."""

    url: str
    key: str
    services: Services
    http: aiohttp.ClientSession
    app: FastAPI

    async def ask(
        self, method: str, path: str, *, key: str | None = "admin", headers: Mapping[str, str] | None = None, **options: Any
    ) -> Reply:
        sent = dict(headers or {})
        if key is not None:
            sent["authorization"] = f"Bearer {self.key if key == 'admin' else key}"
        async with self.http.request(method, self.url + path, headers=sent, **options) as reply:
            text = await reply.text()
            is_json = reply.headers.get("content-type", "").startswith("application/json")
            return Reply(reply.status, reply.headers, text, await reply.json() if is_json else None)

    async def finished(self, job: str) -> dict[str, Any]:
        """The job, once it has ended."""
        async with patience():
            while (found := (await self.ask("GET", f"/v1/jobs/{job}")).json)["state"] not in {"done", "failed"}:
                await asyncio.sleep(0.05)
        return found  # type: ignore[no-any-return]

    async def items_found(self, query: str, project: str, *, wanted: int, key: str = "admin", **more: object) -> list[Any]:
        """The items that a question finds, once the index has heard of them: the worker feeds it."""
        asked = {"query": query, "project": project, "kinds": ["item"], **more}
        async with patience():
            while len(found := (await self.ask("POST", "/v1/knowledge/query", key=key, json=asked)).json["results"]) != wanted:
                await asyncio.sleep(0.05)
        return list(found)

    async def ingest(self, data: bytes | str, *, key: str = "admin", team: str | None = None, **params: str) -> dict[str, Any]:
        headers = {"x-cairn-team": team} if team else {}
        body = io.BytesIO(data.encode() if isinstance(data, str) else data)
        sent = await self.ask("POST", "/v1/sessions", key=key, data=body, params=params, headers=headers)
        assert sent.status == 202, sent.text
        return await self.finished(sent.json["job_id"])

    async def developer(self, team: str = "default") -> str:
        """A new developer's key; the team is made if need be."""
        if team != "default":
            assert (await self.ask("POST", "/v1/teams", json={"name": team})).status in {201, 409}
        name = f"dev-{uuid4().hex[:12]}"
        assert (await self.ask("POST", "/v1/developers", json={"name": name, "team": team})).status == 201
        made = await self.ask("POST", f"/v1/developers/{name}/keys")
        assert made.status == 201
        return str(made.json["key"])


@pytest.fixture(scope="session")
async def api(short_folder: Path) -> AsyncIterator[Api]:
    async with serving(short_folder / "api") as made:
        yield made


@asynccontextmanager
async def serving(folder: Path, **more: Any) -> AsyncIterator[Api]:
    """The application with its data in a new folder. `more`: settings by section, over the standard ones."""
    folder.mkdir()
    models_folder().mkdir(exist_ok=True)
    (folder / "models").symlink_to(models_folder())
    sections = {name: STANDARD.get(name, {}) | more.get(name, {}) for name in STANDARD.keys() | more.keys()}
    settings = config.load(data_dir=folder, **sections)
    app, listening = create_app(settings), asyncio.Event()
    server = Server(configuration(app, settings), listening=listening.set)
    # With its protocol named: else asyncio leaves Nagle's algorithm on, and every request waits 40 ms.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)
        async with app.router.lifespan_context(app):
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            await listening.wait()
            services = app.state.services
            await without_fsync(services.storage.url)
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            async with aiohttp.ClientSession() as http:
                yield Api(url, services.secrets.admin_key, services, http, app)
            server.should_exit = True
            await serving


def generic(*events: tuple[str, str, str]) -> str:
    """(id, role, text) as the contract's NDJSON."""
    return "".join(json.dumps({"id": each[0], "role": each[1], "text": each[2]}) + "\n" for each in events)


def lesson(name: str) -> str:
    """A session that teaches one thing about `name`, which no other session does."""
    answer = (
        f"Root cause: the {name} service closed idle connections after 60 seconds because keepalive_{name} was unset.\n\n"
        f"Fix: I set keepalive_{name} = 30 in {name}/config.toml and the connections stay open."
    )
    return generic(
        (f"{name}-1", "user", f"Why does the {name} service drop its connections at night?"),
        (f"{name}-2", "assistant", answer),
        (f"{name}-3", "user", "Great, that works. Thanks!"),
    )

"""Claude Code and Codex themselves, as npm installs them, with the configuration that `cairn connect` writes: headless, without a network.

What is asked is in Cairn's journal before the agent ends, and what the team knows is in the prompt that its provider gets.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests.fakes.scripted import Streamed
from tests.integration.api import isolated
from tests.integration.api.conftest import Api, serving
from tests.integration.api.door import Door, open_door
from tests.integration.api.test_claude_code import PACKAGE as CLAUDE_CODE
from tests.integration.api.test_claude_code import Model, calls, said
from tests.integration.api.test_codex import PACKAGE as CODEX

pytestmark = pytest.mark.slow

SITE = Path(__file__).resolve().parents[4]
PROMPT = "Why does the frobnicator of the shop refuse connections after a minute?"
LESSON = "The frobnicator refuses connections after a minute: its keepalive_frobnicator has to be 30 in shop/config.toml."
PATIENT = "[hook]\nconnect_ms = 10000\nanswer_ms = 9000\nreceipt_ms = 9000\n"
"""For a busy machine."""
PROGRAM = Path(sys.executable).with_name("cairn")


@dataclass(frozen=True, slots=True)
class ConnectedAgent:
    """An agent that `cairn connect` has connected. `folder`: with its home, and a repository in which it works."""

    program: Path
    ide: str
    namespace: list[str]
    folder: Path

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def work(self) -> Path:
        return self.folder / "shop"

    def connect(self, key: str) -> None:
        (self.work / ".git").mkdir(parents=True)
        (self.work / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
        (self.work / ".git" / "config").write_text('[remote "origin"]\nurl = https://git.example.org/acme/shop.git\n')
        settings = self.home / ".config" / "cairn" / "client.toml"
        settings.parent.mkdir(parents=True)
        settings.write_text(PATIENT)
        command = [str(PROGRAM), "connect", self.ide, "--models", "--project", "shop"]
        subprocess.run(command, cwd=self.work, env=self._environment(key), check=True, capture_output=True)

    async def run(self, door: Door, command: list[str], **more: str) -> isolated.Finished:
        async with isolated.socket_to(door.api.url, self.folder) as socket:
            return await isolated.run(
                self.namespace,
                [str(self.program), *command],
                socket=socket,
                folder=self.work,
                environment=self._environment(door.key) | more,
            )

    def stamps(self) -> dict[str, Any]:
        folder = self.home / ".local" / "state" / "cairn" / "hooks"
        return {each.name: json.loads(each.read_text()) for each in folder.glob("*.json")}

    def _environment(self, key: str) -> dict[str, str]:
        environment = {"HOME": str(self.home), "PATH": os.environ["PATH"], "PYTHONPATH": str(SITE)}
        return environment | {"CAIRN_URL": isolated.URL, "CAIRN_KEY": key, "CODEX_HOME": str(self.home / ".codex")}


def installed(package: str, name: str, folder: Path) -> Path:
    if (why := isolated.install(package, folder)) is not None:
        pytest.skip(why)
    return folder / "node_modules" / ".bin" / name


def agent(ide: str, program: Path, folder: Path) -> ConnectedAgent:
    namespace = isolated.namespace_command()
    if namespace is None:
        pytest.skip("network namespaces are not allowed here (unshare -n)")
    return ConnectedAgent(program, ide, namespace, folder)


async def teach(door: Door) -> None:
    body = {"type": "gotcha", "title": "The frobnicator's keepalive", "text": LESSON, "project": "shop"}
    made = await door.api.ask("POST", "/v1/knowledge", key=door.key, json=body)
    assert made.status in {200, 201}, made.text


async def journal(api: Api, session: str) -> tuple[Mapping[str, Any], list[tuple[str, str]]]:
    """A session by the agent's own id, and (kind, text) of its events."""
    async with api.services.database.begin() as connection:
        session_query = text("select id, provider, repository, branch from sessions where external_id = :id")
        (row,) = (await connection.execute(session_query, {"id": session})).mappings().all()
        events = await connection.execute(text("select kind, text from events where session_id = :id order by seq"), {"id": row["id"]})
        return row, [(each.kind, each.text) for each in events]


def tools(model: Model) -> set[str]:
    return {tool["function"]["name"] for body in model.asked for tool in body.get("tools", [])}


def asked(model: Model) -> str:
    return json.dumps([body["messages"] for body in model.asked], ensure_ascii=False)


@pytest.fixture(scope="module")
async def api(short_folder: Path) -> AsyncIterator[Api]:
    async with serving(short_folder / "agents", hooks={"timeout_seconds": 20}) as made:
        yield made


@pytest.fixture(scope="module")
def claude_code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return installed(CLAUDE_CODE, "claude", tmp_path_factory.mktemp("claude-code"))


@pytest.fixture(scope="module")
def codex(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return installed(CODEX, "codex", tmp_path_factory.mktemp("codex"))


def script() -> tuple[Streamed, ...]:
    return calls("Bash", {"command": "echo keepalive", "description": "Look"}), said("It is the keepalive.")


async def test_claude_code_tells_cairn_and_is_told(claude_code: Path, api: Api, short_folder: Path) -> None:
    connected = agent("claude-code", claude_code, short_folder / "claude")
    async with Model(*script()) as model, open_door(api, hostile={"one": model}) as door:  # type: ignore[dict-item]
        await teach(door)
        connected.connect(door.key)
        nonessential = {"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "DISABLE_AUTOUPDATER": "1", "ANTHROPIC_AUTH_TOKEN": door.key}
        done = await connected.run(door, ["-p", PROMPT, "--output-format", "json", "--allowedTools", "Bash"], **nonessential)
        told = json.loads(done.out)
        assert (done.status, told["result"]) == (0, "It is the keepalive."), done.error
        assert connected.stamps()["claude-code.json"]["outcome"] == "sent", connected.stamps()
        session, events = await journal(api, told["session_id"])
        assert (session["provider"], session["repository"], session["branch"]) == (
            "claude-code",
            "https://git.example.org/acme/shop.git",
            "main",
        )
        assert any(said == PROMPT for _, said in events)
        assert any("It is the keepalive." in said for _, said in events)
        assert "keepalive_frobnicator has to be 30" in asked(model)
        assert "mcp__cairn__search" in tools(model)


async def test_codex_tells_cairn_and_is_told(codex: Path, api: Api, short_folder: Path) -> None:
    connected = agent("codex", codex, short_folder / "codex")
    async with Model(said("It is the keepalive.")) as model, open_door(api, hostile={"one": model}) as door:  # type: ignore[dict-item]
        await teach(door)
        connected.connect(door.key)
        config = connected.home / ".codex" / "config.toml"  # Codex hands its own variables on to no server of MCP
        config.write_text(config.read_text().replace("[mcp_servers.cairn]\n", f'[mcp_servers.cairn]\nenv = {{ PYTHONPATH = "{SITE}" }}\n'))
        done = await connected.run(door, ["exec", "--json", "--skip-git-repo-check", "--dangerously-bypass-hook-trust", PROMPT])
        events = [json.loads(line) for line in done.out.splitlines() if line.startswith("{")]
        assert done.status == 0, done.error
        assert connected.stamps()["codex.json"]["outcome"] == "sent", connected.stamps()
        (thread,) = [event["thread_id"] for event in events if event["type"] == "thread.started"]
        session, journaled = await journal(api, thread)
        assert session["provider"] == "codex"
        assert any(said == PROMPT for _, said in journaled)
        assert "keepalive_frobnicator has to be 30" in asked(model)
        assert any("cairn" in name and name.endswith("search") for name in tools(model)), tools(model)

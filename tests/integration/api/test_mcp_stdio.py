"""`cairn mcp` as an IDE runs it: the official client over stdio, in both eras, with the server there, away, and back."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters

from tests.integration.api.conftest import Api

ROOT = Path(__file__).resolve().parents[3]
AWAY = "http://127.0.0.1:9"


def environment(home: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CAIRN_", "XDG_"))}
    return {**kept, "HOME": str(home), "PYTHONPATH": str(ROOT), "CAIRN_DATA_DIR": str(home / "data"), **more}


def repository(folder: Path, url: str) -> Path:
    """A checkout with a remote, as far as its files tell."""
    (folder / ".git").mkdir(parents=True)
    (folder / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    (folder / ".git" / "config").write_text(f'[remote "origin"]\n\turl = {url}\n')
    return folder


@asynccontextmanager
async def stdio(folder: Path, env: dict[str, str], *arguments: str, era: str = "legacy") -> AsyncIterator[Client]:
    command = StdioServerParameters(command=sys.executable, args=["-m", "app.cli", "mcp", *arguments], env=env, cwd=folder)
    async with Client(command, mode=era) as opened:
        yield opened


async def called(opened: Client, tool: str, **arguments: Any) -> tuple[bool, str, Any]:
    result = await opened.call_tool(tool, arguments)
    (content,) = result.content
    assert content.type == "text"
    return result.is_error, content.text, result.structured_content


@pytest.mark.parametrize("era", ["legacy", "auto", "2026-07-28"])
async def test_an_ide_is_served_by_its_repositorys_project(api: Api, tmp_path: Path, era: str) -> None:
    key = await api.developer()
    folder = repository(tmp_path / "checkout", f"git@example.com:acme/stdio-{era}.git")
    env = environment(tmp_path, CAIRN_URL=api.url, CAIRN_KEY=key)
    async with stdio(folder, env, era=era) as opened:
        assert len((await opened.list_tools()).tools) == 6
        wrong, _, made = await called(opened, "remember", text=f"The checks of {era} run with `make check`, “always”.")
        assert (wrong, made["project"]) == (False, f"stdio-{era}")
        several = [called(opened, "session_context"), called(opened, "get", ids=[made["id"]]), called(opened, "search", query="checks")]
        (_, context, _), (_, whole, _), (wrong, _, found) = await asyncio.gather(*several)
        assert made["id"] in context
        assert "“always”" in whole
        assert (wrong, found["project"]) == (False, f"stdio-{era}")
        read = await opened.read_resource(f"cairn://item/{made['id']}")
        assert "make check" in read.contents[0].text  # type: ignore[union-attr]
    async with stdio(folder, env, "--project", "elsewhere", era=era) as opened:
        _, text, context = await called(opened, "session_context")
        assert context == {"project": "elsewhere", "entries": []}, text


@pytest.mark.parametrize("era", ["legacy", "2026-07-28"])
async def test_without_a_server_an_ide_goes_on_and_the_model_is_told(tmp_path: Path, era: str) -> None:
    async with stdio(tmp_path, environment(tmp_path, CAIRN_URL=AWAY, CAIRN_KEY="k"), era=era) as opened:
        assert {tool.name for tool in (await opened.list_tools()).tools} >= {"search", "get"}
        wrong, text, _ = await called(opened, "search", query="anything")
        assert wrong
        assert f"The Cairn server at {AWAY} doesn't answer" in text
        assert "Go on without it" in text


async def test_a_wrong_key_is_told_to_the_model(api: Api, tmp_path: Path) -> None:
    async with stdio(tmp_path, environment(tmp_path, CAIRN_URL=api.url, CAIRN_KEY="cairn_wrong")) as opened:
        wrong, text, _ = await called(opened, "search", query="anything")
        assert wrong
        assert "This key is not valid" in text


async def test_a_private_folder_asks_nobody(api: Api, tmp_path: Path) -> None:
    (tmp_path / ".cairn.toml").write_text("private = true\n")
    env = environment(tmp_path, CAIRN_URL=api.url, CAIRN_KEY=await api.developer())
    async with stdio(tmp_path, env) as opened:
        wrong, text, _ = await called(opened, "search", query="the merger")
        assert wrong
        assert "private folder" in text


async def test_it_ends_with_its_input_and_prints_nothing_but_answers(tmp_path: Path) -> None:
    lines = [
        b"nonsense",
        b'{"jsonrpc": "2.0", "method": "notifications/cancelled"}',
        b'{"jsonrpc": "2.0", "id": "a", "method": "ping"}',
        b"",
    ]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app.cli", "mcp"),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env=environment(tmp_path, CAIRN_URL=AWAY), cwd=tmp_path,
    )  # fmt: skip
    out, error = await asyncio.wait_for(process.communicate(b"\n".join(lines)), 60)
    answers = {str(each["id"]): each for each in map(json.loads, out.splitlines())}
    assert process.returncode == 0
    assert error == b""
    assert answers["a"]["result"] == {}
    assert answers["None"]["error"]["code"] == -32700
    assert len(answers) == 2

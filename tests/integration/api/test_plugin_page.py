"""docs/how-to/write-a-plugin.md is run as it stands: each block of code gives the output that the page shows beneath it.

With WRITE_PAGE=1 the page's outputs are written anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.integration.api.conftest import Api
from tests.waiting import patience

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "how-to" / "write-a-plugin.md"
BLOCK = re.compile(r"^```(sh|python|json|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
VARYING = {
    "score", "confidence", "took_ms", "age_days", "too_early_to_tell", "at", "created_at", "finished_at", "result", "lookup",
    "last_used_at", "revision", "server_version", "renews_at",
}  # fmt: skip
"""Fields whose values are another day's: they are shown, and not compared, as ids are not."""
MARK = "-- the next block --"
MEASURED = frozenset({"uses", "progress", "attempts"})


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code or output, and where its content stands in the page."""

    language: str
    text: str
    start: int
    end: int


def blocks(page: str) -> list[Block]:
    return [Block(found[1], found[2], found.start(2), found.end(2)) for found in BLOCK.finditer(page)]


def comparable(value: Any) -> Any:
    """A JSON value without what differs from run to run."""
    if isinstance(value, dict):
        return {name: None if name in VARYING else comparable(each) for name, each in value.items() if name not in MEASURED}
    if isinstance(value, list):
        return [comparable(each) for each in value]
    return "ID" if isinstance(value, str) and re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", value) else value


class Reader:
    """Somebody who does what the page says, in a folder of their own, with a developer's key."""

    def __init__(self, folder: Path, env: dict[str, str], names: dict[str, str]) -> None:
        self._folder, self._names, self._env = folder, names, {**os.environ, **env}

    async def type(self, code: str) -> str:
        """Run a block of the shell. A job is asked for again and again, as the page says, until it is done."""
        async with patience():
            while "$JOB_ID" in code and json.loads(out := await self._run("sh", "-euc", code))["state"] not in {"done", "failed"}:
                await asyncio.sleep(0.1)
            if "$JOB_ID" not in code:
                out = await self._run("sh", "-euc", code)
        with contextlib.suppress(ValueError, KeyError):
            self._env["JOB_ID"] = json.loads(out)["job_id"]
        return out

    async def run(self, blocks: list[str]) -> list[str]:
        """Run the blocks of Python one after the other, in one program; return what each printed."""
        program = f"print({MARK!r})\n".join(blocks)
        async with patience():
            return (await self._run(sys.executable, "-c", program)).split(f"{MARK}\n")

    async def _run(self, *command: str) -> str:
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=self._folder, env=self._env
        )
        out, err = await process.communicate()
        assert process.returncode == 0, err.decode()
        shown = out.decode()
        for real, name in self._names.items():
            shown = shown.replace(real, name)
        return shown


async def outputs(reader: Reader, page: str) -> list[tuple[Block, str]]:
    """Run every block of code, first all of the shell; return the blocks that show an output, each with what came."""
    every = blocks(page)
    after = dict(zip([each.start for each in every], [*every[1:], None], strict=True))
    shell, python = ([each for each in every if each.language == language] for language in ("sh", "python"))
    given = [(each, await reader.type(each.text)) for each in shell]
    given += zip(python, await reader.run([each.text for each in python]), strict=True)
    found = []
    for block, output in given:
        shown = after[block.start]
        if shown is not None and shown.language in {"json", "text"}:
            found.append((shown, output))
        else:
            assert output == "", f"the page doesn't show what this prints: {block.text}"
    return sorted(found, key=lambda each: each[0].start)


@pytest.fixture
async def reader(api: Api, tmp_path: Path) -> Reader:
    team = f"team-{uuid4().hex[:6]}"
    own = (await api.ask("GET", "/v1/me", key=await api.developer(team))).json["developer"]
    key = (await api.ask("POST", f"/v1/developers/{own}/keys", json={"name": "plugin"})).json["key"]
    env = {"CAIRN_URL": api.url, "CAIRN_KEY": key, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    return Reader(tmp_path, env, {own: "ada", team: "default"})


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_the_page_shows_what_its_code_gives(reader: Reader) -> None:
    page = PAGE.read_text("utf-8")
    given = await outputs(reader, page)
    if os.environ.get("WRITE_PAGE"):
        for shown, output in reversed(given):
            text = json.dumps(json.loads(output), indent=2, ensure_ascii=False) + "\n" if shown.language == "json" else output
            page = page[: shown.start] + text + page[shown.end :]
        PAGE.write_text(page, "utf-8")
        return
    assert len(given) == 13
    for shown, output in given:
        if shown.language == "json":
            assert comparable(json.loads(output)) == comparable(json.loads(shown.text))
        else:
            assert output == shown.text


def test_the_page_has_five_calls_each_with_curl_and_python() -> None:
    calls = re.split(r"^## ", PAGE.read_text("utf-8"), flags=re.MULTILINE)
    numbered = [each for each in calls if re.match(r"\d\. ", each)]
    assert [each[0] for each in numbered] == ["1", "2", "3", "4", "5"]
    assert all("```sh\ncurl" in each and "```python" in each for each in numbered)

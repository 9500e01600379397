"""`cairn watch` against a real server that is killed at random: the journal ends as an undisturbed upload's."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from tests.running import Running, start

pytestmark = pytest.mark.slow

SECONDS = 300.0
TURNS, KILLS = 40, 2
COLUMNS = (
    *("event_id", "role", "kind", "speaker", "text", "tool_name", "tool_input", "tool_output", "exit_code", "outcome", "at"),
    *("sidechain", "model", "input_tokens", "output_tokens", "cached_tokens", "parent", "files"),
)
Record = dict[str, object]


def claude(work: Path) -> Iterator[Record]:
    for turn in range(TURNS):
        shared = {"sessionId": "grown", "cwd": str(work), "timestamp": f"2026-11-29T10:{turn:02}:00Z"}
        yield {**shared, "type": "user", "uuid": f"a{turn}", "message": {"content": "Go on." if turn % 2 else f"Do step {turn}."}}
        call = {"type": "tool_use", "id": f"t{turn}", "name": "Bash", "input": {"command": f"make step-{turn}"}}
        yield {**shared, "type": "assistant", "uuid": f"b{turn}", "message": {"content": [call]}}
        result = {
            "type": "tool_result",
            "tool_use_id": f"t{turn}",
            "is_error": turn % 3 == 0,
            "content": "Exit code 1" if turn % 3 == 0 else "ok",
        }
        yield {**shared, "type": "user", "uuid": f"c{turn}", "message": {"content": [result]}}
        yield {
            **shared,
            "type": "assistant",
            "uuid": f"d{turn}",
            "message": {"content": [{"type": "text", "text": f"Step {turn} is done."}]},
        }


def codex(work: Path) -> Iterator[Record]:
    yield {"timestamp": "2026-11-29T10:00:00Z", "type": "session_meta", "payload": {"id": "grown-codex", "cwd": str(work)}}
    for turn in range(TURNS):
        at = f"2026-11-29T10:{turn:02}:01Z"
        yield {"timestamp": at, "type": "event_msg", "payload": {"type": "user_message", "message": "Go on."}}
        call = {
            "type": "function_call",
            "call_id": f"k{turn}",
            "name": "shell",
            "arguments": json.dumps({"command": ["bash", "-lc", "ls"]}),
        }
        yield {"timestamp": at, "type": "response_item", "payload": call}
        output = json.dumps({"output": f"{turn}.txt", "metadata": {"exit_code": 0}})
        yield {
            "timestamp": at,
            "type": "response_item",
            "payload": {"type": "function_call_output", "call_id": f"k{turn}", "output": output},
        }
        yield {"timestamp": at, "type": "event_msg", "payload": {"type": "agent_message", "message": f"There is {turn}.txt."}}


class Growing:
    """Files that grow in pieces that end anywhere."""

    def __init__(self, files: Sequence[tuple[Path, bytes]], chance: random.Random) -> None:
        self.files, self.chance = files, chance
        self.stopped = threading.Event()
        self._sent = [0] * len(files)

    def until(self, share: float) -> None:
        """Append to all files in turn, up to a share of each."""
        while not self.stopped.is_set():
            short = [number for number, (_, text) in enumerate(self.files) if self._sent[number] < share * len(text)]
            if not short:
                return
            for number in short:
                path, text = self.files[number]
                size = self.chance.randint(1, 900)
                with path.open("ab") as file:
                    file.write(text[self._sent[number] : self._sent[number] + size])
                self._sent[number] += size
            self.stopped.wait(0.1)


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.2)


async def journal(server: Running, team: str) -> dict[str, list[tuple[object, ...]]]:
    connection = await asyncpg.connect(server.database_url().replace("+asyncpg", ""))
    try:
        rows = await connection.fetch(
            f"select s.external_id, {', '.join(f'e.{each}' for each in COLUMNS)} from events e"
            " join sessions s on s.id = e.session_id join teams t on t.id = s.team_id"
            " where t.name = $1 order by s.external_id, e.seq",
            team,
        )
    finally:
        await connection.close()
    found: dict[str, list[tuple[object, ...]]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(tuple(row)[1:])
    return found


async def test_a_server_killed_at_random_journals_what_an_undisturbed_upload_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    for folder in ("log", "work"):
        (tmp_path / folder).mkdir()
    texts = [b"".join(json.dumps(each).encode() + b"\n" for each in made(tmp_path / "work")) for made in (claude, codex)]
    files = [(tmp_path / "log" / f"{name}.jsonl", text) for name, text in zip(("a", "rollout-b"), texts, strict=True)]
    chance = random.Random(11)
    growing = Growing(files, chance)
    server = start(tmp_path / "data")
    port = urlsplit(server.url).port or 0
    env = os.environ | {"CAIRN_URL": server.url, "CAIRN_KEY": server.key}
    watch = subprocess.Popen([sys.executable, "-m", "app.cli", "watch", str(tmp_path / "log"), "--yes"], env=env, stderr=subprocess.DEVNULL)
    try:
        growing.until(0.05)
        wait_for(lambda: server.get("/v1/sessions")["sessions"] != [])
        for number in range(KILLS):
            thread = threading.Thread(target=growing.until, args=((number + 1) / (KILLS + 1),))
            thread.start()
            thread.join(timeout=chance.uniform(0.2, 2))  # how far the files are when it dies is left to chance
            server.kill()
            server = start(tmp_path / "data", port=port)
            thread.join()
        growing.until(1)
        server.post("/v1/teams", {"name": "undisturbed"})
        for path, text in files:
            assert path.read_bytes() == text
            headers = {"content-type": "application/octet-stream", "x-filename": path.name, "x-cairn-team": "undisturbed"}
            job = server._ask("POST", "/v1/sessions", text, headers)["job_id"]
            asked = f"/v1/jobs/{job}"
            wait_for(lambda asked=asked: server._ask("GET", asked, None, {"x-cairn-team": "undisturbed"})["state"] == "done")  # type: ignore[misc]
        wanted = await journal(server, "undisturbed")
        assert {name: len(events) for name, events in wanted.items()} == {"grown": 3 * TURNS, "grown-codex": 3 * TURNS}
        until = time.monotonic() + SECONDS
        while (found := await journal(server, "default")) != wanted and time.monotonic() < until:
            time.sleep(0.5)
        assert found == wanted
        assert watch.poll() is None
    finally:
        growing.stopped.set()
        watch.terminate()
        watch.wait()
        server.stop()

"""The programs under examples/plugins/ run as they stand, against the real server, and against none."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from tests.integration.api.conftest import Api, lesson
from tests.waiting import patience

ROOT = Path(__file__).resolve().parents[3]
PLUGINS = ROOT / "examples" / "plugins"
NOWHERE = "http://127.0.0.1:9"


@dataclass(frozen=True, slots=True)
class Ran:
    """What a program printed, and how it ended."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Developer:
    """A developer at work: a server, a key, and a project of their own with a lesson in it."""

    url: str
    key: str
    topic: str
    session: str

    async def run(self, program: str, *arguments: str | Path, stdin: str = "", url: str | None = None, key: str | None = None) -> Ran:
        """Run a program of the examples."""
        command = [str(PLUGINS / program)] if program.endswith(".sh") else [sys.executable, str(PLUGINS / program)]
        given = {
            "CAIRN_URL": url or self.url,
            "CAIRN_KEY": self.key if key is None else key,
            "PYTHONPATH": str(ROOT),
            "PYTHONIOENCODING": "utf-8",
        }
        process = await asyncio.create_subprocess_exec(
            *command,
            *map(str, arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, **given},
        )
        async with patience():
            out, err = await process.communicate(stdin.encode())
        assert b"Traceback" not in err, err.decode()
        return Ran(process.returncode or 0, out.decode(), err.decode())


@pytest.fixture(scope="module")
async def developer(api: Api) -> Developer:
    key, topic = await api.developer(), f"svc{uuid4().hex[:8]}"
    job = await api.ingest(lesson(topic), key=key, project=topic, name=f"{topic}.jsonl")
    return Developer(api.url, key, topic, job["result"]["sessions"][0])


async def test_an_editor_asks_and_shows_the_answer_with_its_citation(developer: Developer) -> None:
    topic = developer.topic
    ran = await developer.run(
        "ask_from_editor.py", f"Why does the {topic} service drop its connections?", "--project", topic, "--file", "a.py"
    )
    assert (ran.code, ran.err) == (0, "")
    assert f"keepalive_{topic}" in ran.out
    assert f"  [1] {topic}.jsonl {topic}-2" in ran.out
    nothing = await developer.run("ask_from_editor.py", "How tall is the lighthouse of Alexandria?", "--project", topic)
    assert (nothing.code, nothing.out) == (1, "Nothing that the team said answers this.\n")
    offline = await developer.run("ask_from_editor.py", "x", url=NOWHERE)
    assert (offline.code, offline.out, offline.err.startswith("Cairn: The server at")) == (2, "", True)


async def test_a_session_is_sent_and_waited_for(developer: Developer, tmp_path: Path) -> None:
    file = tmp_path / "session.jsonl"
    file.write_text(lesson(f"svc{uuid4().hex[:8]}"))
    ran = await developer.run("send_session.py", file, "--project", developer.topic)
    assert (ran.code, ran.out.endswith(f" of {developer.topic} can be found now: 3 events.\n")) == (0, True), ran
    assert "done: " in ran.err
    absent = await developer.run("send_session.py", tmp_path / "absent.jsonl")
    assert (absent.code, "wasn't sent" in absent.err) == (1, True)


async def test_live_events_are_sent_and_watched(developer: Developer) -> None:
    session = f"ide-{uuid4().hex[:8]}"
    said = "user: Why does the build fail?\nassistant: The lock file is pnpm's.\n"
    ran = await developer.run("live_events.py", session, "--project", developer.topic, stdin=said)
    assert (ran.code, ran.out) == (0, "2 events are stored.\n"), ran.err
    watched = await developer.run("watch_session.py", developer.session, "--seconds", "0")
    assert [line.split()[0] for line in watched.out.splitlines()] == ["prompt", "reply", "prompt", "learnt"], watched.err
    unknown = await developer.run("watch_session.py", str(uuid4()), "--seconds", "0")
    assert (unknown.code, unknown.err.startswith("Cairn: ")) == (1, True)


async def test_the_status_bar_always_has_its_one_line(developer: Developer) -> None:
    async with patience():  # the program waits three seconds; a busy machine may take longer
        while (first := await developer.run("budget_in_status_bar.py")).out == "Cairn: offline\n":
            pass
    lines = [
        first,
        await developer.run("budget_in_status_bar.py", url=NOWHERE),
        await developer.run("budget_in_status_bar.py", key="ck_not_a_key"),
    ]
    assert [each.code for each in lines] == [0, 0, 0]
    assert lines[0].out.startswith("Cairn: $8.33 of $8.33 left until 01 ")
    assert [each.out for each in lines[1:]] == ["Cairn: offline\n", "Cairn: sign in\n"]


async def test_comments_are_remembered_once(developer: Developer, tmp_path: Path) -> None:
    file = tmp_path / "bus.py"
    file.write_text(f"x = 1  # cairn: Port 4222 of {developer.topic} is NATS's: nothing else may listen there.\n# no comment of ours\n")
    first = await developer.run("remember_comments.py", "--project", developer.topic, file)
    assert (first.code, len(first.out.splitlines()), "is NATS's" in first.out) == (0, 1, True), first.err
    assert (await developer.run("remember_comments.py", "--project", developer.topic, file)).out == first.out


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_curl_alone_asks_and_hides_the_key(developer: Developer) -> None:
    ran = await developer.run("ask.sh", f'Why does the "{developer.topic}" service drop its connections?', developer.topic)
    assert (ran.code, f"keepalive_{developer.topic}" in ran.out, ran.err) == (0, True, "")
    refused = await developer.run("ask.sh", "x", key="ck_not_a_key")
    assert (refused.code, '"code":"' in refused.err.replace(" ", ""), refused.out) == (22, True, "")


def test_every_program_is_listed_and_run() -> None:
    listed, tests = (PLUGINS / "README.md").read_text(), Path(__file__).read_text()
    for program in PLUGINS.iterdir():
        if program.suffix in {".py", ".sh"}:
            assert f"`{program.name} " in listed or f"`{program.name}`" in listed
            assert f'"{program.name}"' in tests

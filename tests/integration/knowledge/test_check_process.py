"""A check is a process of its own, bounded in time and memory, that ends with its job: however that ends, and the `git` that runs with it."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from app.errors import CairnError, DeadlineExceeded, InvalidInput, NotFound, Unavailable
from app.knowledge import check_process
from app.knowledge.check_process import MarkedItem, open_check
from tests.integration.freshness.conftest import Repo
from tests.waiting import patience

HANGS = 'echo "$$ $PPID" > "$STARTED.new"; mv "$STARTED.new" "$STARTED"; exec sleep 1000'


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return Repo.begun(tmp_path / "shop.git", {"src/pool.py": "def acquire_one():\n    return 1\n"})


@pytest.fixture
def started(tmp_path: Path) -> Path:
    """The file in which a `git` that `git_log_does` made writes its process and the one that started it."""
    return tmp_path / "started"


@pytest.fixture
def git_log_does(tmp_path: Path, started: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Put a `git` first on the path whose `log` runs a shell's commands instead."""

    def put(commands: str) -> None:
        folder = tmp_path / "bin"
        folder.mkdir()
        script = folder / "git"
        real = shutil.which("git")
        script.write_text(f'#!/bin/sh\ncase " $* " in *" log "*) {commands} ;; esac\nexec "{real}" "$@"\n')
        script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        monkeypatch.setenv("STARTED", str(started))

    return put


async def check(repo: Repo, kept: Path, words: str = "`acquire_one` gives one") -> list[str]:
    async with open_check(repo.folder, kept) as process:
        await process.add(MarkedItem(repo.said(words), None))
        return [finding.verdict for _, finding in (await process.findings()).findings]


async def processes(started: Path) -> list[int]:
    async with patience():
        while not started.exists():
            await asyncio.sleep(0.05)
    return [int(each) for each in started.read_text().split()]


async def ended(numbers: list[int]) -> None:
    async with patience():
        while [each for each in numbers if _is_alive(each)]:
            await asyncio.sleep(0.05)


def _is_alive(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_a_check_gives_the_findings_with_the_repositorys_name(repo: Repo, tmp_path: Path) -> None:
    assert await check(repo, tmp_path / "kept") == ["fresh"]
    async with open_check(repo.folder, tmp_path / "kept") as process:
        assert process.remote == "shop"
    repo.git("remote", "add", "origin", "https://git.example.org/acme/shop.git")
    async with open_check(repo.folder, tmp_path / "kept") as process:
        assert process.remote == "https://git.example.org/acme/shop.git"


async def test_more_items_than_a_pipe_holds_are_handed_over(repo: Repo, tmp_path: Path) -> None:
    async with open_check(repo.folder, tmp_path / "kept") as process:
        for _ in range(500):
            await process.add(MarkedItem(repo.said("`acquire_one` gives one\n" + "ö" * 2_000), None))
        assert len((await process.findings()).findings) == 500


async def test_cancelling_a_check_ends_its_process_and_git(
    repo: Repo, tmp_path: Path, started: Path, git_log_does: Callable[[str], None]
) -> None:
    git_log_does(HANGS)
    running = asyncio.create_task(check(repo, tmp_path / "kept"))
    git, child = await processes(started)
    assert child != os.getpid()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await ended([git, child])


def test_a_check_ends_when_its_owner_is_killed(repo: Repo, tmp_path: Path, started: Path, git_log_does: Callable[[str], None]) -> None:
    git_log_does(HANGS)
    owner = (
        "import asyncio, pathlib, sys\n"
        "from app.knowledge.check_process import open_check\n"
        "async def main():\n"
        "    async with open_check(*map(pathlib.Path, sys.argv[1:])) as process:\n"
        "        await process.findings()\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen([sys.executable, "-c", owner, str(repo.folder), str(tmp_path / "kept")]) as process:
        numbers = asyncio.run(processes(started))
        process.kill()
    asyncio.run(ended(numbers))


async def test_a_check_is_bounded_in_time(
    repo: Repo, tmp_path: Path, started: Path, git_log_does: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    git_log_does(HANGS)
    monkeypatch.setattr(check_process, "CHECK_SECONDS", 5.0)
    with pytest.raises(DeadlineExceeded, match=r"took longer than .* minutes\. Run `git gc` there"):
        await check(repo, tmp_path / "kept")
    if started.exists():
        await ended(await processes(started))


async def test_a_timeout_of_the_callers_own_is_not_taken_for_the_checks(
    repo: Repo, tmp_path: Path, git_log_does: Callable[[str], None]
) -> None:
    git_log_does(HANGS)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await check(repo, tmp_path / "kept")


async def test_the_process_and_its_git_are_bounded_in_memory(
    repo: Repo, tmp_path: Path, started: Path, git_log_does: Callable[[str], None]
) -> None:
    git_log_does('ulimit -d > "$STARTED"')
    assert await check(repo, tmp_path / "kept") == ["fresh"]
    assert int(started.read_text()) * 1024 == check_process.MAX_MEMORY_BYTES


async def test_a_process_that_dies_is_told_with_its_end_and_leaves_no_git(
    repo: Repo, tmp_path: Path, started: Path, git_log_does: Callable[[str], None]
) -> None:
    git_log_does(f"kill -9 $PPID; {HANGS}")
    with pytest.raises(CairnError, match="ended without an answer") as raised:
        await check(repo, tmp_path / "kept")
    assert type(raised.value) is CairnError  # counted, and tried again
    if started.exists():
        await ended((await processes(started))[:1])


async def test_without_git_it_says_what_to_install(repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    with pytest.raises(Unavailable, match="Install the package `git`"):
        await check(repo, tmp_path / "kept")


async def test_what_is_wrong_with_the_repository_is_told(repo: Repo, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="There is no folder"):
        await check(Repo(tmp_path / "none"), tmp_path / "kept")
    empty = Repo(tmp_path / "empty")
    empty.folder.mkdir()
    empty.git("init", "--quiet")
    with pytest.raises(InvalidInput, match="has no commit 'HEAD'"):
        await check(empty, tmp_path / "kept")

"""A child process that checks items against a repository: it computes for seconds, and a thread would go on when its job has ended.

`python -m app.knowledge.check_process` reads lines of JSON: the repository and the folder of digests, then each item, then null. It writes
the repository's name, or an error, then what was found. It knows no database.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import astuple, dataclass
from datetime import datetime
from pathlib import Path
from queue import SimpleQueue
from subprocess import PIPE
from threading import Thread
from typing import Any
from uuid import UUID

from app import clock
from app.errors import CairnError, DeadlineExceeded, InvalidInput, NotFound, TooLarge, Unavailable
from app.freshness.checking import CheckedItem, CheckResult, check_items
from app.freshness.git import Repository
from app.freshness.marking import KnownMark, choose_findings, kept_file
from app.freshness.verdicts import CodeFinding
from app.storage.priority import lower_priority

CHECK_SECONDS = 1_800.0
"""The longest time of a check, reading its items included. The largest that the other bounds let through take some minutes."""
MAX_MEMORY_BYTES = 2 * 2**30
"""Private memory of the process, and of each `git` that it starts."""
MAX_REMOTE_CHARS = 4_000
NICENESS = 10
"""Added to the worker's nice value: other jobs go first."""
_ERRORS: Mapping[str, type[CairnError]] = {
    each.__name__: each for each in (DeadlineExceeded, InvalidInput, NotFound, TooLarge, Unavailable)
}


@dataclass(frozen=True, slots=True)
class MarkedItem:
    """An item to check, and its mark of this repository."""

    item: CheckedItem
    mark: KnownMark | None


class CheckProcess:
    """A check that runs. `remote`: the URL of the repository's remote, else its folder's name."""

    def __init__(self, process: asyncio.subprocess.Process, path: Path) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._path = path
        self._given, self._found = process.stdin, process.stdout
        self.remote = ""

    async def open(self, kept: Path) -> None:
        await self._give([str(self._path), str(kept)])
        self.remote = await self._answer(await self._found.readline())

    async def add(self, item: MarkedItem) -> None:
        """Hand over an item."""
        await self._give(_fields_of(item))

    async def findings(self) -> CheckResult:
        """Check all items; return the commit, and those findings that the server should have in place of its marks."""
        await self._give(None)
        commit, found = await self._answer(await self._found.read())
        return CheckResult(commit, [(UUID(item), CodeFinding(*fields)) for item, *fields in found])

    async def _give(self, value: object) -> None:
        with suppress(ConnectionError):  # it has ended: its answer says why
            self._given.write(json.dumps(value).encode() + b"\n")
            await self._given.drain()

    async def _answer(self, line: bytes) -> Any:
        """Return an answer. Raises the error that the process tells of, or that it ended without an answer."""
        if not line.endswith(b"\n"):
            status = await self._process.wait()
            cause = "killed, perhaps since the machine ran out of memory" if status == -signal.SIGKILL else f"status {status}"
            raise CairnError(f"The process that checks {self._path} ended without an answer ({cause}). The worker's log may say why.")
        answer = json.loads(line)
        if "error" in answer:
            raise _ERRORS[answer["error"]](answer["message"])
        return answer["value"]

    async def stop(self) -> None:
        """End the process, and what it started."""
        if self._process.returncode != 0:  # also of one that died: what it started may go on
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            await self._process.wait()


@asynccontextmanager
async def open_check(path: Path, kept: Path) -> AsyncIterator[CheckProcess]:
    """Start the check of a repository, whose process ends with the context. `kept`: the folder of digests.

    NotFound where there is no repository, Unavailable without git, DeadlineExceeded after CHECK_SECONDS, TooLarge past MAX_MEMORY_BYTES.
    """
    command = (sys.executable, "-P", "-m", "app.knowledge.check_process")
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, start_new_session=True)
    check = CheckProcess(process, path)
    limit = asyncio.timeout(CHECK_SECONDS)
    try:
        async with limit:
            await check.open(kept)
            yield check
    except TimeoutError as error:
        if not limit.expired():
            raise
        words = f"The check of {path} took longer than {CHECK_SECONDS / 60:g} minutes"
        raise DeadlineExceeded(f"{words}. Run `git gc` there; if that doesn't help, name a smaller repository.") from error
    finally:
        await check.stop()


def _fields_of(given: MarkedItem) -> list[object]:
    item, mark = given.item, given.mark
    known = None if mark is None else [mark.told, mark.head, mark.checked_at.isoformat()]
    return [str(item.id), item.words, list(item.paths), item.said_at.isoformat(), known]


def _item_of(fields: Sequence[Any]) -> MarkedItem:
    item, words, paths, said_at, known = fields
    mark = None if known is None else KnownMark(tuple(known[0]), known[1], datetime.fromisoformat(known[2]))
    return MarkedItem(CheckedItem(UUID(item), words, paths, datetime.fromisoformat(said_at)), mark)


def _check(lines: Iterator[Any]) -> None:
    """Check the remote's default branch, as a clone that is only fetched has it, else HEAD."""
    path, kept = map(Path, next(lines))
    repository = Repository.open(path)
    _tell({"value": (repository.remote() or path.name.removesuffix(".git"))[:MAX_REMOTE_CHARS]})
    given = [_item_of(each) for each in lines]
    default = repository.default_branch()
    ref = "HEAD" if default is None else f"refs/remotes/origin/{default}"
    result = check_items(repository, [each.item for each in given], ref=ref, kept=kept_file(kept, repository))
    marks = {each.item.id: each.mark for each in given if each.mark is not None}
    chosen = choose_findings(repository, result, marks, at=clock.now()).items
    _tell({"value": [result.commit, [[str(item), *astuple(finding)] for item, finding in result.findings if item in chosen]]})


def _tell(answer: Mapping[str, object]) -> None:
    sys.stdout.write(f"{json.dumps(answer)}\n")
    sys.stdout.flush()


def _follow_owner(lines: SimpleQueue[bytes]) -> None:
    """Hand on what the owner writes. When it has ended, however it ended, end this process and the `git` that it started."""
    with open(sys.stdin.fileno(), "rb", closefd=False) as given:  # not sys.stdin, for which the interpreter's end would wait
        for line in given:
            lines.put(line)
    os.killpg(0, signal.SIGKILL)


def main() -> None:
    lower_priority(NICENESS)
    with suppress(OSError, ValueError):  # not on every system, and not above what the process has
        resource.setrlimit(resource.RLIMIT_DATA, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    lines: SimpleQueue[bytes] = SimpleQueue()
    Thread(target=_follow_owner, args=(lines,), daemon=True).start()
    try:
        _check(iter(lambda: json.loads(lines.get()), None))
    except tuple(_ERRORS.values()) as error:
        _tell({"error": next(name for name, kind in _ERRORS.items() if isinstance(error, kind)), "message": error.message})
    except MemoryError:
        words = f"The check of the repository needs more than {MAX_MEMORY_BYTES // 2**30} GiB of memory"
        _tell({"error": TooLarge.__name__, "message": f"{words}: name a smaller repository."})


if __name__ == "__main__":
    main()

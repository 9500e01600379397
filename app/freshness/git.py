"""Reads a git repository with the `git` command: commits, files, contents. Never writes to it, runs its hooks, or asks a remote."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Literal

from app.errors import InvalidInput, NotFound, Unavailable

MAX_COMMITS = 20_000
"""Commits whose changes are read, the newest: more are told as history that is missing."""
MAX_BLOB_BYTES = 4 * 2**20
"""Longer contents aren't read: their id alone tells that they changed."""
GIT_SECONDS = 120
SINCE_MIN = 100_000_000
"""The earliest time that `git log --since` takes as one (1973)."""
REGULAR = frozenset({"100644", "100755"})
"""Modes of regular files. Symbolic links and submodules are no files of the repository."""
ABSENT = "0" * 40
"""The id that git gives to the content of a file that isn't there (as many digits more with SHA-256)."""
_ENVIRONMENT = {
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "LC_ALL": "C",
}
_QUIET = ("-c", "core.quotepath=false", "-c", "log.showSignature=false", "-c", "core.fsmonitor=false", "-c", "diff.external=")
ChangeStatus = Literal["added", "modified", "deleted", "renamed"]
_STATUSES: Mapping[str, ChangeStatus] = {"A": "added", "M": "modified", "T": "modified", "D": "deleted", "R": "renamed"}


@dataclass(frozen=True, slots=True)
class FileChange:
    """A commit's change of one file. `before`, `after`: paths; equal unless it was renamed. Blob ids are None where there is no file."""

    status: ChangeStatus
    before: str
    after: str
    old_blob: str | None
    new_blob: str | None


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit that isn't a merge. `at`: when its author wrote it, which a rebase keeps; seconds since 1970."""

    id: str
    at: int
    changes: Sequence[FileChange]


class Repository:
    """A git repository on this machine: with a work tree or bare, whole or shallow."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def open(cls, path: Path) -> Repository:
        """Open the repository that a folder belongs to. NotFound where it is none, Unavailable without the git command."""
        if not path.is_dir():
            raise NotFound(f"There is no folder {path}. Name a folder of a git repository, with --repo.")
        repository = cls(path)
        repository._git("rev-parse", "--git-dir", otherwise=f"{path} is not in a git repository that can be read. Name one with --repo")
        return repository

    def commit_id(self, ref: str) -> str:
        """Return the id of the commit that a branch, tag or `HEAD` names. InvalidInput where there is none."""
        try:
            return self._git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}").strip()
        except NotFound:
            raise InvalidInput(
                f"The repository at {self.path} has no commit {ref!r}. Make a first commit, or name a branch or tag with --ref.",
                param="ref",
            ) from None

    def branch(self) -> str | None:
        """Return the branch that is checked out; None: a commit is."""
        with suppress(NotFound):
            return self._git("symbolic-ref", "--quiet", "--short", "HEAD").strip() or None
        return None

    def default_branch(self) -> str | None:
        """Return the name of the remote's default branch, as far as this clone knows it."""
        with suppress(NotFound):
            return self._git("symbolic-ref", "--quiet", "--short", "refs/remotes/origin/HEAD").strip().partition("/")[2] or None
        return None

    def remote(self) -> str | None:
        """Return the URL of the remote `origin`, as the repository's configuration writes it; None: it has none."""
        with suppress(NotFound):
            return self._git("config", "--get", "remote.origin.url").strip() or None
        return None

    def is_shallow(self) -> bool:
        return self._git("rev-parse", "--is-shallow-repository").strip() == "true"

    def git_folder(self) -> Path:
        """Return the folder that all work trees of the repository share."""
        return (self.path / self._git("rev-parse", "--git-common-dir").strip()).resolve()

    def is_ancestor(self, older: str, newer: str) -> bool:
        """Tell whether a commit is in another one's history; False for one that the repository doesn't have."""
        with suppress(NotFound):
            self._git("merge-base", "--is-ancestor", older, newer)
            return True
        return False

    def files(self, commit: str) -> dict[str, str]:
        """Return path → blob id of the regular files of a commit."""
        found: dict[str, str] = {}
        for entry in self._git("ls-tree", "-r", "-z", "--full-tree", commit).split("\0"):
            described, _, path = entry.partition("\t")
            mode, _, blob = described.partition(" blob ")
            if mode in REGULAR:
                found[path] = blob
        return found

    def commits(self, head: str, *, since: datetime, known: str | None = None) -> list[Commit]:
        """Return the commits of a history since a time, the newest first, MAX_COMMITS at most; only those that `known` doesn't reach."""
        begin = max(SINCE_MIN, int(since.timestamp()))
        shown = ("--format=%x01%H %at", "-z", "--raw", "--no-abbrev", "-M", "--no-ext-diff", "--no-textconv", "--no-merges", "--topo-order")
        reached = [] if known is None else [f"^{known}"]
        return parse_log(self._git("log", *shown, f"--max-count={MAX_COMMITS}", f"--since=@{begin}", head, *reached, "--"))

    def oldest_known(self, head: str) -> datetime:
        """Return when the oldest commit that a history reaches was made: in a shallow clone, where it is cut off."""
        times = self._git("rev-list", "--max-parents=0", "--format=%at", head).splitlines()[1::2]
        return datetime.fromtimestamp(max(map(int, times), default=0), UTC)

    @contextmanager
    def open_blobs(self) -> Iterator[BlobReader]:
        """Yield a reader of contents; its process ends with the block."""
        command = self._command("cat-file", "--batch")
        with subprocess.Popen(  # noqa: S603 - as `_git`
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=_environment()
        ) as process:
            try:
                assert process.stdin is not None
                assert process.stdout is not None
                yield BlobReader(process.stdin, process.stdout)
            finally:
                process.kill()

    def _command(self, *arguments: str) -> list[str]:
        return ["git", *_QUIET, "-C", str(self.path), *arguments]

    def _git(self, *arguments: str, otherwise: str | None = None) -> str:
        """Run a command of git and return what it prints. NotFound where it fails: `otherwise` says what that means."""
        try:
            done = subprocess.run(  # noqa: S603 - no shell, and nothing that knowledge says gets here
                self._command(*arguments),
                capture_output=True,
                env=_environment(),
                timeout=GIT_SECONDS,
                check=False,
            )
        except FileNotFoundError as error:
            raise Unavailable(
                "The git command isn't installed, and the repository is read with it. Install git, then try again."
            ) from error
        except subprocess.TimeoutExpired as error:
            words = f"git {arguments[0]} in {self.path} took longer than {GIT_SECONDS} seconds. Try again, or run `git gc` there"
            raise Unavailable(f"{words}.") from error
        if done.returncode != 0:
            said = done.stderr.decode("utf-8", "replace").strip().partition("\n")[0]
            raise NotFound(f"{otherwise or f'git {arguments[0]} failed in {self.path}'}{f': {said}' if said else '.'}")
        return done.stdout.decode("utf-8", "surrogateescape")


class BlobReader:
    """Reads contents by their ids, one after the other, from one `git cat-file --batch`."""

    def __init__(self, asked: IO[bytes], answers: IO[bytes]) -> None:
        self._asked = asked
        self._answers = answers

    def read(self, blob: str) -> bytes | None:
        """Return a content; None where the repository lacks it (a partial clone), or it is longer than MAX_BLOB_BYTES."""
        self._asked.write(f"{blob}\n".encode())
        self._asked.flush()
        head = self._answers.readline().split()
        if len(head) != 3 or not head[2].isdigit():
            return None
        size = int(head[2])
        if size <= MAX_BLOB_BYTES:
            return self._answers.read(size + 1)[:size]
        left = size + 1
        while left:
            left -= len(self._answers.read(min(left, 2**20)))
        return None


def parse_log(log: str) -> list[Commit]:
    """Parse `git log -z --raw`, whose commits are headed by `\\x01id time`."""
    commits: list[Commit] = []
    for part in log.split("\x01")[1:]:
        head, *fields = part.split("\0")
        commit, _, at = head.partition(" ")
        commits.append(Commit(commit, int(at), list(_changes(iter(fields)))))
    return commits


def _changes(fields: Iterator[str]) -> Iterator[FileChange]:
    for field in fields:
        if not field.lstrip("\n").startswith(":"):
            continue
        old_mode, new_mode, old_blob, new_blob, letter = field.lstrip("\n")[1:].split(" ")
        before = next(fields)
        after = next(fields) if letter[0] in "RC" else before
        if (status := _STATUSES.get(letter[0])) is not None and {old_mode, new_mode} & REGULAR:
            old, new = (blob if mode in REGULAR else None for mode, blob in ((old_mode, old_blob), (new_mode, new_blob)))
            yield FileChange(status, before, after, old, new)


def _environment() -> dict[str, str]:
    """Return the environment without what would point git at another repository, as in a hook of git's."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") or name == "GIT_EXEC_PATH"}
    return {**inherited, **_ENVIRONMENT}

"""Reads a git repository with the `git` command: commits, files, contents. Never writes to it, runs its hooks, or asks a remote."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from hashlib import sha256
from math import ceil
from pathlib import Path
from typing import IO, Literal

from app.errors import InvalidInput, NotFound
from app.freshness.command import run_git, start_git

MAX_COMMITS = 20_000
"""Commits whose changes are read, the newest: more are told as history that is missing."""
MAX_BLOB_BYTES = 4 * 2**20
"""Longer contents aren't read: their id alone tells that they changed."""
MAX_PATH_CHARS = 1_000
"""Files whose path is longer, or no UTF-8, are left out: no item can name them, and no mark can."""
SINCE_MIN = 100_000_000
"""The earliest time that `git log --since` takes as one (1973)."""
REGULAR = frozenset({"100644", "100755"})
"""Modes of regular files. Symbolic links and submodules are no files of the repository."""
ChangeStatus = Literal["added", "modified", "deleted", "renamed"]
_HEAD = re.compile(r"(?P<id>[0-9a-f]{40,64}) (\d*) (\d*)")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
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
    """A commit that isn't a merge. `at`: when its author wrote it, which a rebase keeps; seconds since 1970, 0: it has no date."""

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
            raise NotFound(f"There is no folder {path}. Name a folder of a git repository.")
        repository = cls(path)
        repository._git("rev-parse", "--git-dir", otherwise=f"{path} is not in a git repository that can be read; name a folder of one")
        return repository

    def commit_id(self, ref: str) -> str:
        """Return the id of the commit that a branch, tag or `HEAD` names. InvalidInput where there is none."""
        try:
            return self._git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}").strip()
        except NotFound:
            raise InvalidInput(
                f"The repository at {self.path} has no commit {ref!r}. Make a first commit, or name a branch or tag that it has.",
                param="ref",
            ) from None

    def branch(self) -> str | None:
        """Return the branch that is checked out; None: a commit is."""
        with suppress(NotFound):
            return self._git("symbolic-ref", "--quiet", "HEAD").strip().removeprefix("refs/heads/") or None
        return None

    def default_branch(self) -> str | None:
        """Return the name of the remote's default branch, as far as this clone knows it."""
        with suppress(NotFound):
            return self._git("symbolic-ref", "--quiet", "refs/remotes/origin/HEAD").strip().removeprefix("refs/remotes/origin/") or None
        return None

    def remote(self) -> str | None:
        """Return the URL of the remote `origin`, as the repository's configuration writes it; None: it has none."""
        with suppress(NotFound):
            return self._git("config", "--get", "remote.origin.url").strip() or None
        return None

    def root(self) -> Path | None:
        """Return the folder of the work tree; None: the repository is bare."""
        with suppress(NotFound):
            return Path(self._git("rev-parse", "--show-toplevel").removesuffix("\n"))
        return None

    def boundary(self) -> str:
        """Return what tells where the history of a shallow clone is cut off, which a fetch moves; empty: it is whole."""
        with suppress(FileNotFoundError):
            cut = (self.git_folder() / "shallow").read_bytes()
            return sha256(cut).hexdigest() if cut else ""
        return ""

    def git_folder(self) -> Path:
        """Return the folder that all work trees of the repository share."""
        return (self.path / self._git("rev-parse", "--git-common-dir").strip()).resolve()

    def has(self, commit: str) -> bool:
        """Tell whether the repository has a commit."""
        with suppress(NotFound):
            self._git("cat-file", "-e", f"{commit}^{{commit}}")
            return True
        return False

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
            if mode in REGULAR and _is_readable(path):
                found[path] = blob
        return found

    def commits(self, head: str, *, since: datetime, known: str | None = None) -> list[Commit]:
        """Return the commits of a history since a time, the newest first, MAX_COMMITS at most; only those that `known` doesn't reach."""
        begin = max(SINCE_MIN, int(since.timestamp()))
        shown = ("--format=%H %at %ct", "-z", "--raw", "--no-abbrev", "-M", "--no-ext-diff", "--no-textconv", "--no-merges", "--date-order")
        reached = [] if known is None else [f"^{known}"]
        log = self._git("log", *shown, f"--max-count={MAX_COMMITS}", f"--since=@{begin}", head, *reached, "--")
        return parse_log(log, now=ceil(datetime.now(UTC).timestamp()))

    def cut_off_at(self, head: str) -> int:
        """Return when the commit was made at which a shallow clone's history is cut off; seconds since 1970."""
        return self._committed_at("--max-parents=0", head)

    def committed_at(self, commit: str) -> int:
        """Return when a commit was made, which is never before its author wrote it; seconds since 1970."""
        return self._committed_at("--max-count=1", commit)

    def _committed_at(self, *which: str) -> int:
        times = self._git("rev-list", "--format=%ct", *which, "--").splitlines()[1::2]
        return max((int(each) for each in times if each.isdecimal()), default=int(datetime.now(UTC).timestamp()))

    @contextmanager
    def open_blobs(self) -> Iterator[BlobReader]:
        """Yield a reader of contents; its process ends with the block."""
        with start_git(self.path, "cat-file", "--batch") as process:
            try:
                assert process.stdin is not None
                assert process.stdout is not None
                yield BlobReader(process.stdin, process.stdout)
            finally:
                process.kill()

    def _git(self, *arguments: str, otherwise: str | None = None) -> str:
        return run_git(self.path, *arguments, otherwise=otherwise)


class Unread(Enum):
    """A reason why a content isn't read: the repository lacks it (a partial clone), or it is longer than MAX_BLOB_BYTES."""

    MISSING = "missing"
    TOO_LONG = "too long"


class BlobReader:
    """Reads contents by their ids, one after the other, from one `git cat-file --batch`."""

    def __init__(self, asked: IO[bytes], answers: IO[bytes]) -> None:
        self._asked = asked
        self._answers = answers

    def read(self, blob: str) -> bytes | Unread:
        """Return a content. NotFound where git ends instead of answering."""
        with suppress(BrokenPipeError):  # its answers end then
            self._asked.write(f"{blob}\n".encode())
            self._asked.flush()
        head = self._answers.readline()
        described = head.split()
        if head.endswith(b" missing\n"):
            return Unread.MISSING
        if not head.endswith(b"\n") or len(described) != 3:
            raise _ended()
        left = int(described[2]) + 1
        if left <= MAX_BLOB_BYTES + 1:
            return self._take(left)[:-1]
        while left:
            left -= len(self._take(min(left, 2**20)))
        return Unread.TOO_LONG

    def _take(self, count: int) -> bytes:
        taken = self._answers.read(count)
        if len(taken) < count:
            raise _ended()
        return taken


def _ended() -> NotFound:
    return NotFound("git cat-file ended before it had given all contents. Run `git fsck` in the repository, then check again.")


def parse_log(log: str, *, now: int) -> list[Commit]:
    """Parse `git log -z --raw`, whose commits are headed by `id author's-time committer's-time`. No time counts that is after `now`."""
    commits: list[Commit] = []
    changes: list[FileChange] = []
    fields = iter(log.split("\0"))
    for field in fields:
        if (head := _HEAD.fullmatch(field)) is not None:
            changes = []
            times = [int(each) for each in head.groups()[1:] if each]
            commits.append(Commit(head["id"], min([*times, now]) if times else 0, changes))
        elif field.lstrip("\n").startswith(":") and (change := _change(field.lstrip("\n"), fields)) is not None:
            changes.append(change)
    return commits


def _change(described: str, fields: Iterator[str]) -> FileChange | None:
    """Return a change with its paths, which are the next fields; None: of no regular file, or of one that is left out."""
    old_mode, new_mode, old_blob, new_blob, letter = described[1:].split(" ")
    before = next(fields)
    after = next(fields) if letter[0] in "RC" else before
    status = _STATUSES.get(letter[0])
    if status is None or not {old_mode, new_mode} & REGULAR or not (_is_readable(before) and _is_readable(after)):
        return None
    old, new = (blob if mode in REGULAR else None for mode, blob in ((old_mode, old_blob), (new_mode, new_blob)))
    return FileChange(status, before, after, old, new)


def _is_readable(path: str) -> bool:
    return len(path) <= MAX_PATH_CHARS and (path.isascii() or not _SURROGATE.search(path))

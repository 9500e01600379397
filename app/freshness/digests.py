"""Digests of a repository's contents and its history, kept in a file between runs, so that a run after a commit reads only what is new.

What couldn't be read isn't kept: the next run may be able to.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from time import time

from app.freshness.git import MAX_COMMITS, BlobReader, Commit, FileChange, Repository, Unread
from app.freshness.grammars import ending, versions
from app.freshness.symbols import FileDigest, digest_file
from app.freshness.verdicts import UNKNOWN

PARTIAL = ".part"
"""The ending of a file that isn't written to its end yet."""
MAX_PARTIAL_SECONDS = 3600.0
"""A partial file that is older is abandoned: no run writes for so long."""
UNREAD = FileDigest(UNKNOWN, None)
"""The digest of a content that the repository lacks."""


@dataclass(frozen=True, slots=True)
class KnownHistory:
    """The commits of a head since a time, the newest first.

    `boundary`: where a shallow clone was cut off when they were read (`Repository.boundary`). `floor`: the time before which commits may be
    missing, in seconds since 1970; 0: none are.
    """

    head: str = ""
    since: int = 0
    boundary: str = ""
    floor: int = 0
    commits: Sequence[Commit] = ()


class Digests:
    """Digests by content: computed once, kept while runs use them."""

    def __init__(self, blobs: BlobReader, known: dict[str, FileDigest], history: KnownHistory) -> None:
        self._blobs = blobs
        self._known = known
        self._last = history
        self.used: dict[str, FileDigest] = {}
        self.history = history

    def of(self, path: str, blob: str) -> FileDigest:
        """Return the digest of a file's content. The language goes by the path's ending, so it is part of the key."""
        key = f"{blob}{ending(path)}"
        if (digest := self.used.get(key)) is None:
            digest = self.used[key] = self._known.get(key) or self._compute(path, blob)
        return digest

    def read_history(self, repository: Repository, head: str, *, since: datetime) -> KnownHistory:
        """Return the history since a time: what the last run knew, with the commits made after it.

        A clone that was cut off elsewhere then has other commits: what was known of it counts no more.
        """
        known, begin, boundary = self._last, int(since.timestamp()), repository.boundary()
        commits: Sequence[Commit]
        if known.head == head and known.since <= begin and known.boundary == boundary:
            return known
        if known.head and known.since <= begin and known.boundary == boundary and repository.is_ancestor(known.head, head):
            newer = repository.commits(head, since=datetime.fromtimestamp(known.since, UTC), known=known.head)
            begin, floor, commits = known.since, known.floor, [*newer, *known.commits][:MAX_COMMITS]
        else:
            floor, commits = repository.cut_off_at(head) if boundary else 0, repository.commits(head, since=since)
        if len(commits) == MAX_COMMITS:
            floor = max(floor, repository.committed_at(commits[-1].id))
        self.history = KnownHistory(head, begin, boundary, floor, commits)
        return self.history

    def _compute(self, path: str, blob: str) -> FileDigest:
        match self._blobs.read(blob):
            case Unread.MISSING:
                return UNREAD
            case Unread.TOO_LONG:
                return FileDigest(blob, None)
            case content:
                return digest_file(path, content, blob=blob)


@contextmanager
def open_digests(repository: Repository, file: Path | None) -> Iterator[Digests]:
    """Yield digests, read from a file and written back to it, without those that this run had no use for. None: they aren't kept."""
    known, history = _read(file)
    with repository.open_blobs() as blobs:
        digests = Digests(blobs, known, history)
        yield digests
    if file is not None and (digests.used.keys() != known.keys() or digests.history is not history):
        with suppress(OSError):  # it only spares time
            _write(file, digests)


def _read(file: Path | None) -> tuple[dict[str, FileDigest], KnownHistory]:
    """Read what was kept; nothing where there is no such file, or another version or a broken disk wrote it."""
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        if file is not None and (kept := json.loads(file.read_bytes()))["version"] == versions():
            known = {key: FileDigest(whole, symbols) for key, (whole, symbols) in kept["digests"].items()}
            commits = [Commit(commit, at, [FileChange(*each) for each in changes]) for commit, at, changes in kept["commits"]]
            return known, KnownHistory(kept["head"], kept["since"], kept["boundary"], kept["floor"], commits)
    return {}, KnownHistory()


def _write(file: Path, digests: Digests) -> None:
    """Replace the file at once, so that two runs beside each other leave one of both."""
    history = digests.history
    kept = {
        "version": versions(),
        "digests": {key: [each.whole, each.symbols] for key, each in digests.used.items() if each is not UNREAD},
        "head": history.head,
        "since": history.since,
        "boundary": history.boundary,
        "floor": history.floor,
        "commits": [[each.id, each.at, [_fields(change) for change in each.changes]] for each in history.commits],
    }
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    _remove_abandoned(file)
    with NamedTemporaryFile(dir=file.parent, prefix=f"{file.stem}.", suffix=PARTIAL, delete=False) as written:
        written.write(json.dumps(kept, separators=(",", ":")).encode())
    os.replace(written.name, file)  # noqa: PTH105 - as Path.replace, of a name


def _remove_abandoned(file: Path) -> None:
    """Remove the partial files of runs that were killed while they wrote."""
    for partial in file.parent.glob(f"{file.stem}.*{PARTIAL}"):
        with suppress(OSError):
            if time() - partial.stat().st_mtime > MAX_PARTIAL_SECONDS:
                partial.unlink()


def _fields(change: FileChange) -> list[str | None]:
    return [change.status, change.before, change.after, change.old_blob, change.new_blob]

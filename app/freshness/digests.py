"""Digests of a repository's contents and its history, kept in a file between runs, so that a run after a commit reads only what is new."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import NamedTemporaryFile

from app.freshness.git import BlobReader, Commit, FileChange, Repository
from app.freshness.grammars import VERSION, ending
from app.freshness.symbols import FileDigest, digest_file


@dataclass(slots=True)
class KnownHistory:
    """The commits of a head since a time, as the last run read them."""

    head: str = ""
    since: int = 0
    commits: list[Commit] = field(default_factory=list)


class Digests:
    """Digests by content: computed once, kept while runs use them."""

    def __init__(self, blobs: BlobReader, known: dict[str, FileDigest], history: KnownHistory) -> None:
        self._blobs = blobs
        self._known = known
        self.used: dict[str, FileDigest] = {}
        self.history = history

    def of(self, path: str, blob: str) -> FileDigest:
        """Return the digest of a file's content. The language goes by the path's ending, so it is part of the key."""
        key = f"{blob}{ending(path)}"
        if (digest := self.used.get(key)) is None:
            digest = self.used[key] = self._known.get(key) or self._compute(path, blob)
        return digest

    def commits(self, repository: Repository, head: str, *, since: datetime) -> list[Commit]:
        """Return the history since a time: what the last run knew, with the commits made after it."""
        known, begin = self.history, int(since.timestamp())
        if known.head and known.since <= begin and repository.is_ancestor(known.head, head):
            newer = [] if known.head == head else repository.commits(head, since=datetime.fromtimestamp(known.since, UTC), known=known.head)
            begin, commits = known.since, [*newer, *known.commits]
        else:
            commits = repository.commits(head, since=since)
        self.history = KnownHistory(head, begin, commits)
        return commits

    def _compute(self, path: str, blob: str) -> FileDigest:
        content = self._blobs.read(blob)
        return FileDigest(blob) if content is None else digest_file(path, content, blob=blob)


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
        if file is not None and (kept := json.loads(file.read_bytes()))["version"] == VERSION:
            known = {key: FileDigest(whole, symbols) for key, (whole, symbols) in kept["digests"].items()}
            commits = [Commit(commit, at, [FileChange(*each) for each in changes]) for commit, at, changes in kept["commits"]]
            return known, KnownHistory(kept["head"], kept["since"], commits)
    return {}, KnownHistory()


def _write(file: Path, digests: Digests) -> None:
    """Replace the file at once, so that two runs beside each other leave one of both."""
    history = digests.history
    kept = {
        "version": VERSION,
        "digests": {key: [each.whole, each.symbols] for key, each in digests.used.items()},
        "head": history.head,
        "since": history.since,
        "commits": [[each.id, each.at, [_fields(change) for change in each.changes]] for each in history.commits],
    }
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with NamedTemporaryFile(dir=file.parent, delete=False) as written:
        written.write(json.dumps(kept, separators=(",", ":")).encode())
    os.replace(written.name, file)  # noqa: PTH105 - as Path.replace, of a name


def _fields(change: FileChange) -> list[str | None]:
    return [change.status, change.before, change.after, change.old_blob, change.new_blob]

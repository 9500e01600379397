"""Decides which of the transcripts that `cairn ingest` found, and nobody named, stay on this machine."""

from __future__ import annotations

import gzip
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from app.cli import opencode_storage
from app.cli.agent_databases import is_store
from app.cli.discover import PACKED, FoundFile
from app.cli.kept import is_kept
from app.cli.pauses import DAMAGED, read_pause, read_pauses
from app.cli.watch.capture import CaptureRules
from app.cli.watch.contents import contents_ahead
from app.cli.watch.directories import directories_of

PRIVATE = "of a private folder or project, or one where capture is off"
KEPT = "recorded during a pause or with CAIRN_PRIVATE"
UNREAD = "that can't be checked (damaged, too large, or in a compression that can't be read here)"
PAUSED = "because the record of a pause can't be read (`cairn pause --off` ends the pause)"
HEAD_BYTES = 2**18
CHUNK_BYTES = 2**20
MAX_UNPACKED_BYTES = 2**30
MAX_WINDOW_BYTES = 2**26
GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


class UnpackingFailed(Exception):
    """A compressed file is damaged or too large, or nothing here unpacks it."""


class Withholding:
    """Judges files by their sessions' folders, as `cairn watch` does, and by pauses. Rules of a folder are read once."""

    def __init__(self, format: str) -> None:  # noqa: A002 - the contract's word
        self._format = format
        self._rules = CaptureRules()

    def reason(self, found: FoundFile) -> str | None:
        """Tell why a file stays, or None. A database is of many sessions: of it, those of private folders are left out as it is read."""
        if read_pause() == DAMAGED:
            return PAUSED
        path = found.path.with_suffix("") if _is_packed(found.path) else found.path
        if is_kept(str(path)) or is_kept(str(found.path)):
            return KEPT
        if is_store(found.path):
            return None
        try:
            with found.path.open("rb") as file:
                head = file.read(len(ZSTD))
        except OSError:
            return None  # it can't be sent either, which is told as its outcome
        try:
            with _opened(found.path, head) as file:
                return self._reason_in(file, found, path)
        except (OSError, UnpackingFailed):
            return UNREAD

    def _reason_in(self, file: IO[bytes], found: FoundFile, path: Path) -> str | None:
        written = found.path.stat().st_mtime
        if is_kept(str(path), file.read(HEAD_BYTES)) or any(each.held(written) for each in read_pauses()):
            return KEPT
        markdown = self._format == "auto" and path.suffix.lower() == ".md"
        contents, _ = contents_ahead(file.fileno(), 0, line=False, format="specstory" if markdown else self._format)
        if contents.paused:
            return KEPT
        folders = [found.directory] if found.directory is not None else directories_of(found.path.resolve(), self._format)
        if opencode_storage.is_session(found.path) and (folder := opencode_storage.directory_of(found.path)) is not None:
            folders = [folder, *folders]
        verdict = self._rules.judge(list(dict.fromkeys((*folders, *contents.directories))))
        return PRIVATE if verdict.private is not None and not verdict.unsure else None


def _opened(path: Path, head: bytes) -> IO[bytes]:
    """Open what is sent of a file that begins so, unpacked. Raises OSError; UnpackingFailed where it can't be unpacked."""
    if opencode_storage.is_session(path):
        return opencode_storage.exported(path)
    if not head.startswith((GZIP, ZSTD)):
        return path.open("rb")
    with path.open("rb") as file:
        return _unpacked(_gzip(file) if head.startswith(GZIP) else _zstd(file))


def _unpacked(pieces: Iterator[bytes]) -> IO[bytes]:
    made: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    try:
        for data in pieces:
            made.write(data)
            if made.tell() > MAX_UNPACKED_BYTES:
                raise UnpackingFailed
        made.seek(0)
    except BaseException:
        made.close()
        raise
    return made


def _gzip(file: IO[bytes]) -> Iterator[bytes]:
    try:
        with gzip.GzipFile(fileobj=file) as stream:
            yield from iter(lambda: stream.read(CHUNK_BYTES), b"")
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UnpackingFailed from error


def _zstd(file: IO[bytes]) -> Iterator[bytes]:
    try:
        import zstandard
    except ImportError as error:  # a client alone
        raise UnpackingFailed from error
    try:
        with zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW_BYTES).stream_reader(file, read_across_frames=True) as stream:
            yield from iter(lambda: stream.read(CHUNK_BYTES), b"")
    except zstandard.ZstdError as error:
        raise UnpackingFailed from error


def _is_packed(path: Path) -> bool:
    return path.suffix.lower() in PACKED


def summary(reasons: Iterable[tuple[str, int]]) -> str:
    """Say how many stay, and why."""
    counted = list(reasons)
    total = sum(count for _, count in counted)
    return (
        f"cairn: {total} transcript{' stays' if total == 1 else 's stay'} on this machine: "
        + ", ".join(f"{count} {reason}" for reason, count in counted)
        + ". `cairn ingest FILE` sends one anyway."
    )

"""Verify OpenVINO's cache of compiled models by digest: it accepts a damaged file and returns NaN vectors (measured).

Each `*.blob` has its digest beside it. A mismatch is quarantined, a blob without digest deleted: either is compiled again.
Every function does blocking I/O: call it in a thread.
"""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import mmap
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import structlog

from app.storage.aside import ensure_file_slot, make_folder, set_aside

log = structlog.get_logger()

PART, STEM, SUFFIX = "embeddings", "compiled", ".sha256"


@contextmanager
def checked(cache: Path) -> Iterator[Path | None]:
    """Yield the verified cache folder for a compilation, under a file lock; None if there can be none: compile without.

    The lock is needed because a blob that another process is writing has no digest yet.
    """
    try:
        make_folder(cache, part=PART)
        lock = ensure_file_slot(cache / ".lock", part=PART).open("a")
    except OSError as error:
        log.warning("embeddings.compiled_not_kept", reason=error.strerror)
        yield None
        return
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        usable = _remove_damaged(cache)
        yield cache if usable else None
        if usable:
            with suppress(OSError):  # without a digest the blob is compiled again at the next start
                _write_digests(cache)


def release_pages(cache: Path) -> None:
    """Give back the memory of blobs that are mapped read-only. Linux only.

    Each is 90 MB, of which a model that was compiled and has run once reads 3 MB again (measured).
    """
    libc, folder = ctypes.CDLL(None), f"{cache.resolve()}/"
    with suppress(OSError, AttributeError):
        for line in Path("/proc/self/maps").read_text(errors="replace").splitlines():
            place, access, *_, name = line.split(maxsplit=5)
            if access.startswith("r--") and name.startswith(folder):
                start, end = (int(each, 16) for each in place.split("-"))
                libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), mmap.MADV_DONTNEED)


def _remove_damaged(cache: Path) -> bool:
    """Remove damaged blobs; False if one can't be removed."""
    try:
        for blob in cache.glob("*.blob"):
            noted = blob.with_suffix(SUFFIX)
            if not noted.is_file() or not blob.is_file():
                ensure_file_slot(blob, part=PART).unlink(missing_ok=True)
            elif _digest(blob) != noted.read_text(errors="replace"):
                set_aside(blob, part=PART, reason="the compiled model is not what was written", stem=STEM)
                noted.unlink()
    except OSError as error:
        log.warning("embeddings.compiled_not_kept", reason=error.strerror)
        return False
    return True


def _write_digests(cache: Path) -> None:
    for blob in cache.glob("*.blob"):
        noted = ensure_file_slot(blob.with_suffix(SUFFIX), part=PART)
        if not noted.exists():
            noted.write_text(_digest(blob))


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()

"""Verifies OpenVINO's cache of compiled models by digest: OpenVINO itself loads a damaged file and returns NaN vectors (measured).

Each `*.blob` has its digest in a file beside it. A blob that differs is quarantined, one without a digest deleted; both are compiled again.
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
def verified_cache(cache: Path) -> Iterator[Path | None]:
    """Yield the cache folder, verified and locked, for a compilation; None if it can't be used: compile without a cache.

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
    """Release the memory of blobs that are mapped read-only. Linux only.

    A blob takes 90 MB, of which a model that has been compiled and run once reads only 3 MB again (measured).
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
            digest = blob.with_suffix(SUFFIX)
            if not digest.is_file() or not blob.is_file():
                ensure_file_slot(blob, part=PART).unlink(missing_ok=True)
            elif _digest(blob) != digest.read_text(errors="replace"):
                set_aside(blob, part=PART, reason="the compiled model differs from what was written", stem=STEM)
                digest.unlink()
    except OSError as error:
        log.warning("embeddings.compiled_not_kept", reason=error.strerror)
        return False
    return True


def _write_digests(cache: Path) -> None:
    for blob in cache.glob("*.blob"):
        digest = ensure_file_slot(blob.with_suffix(SUFFIX), part=PART)
        if not digest.exists():
            digest.write_text(_digest(blob))


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()

"""What OpenVINO keeps of a compiled model, checked by digest: it takes a damaged one for whole and gives vectors of NaN (measured).

Each `*.blob` has its digest beside it. One that differs from it is set aside, one without is deleted: either is compiled again.
Every function touches the disk: call it in a thread.
"""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import structlog

from app.storage.aside import make_folder, make_way, set_aside

log = structlog.get_logger()

PART, STEM, SUFFIX = "embeddings", "compiled", ".sha256"


@contextmanager
def checked(cache: Path) -> Iterator[Path | None]:
    """The cache's folder, for the length of a compilation, with nothing damaged in it. None: there can be none; compile without.

    One process at a time: what another one is writing has no digest yet.
    """
    try:
        make_folder(cache, part=PART)
        lock = make_way(cache / ".lock", part=PART).open("a")
    except OSError as error:
        log.warning("embeddings.compiled_not_kept", reason=error.strerror)
        yield None
        return
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        usable = _swept(cache)
        yield cache if usable else None
        if usable:
            with suppress(OSError):  # without a digest it is compiled again at the next start
                _note(cache)


def _swept(cache: Path) -> bool:
    """False where something damaged can't be moved out of the way."""
    try:
        for blob in cache.glob("*.blob"):
            noted = blob.with_suffix(SUFFIX)
            if not noted.is_file() or not blob.is_file():
                make_way(blob, part=PART).unlink(missing_ok=True)
            elif _digest(blob) != noted.read_text(errors="replace"):
                set_aside(blob, part=PART, reason="the compiled model is not what was written", stem=STEM)
                noted.unlink()
    except OSError as error:
        log.warning("embeddings.compiled_not_kept", reason=error.strerror)
        return False
    return True


def _note(cache: Path) -> None:
    for blob in cache.glob("*.blob"):
        noted = make_way(blob.with_suffix(SUFFIX), part=PART)
        if not noted.exists():
            noted.write_text(_digest(blob))


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()

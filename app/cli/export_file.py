"""Writes an export of JSON Lines to a new file that only its owner reads: whole or not at all, compressed where its name ends in .zst."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from app.errors import Conflict, InvalidInput

if TYPE_CHECKING:
    from zstandard import ZstdCompressor

    from app.cli.client import Json

COMPRESSED: Final = ".zst"


def check_new(file: Path) -> None:
    """Raise Conflict or InvalidInput where the file can't be a new one, before anything is asked for."""
    if file.exists():
        raise Conflict(f"{file} exists already: choose another file for the export.")
    if not file.absolute().parent.is_dir():
        raise InvalidInput(f"{file.absolute().parent} is not a folder: choose another file for the export.")
    if file.suffix == COMPRESSED:
        _compressor(file)


async def write_records(records: AsyncIterator[Json], file: Path, *, mark: str) -> Json:
    """Write records to a new file; return the last one, whose field `mark` is "end". Conflict without it, and nothing is kept."""
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    end: Json | None = None
    try:
        with _opened(part, file) as out:
            async for record in records:
                out.write(json.dumps(record, ensure_ascii=False).encode() + b"\n")
                end = record if record.get(mark) == "end" else None
        if end is None:
            raise Conflict("The export was cut off: the server ended it early. Nothing was kept of it; try again.")
        os.link(part, file)  # not over a file that was made meanwhile
    except OSError as error:
        raise InvalidInput(f"{file} can't be written ({error.strerror}): choose another file for the export.") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    return end


@contextmanager
def _opened(part: Path, file: Path) -> Iterator[BinaryIO]:
    """Open the part file; once the block has ended well, all of it is on the disk."""
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        if file.suffix == COMPRESSED:
            with _compressor(file).stream_writer(out, closefd=False) as compressed:
                yield cast("BinaryIO", compressed)
        else:
            yield out
        out.flush()
        os.fsync(out.fileno())


def _compressor(file: Path) -> ZstdCompressor:
    try:
        from zstandard import ZstdCompressor
    except ImportError:
        raise InvalidInput(f"{file} ends in {COMPRESSED}, and this installation can't compress: leave that ending out.") from None
    return ZstdCompressor(write_checksum=True)

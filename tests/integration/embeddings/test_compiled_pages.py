"""The pages of a compiled model's file: given back once it is loaded, and read again where they are needed."""

from __future__ import annotations

import mmap
import sys
from pathlib import Path

import pytest

from app.embeddings.compiled import release_pages

SIZE = 2**20

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc/self/smaps is Linux's")


def resident(file: Path) -> int:
    """Kilobytes of a mapped file that are in this process's memory."""
    lines = iter(Path("/proc/self/smaps").read_text().splitlines())
    return sum(int(next(each for each in lines if each.startswith("Rss:")).split()[1]) for line in lines if line.endswith(str(file)))


def test_the_pages_of_a_blob_are_given_back_and_can_be_read_again(tmp_path: Path) -> None:
    cache, other = tmp_path / "compiled", tmp_path / "other.blob"
    cache.mkdir()
    for file in (cache / "model.blob", other):
        file.write_bytes(b"x" * SIZE)
    with (cache / "model.blob").open("rb") as blob, other.open("rb") as beside:
        ours, theirs = (mmap.mmap(each.fileno(), 0, access=mmap.ACCESS_READ) for each in (blob, beside))
        assert ours[:] == theirs[:]
        release_pages(cache)
        assert (resident(cache / "model.blob"), resident(other)) == (0, SIZE // 1024)
        assert ours[:] == b"x" * SIZE


def test_what_was_written_to_a_private_mapping_is_kept(tmp_path: Path) -> None:
    (tmp_path / "model.blob").write_bytes(b"x" * SIZE)
    with (tmp_path / "model.blob").open("r+b") as blob:
        private = mmap.mmap(blob.fileno(), 0, access=mmap.ACCESS_COPY)
        private[:4] = b"mine"
        release_pages(tmp_path)
        assert private[:5] == b"minex"

"""Contents as `git cat-file --batch` gives them, or fails to."""

from __future__ import annotations

from io import BytesIO

import pytest

from app.errors import NotFound
from app.freshness.git import MAX_BLOB_BYTES, BlobReader, Unread

BLOB = "a" * 40


def read(answers: bytes, times: int = 1) -> list[bytes | Unread]:
    reader = BlobReader(BytesIO(), BytesIO(answers))
    return [reader.read(BLOB) for _ in range(times)]


def test_contents_follow_each_other_whatever_is_in_them() -> None:
    answers = f"{BLOB} blob 6\na\nb\0c\n\n{BLOB} missing\n{BLOB} blob 0\n\n".encode()
    assert read(answers, 3) == [b"a\nb\0c\n", Unread.MISSING, b""]


def test_a_long_content_is_passed_by() -> None:
    size = MAX_BLOB_BYTES + 1
    assert read(f"{BLOB} blob {size}\n".encode() + b"x" * size + f"\n{BLOB} blob 1\ny\n".encode(), 2) == [Unread.TOO_LONG, b"y"]


@pytest.mark.parametrize(
    "answers",
    [b"", b"aaaa", f"{BLOB} blob 9".encode(), f"{BLOB} blob 9\nabc".encode(), f"{BLOB} blob {MAX_BLOB_BYTES + 9}\nabc".encode()],
    ids=["nothing", "half a line", "a line without its end", "half a content", "half a long content"],
)
def test_where_git_ends_instead_of_answering_that_is_told(answers: bytes) -> None:
    with pytest.raises(NotFound, match="git cat-file ended"):
        read(answers)

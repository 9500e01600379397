"""What a failed export says to strangers is one line; its traceback is for the log."""

from __future__ import annotations

import pytest

from app.embeddings.model import MAX_REASON_CHARS, _reason

TRACEBACK = """Traceback (most recent call last):
  File "/home/ada/cairn/app/embeddings/export.py", line 40, in main
    check_weights(folder)
"""


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (f"{TRACEBACK}app.errors.ConfigurationError: The package x is not installed: run it.", "The package x is not installed: run it."),
        (f"{TRACEBACK}OSError: [Errno 28] No space left on device", "[Errno 28] No space left on device"),
        (
            "The exported model differs from sentence-transformers: cosine 0.5.",
            "The exported model differs from sentence-transformers: cosine 0.5.",
        ),
    ],
)
def test_the_reason_is_the_last_line_without_the_exceptions_name(said: str, reason: str) -> None:
    assert _reason(said, 1) == reason


def test_an_export_that_was_killed_says_so() -> None:
    assert "-9" in _reason("", -9)


def test_a_long_line_is_cut() -> None:
    assert len(_reason("x" * 10_000, 1)) == MAX_REASON_CHARS

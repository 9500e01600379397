"""The line at a run's end that says what was skipped."""

from __future__ import annotations

from tests.skipped import summary


def test_each_reason_is_counted_with_its_remedy() -> None:
    line = summary(
        [
            "Skipped: Chromium isn't installed: apt-get install chromium",
            "Skipped: the public evaluation data is not at /x (CAIRN_EVAL_DATA)",
            "Skipped: the public evaluation data is not at /x (CAIRN_EVAL_DATA)",
            "Skipped: a stream says its tokens before this fault",
        ]
    )
    assert line == (
        "Skipped: 2 for want of public evaluation data (put it at ../shared/data, or set CAIRN_EVAL_DATA), "
        "1 for want of Chromium (apt-get install chromium), 1 for combinations that don't exist."
    )


def test_a_run_without_skips_says_nothing() -> None:
    assert summary([]) == ""

"""The line at a run's end that says what was skipped."""

from __future__ import annotations

import pytest

from app.embeddings import cuda
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


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("the agents' fixtures are not at /x", "1 for want of public evaluation data"),
        ("the session is not at /x/full.jsonl", "1 for want of public evaluation data"),
        ("the shared cases are not at /x (CAIRN_CASES)", "1 for want of shared cases (put them at ../shared/cases, or set CAIRN_CASES)"),
        ("could not import 'langchain_openai': No module named 'langchain_openai'", "1 for want of langchain_openai"),
        ("torch is not installed: run `make install`.", "1 for want of torch (make install)"),
        ("there is a GPU that torch may use", "1 for want of a machine without a GPU"),
        ("root reads what nobody may read", "1 for want of another user than root"),
        ("network namespaces are not allowed here (unshare -n)", "1 for want of a network namespace"),
        ("node and npm are not installed", "1 for want of npm"),
        ("npm could not install @openai/codex", "1 for want of npm"),
        ("/proc/self/smaps is Linux's", "1 for want of Linux"),
    ],
)
def test_each_kind_of_reason_has_its_remedy(reason: str, told: str) -> None:
    assert summary([f"Skipped: {reason}"]).startswith(f"Skipped: {told}")


def test_the_reasons_of_a_machine_without_a_gpu_have_their_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "devices", lambda: 0)
    assert summary([f"Skipped: {cuda._problem()}"]) == "Skipped: 1 for want of an NVIDIA GPU (run it where torch may use one)."


def test_a_run_without_skips_says_nothing() -> None:
    assert summary([]) == ""

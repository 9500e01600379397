"""Says at a run's end, in one line, what was skipped and how to have it. `pytest_plugins` in `conftest.py` names this file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import pytest

REMEDIES: Mapping[str, str] = {
    "public evaluation data": "put it at ../shared/data, or set CAIRN_EVAL_DATA",
    "Chromium": "apt-get install chromium",
    "langchain_openai": "pip install langchain-openai",
    "CUDA": "run it where there is an NVIDIA GPU",
    "GPU": "only where there is no GPU",
    "root": "run it as another user than root",
}
"""A word of a reason → how to have the test run. Other skips concern combinations that don't exist, and are only counted."""


def summary(reasons: Iterable[str]) -> str:
    """Tell in one line how many tests were skipped for what, and what to do; empty where none was."""
    counts = Counter(next((word for word in REMEDIES if word in reason), "") for reason in reasons)
    if not counts:
        return ""
    told = [f"{count} for want of {word} ({REMEDIES[word]})" for word, count in counts.most_common() if word]
    if other := counts[""]:
        told.append(f"{other} for combinations that don't exist")
    return f"Skipped: {', '.join(told)}."


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = terminalreporter.stats.get("skipped", [])
    if line := summary(str(each.longrepr[2]) if isinstance(each.longrepr, tuple) else str(each.longrepr) for each in skipped):
        terminalreporter.write_line(line)
    if terminalreporter.config.getoption("markexpr") == "not slow and not long":
        terminalreporter.write_line("Left out: the slow tests (many processes, real sessions, the browser). Run make test-slow.")

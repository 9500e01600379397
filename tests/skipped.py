"""Says at a run's end, in one line, what was skipped and how to have it. `pytest_plugins` in `conftest.py` names this file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import pytest


class Want(NamedTuple):
    """What a skipped test wants for. `marks`: any of them in the reason tells it."""

    name: str
    marks: tuple[str, ...]
    remedy: str


WANTS = (
    Want(
        "public evaluation data",
        ("public evaluation data", "agents' fixtures are not", "session is not at"),
        "put it at ../shared/data, or set CAIRN_EVAL_DATA",
    ),
    Want("shared cases", ("CAIRN_CASES",), "put them at ../shared/cases, or set CAIRN_CASES"),
    Want("Chromium", ("Chromium",), "apt-get install chromium"),
    Want("langchain_openai", ("langchain_openai",), "pip install langchain-openai"),
    Want("an NVIDIA GPU", ("reports no GPU", "can't use the GPU"), "run it where torch may use one"),
    Want("torch", ("torch is not installed",), "make install"),
    Want("a machine without a GPU", ("there is a GPU",), "run it on one"),
    Want("another user than root", ("root reads",), "run it as one"),
    Want("a network namespace", ("network namespaces",), "run it as root, or allow unshare -n"),
    Want("curl", ("curl",), "apt-get install curl"),
    Want("a small file system", ("small file system",), "run it as root, where mount -t tmpfs is allowed"),
    Want("npm", ("npm",), "install Node.js, and let npm reach its registry"),
    Want("Linux", ("Linux",), "run it there"),
)
"""Other skips concern combinations that don't exist, and are only counted."""


def summary(reasons: Iterable[str]) -> str:
    """Tell in one line how many tests were skipped for what, and what to do; empty where none was."""
    counts = Counter(next((want for want in WANTS if any(mark in reason for mark in want.marks)), None) for reason in reasons)
    if not counts:
        return ""
    told = [f"{count} for want of {want.name} ({want.remedy})" for want, count in counts.most_common() if want]
    if other := counts[None]:
        told.append(f"{other} for combinations that don't exist")
    return f"Skipped: {', '.join(told)}."


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = terminalreporter.stats.get("skipped", [])
    if line := summary(str(each.longrepr[2]) if isinstance(each.longrepr, tuple) else str(each.longrepr) for each in skipped):
        terminalreporter.write_line(line)
    if terminalreporter.config.getoption("markexpr") == "not slow and not long":
        terminalreporter.write_line(
            "Left out: the slow and the long tests (many processes, real sessions, the browser). Run make test-slow."
        )

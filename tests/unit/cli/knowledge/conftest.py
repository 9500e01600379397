"""For tests of commands that read and write files."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def no_blocking_calls() -> None:
    """A command is alone in its process: it may wait for the disk."""

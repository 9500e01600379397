"""Spares a run the garbage collector's looks at what lives as long as the run itself: its modules, and the tests that were collected.

Of the processor's time of a collection they took a quarter, in each worker. `pytest_plugins` in `conftest.py` names this file.
"""

from __future__ import annotations

import gc
from collections.abc import Generator

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect the tests with the collector paused, then freeze what there is: what tests make is collected as ever."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()

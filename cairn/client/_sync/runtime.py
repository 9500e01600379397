"""Waits, and calls what blocks: the only things that the two faces do differently."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def sleep(seconds: float) -> None:
    """Wait."""
    time.sleep(seconds)


def run_blocking(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call what blocks."""
    return function(*args, **kwargs)

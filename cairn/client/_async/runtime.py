"""Waits, and calls what blocks: the only things that the two faces do differently."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


async def sleep(seconds: float) -> None:
    """Wait without holding up the event loop."""
    await asyncio.sleep(seconds)


async def run_blocking(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call what blocks, on a thread."""
    return await asyncio.to_thread(function, *args, **kwargs)

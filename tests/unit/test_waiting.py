"""Who waits in vain is told for what, and what was seen last."""

from __future__ import annotations

import asyncio

import pytest

from tests.waiting import patience

SHORT_SECONDS = 0.05


async def test_the_condition_of_a_loop_is_told_with_what_it_looked_at() -> None:
    async def look() -> dict[str, str]:
        return {"state": "queued"}

    with pytest.raises(AssertionError, match=r"waited 0.05 s in vain: while .*!= 'done'; found = {'state': 'queued'}"):
        async with patience(SHORT_SECONDS):
            while (found := await look())["state"] != "done":
                assert found
                await asyncio.sleep(0.001)


async def test_a_statement_that_never_returns_is_told() -> None:
    came = asyncio.Event()
    with pytest.raises(AssertionError, match=r"in vain: await came.wait\(\); came = <asyncio"):
        async with patience(SHORT_SECONDS):
            await came.wait()


async def test_the_innermost_loop_around_is_told() -> None:
    number = 0
    with pytest.raises(AssertionError, match=r"in vain: while number < 2; number = 1$"):
        async with patience(SHORT_SECONDS):
            while number < 3:
                number += 1
                while number < 2:
                    await asyncio.sleep(0.001)


async def test_what_comes_in_time_passes() -> None:
    came = asyncio.Event()
    asyncio.get_running_loop().call_soon(came.set)
    async with patience():
        await came.wait()


async def test_a_timeout_of_the_bodys_own_passes_as_it_is() -> None:
    with pytest.raises(TimeoutError):
        async with patience():
            raise TimeoutError


async def test_a_caller_that_is_cancelled_is_not_told_of_patience() -> None:
    async def waits() -> None:
        async with patience():
            await asyncio.Event().wait()

    waiting = asyncio.create_task(waits())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

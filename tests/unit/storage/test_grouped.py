"""Grouping, around a run that can be watched."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Sequence
from typing import Any

import pytest

from app.errors import Conflict, Unavailable
from app.storage.grouped import GroupCommit


class Watched:
    """Doubles numbers; records each batch; holds batches back while `gate` is closed. A negative number fails alone, `fails` the next batch."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.fails: Exception | None = None

    async def run(self, items: Sequence[int]) -> Sequence[int | Exception]:
        self.batches.append(list(items))
        await self.gate.wait()
        fails, self.fails = self.fails, None
        if fails:
            raise fails
        return [Conflict(str(item)) if item < 0 else item * 2 for item in items]


def grouped(inner: Watched, most: int = 100) -> GroupCommit[int, int]:
    return GroupCommit(inner.run, max_weight=most, name="doubling")


async def begun(inner: Watched) -> None:
    while not inner.batches:
        await asyncio.sleep(0)


async def test_each_gets_its_own_answer_in_the_order_of_asking() -> None:
    inner = Watched()
    group = grouped(inner)
    assert await asyncio.gather(*(group.submit(item) for item in range(250))) == [item * 2 for item in range(250)]
    assert [item for batch in inner.batches for item in batch] == list(range(250))


async def test_an_idle_group_runs_at_once_and_a_busy_one_gathers_what_comes() -> None:
    inner = Watched()
    inner.gate.clear()
    group = grouped(inner)
    first = group.submit(1)
    await begun(inner)
    rest = [group.submit(item) for item in (2, 3, 4)]
    inner.gate.set()
    assert await asyncio.gather(first, *rest) == [2, 4, 6, 8]
    assert inner.batches == [[1], [2, 3, 4]]


@pytest.mark.parametrize(("count", "most", "sizes"), [(7, 3, [3, 3, 1]), (6, 3, [3, 3]), (3, 1, [1, 1, 1]), (2, 5, [2])])
async def test_a_batch_is_bounded(count: int, most: int, sizes: list[int]) -> None:
    inner = Watched()
    group = grouped(inner, most)
    await asyncio.gather(*(group.submit(item) for item in range(count)))
    assert [len(batch) for batch in inner.batches] == sizes


async def test_an_error_in_an_items_place_is_that_items_alone() -> None:
    group = grouped(Watched())
    one, two, three = await asyncio.gather(*(group.submit(item) for item in (1, -2, 3)), return_exceptions=True)
    assert (one, three) == (2, 6)
    assert isinstance(two, Conflict)


async def test_an_error_of_the_run_is_everybodys_and_the_next_batch_works() -> None:
    inner = Watched()
    inner.fails = away = Unavailable("away")
    group = grouped(inner)
    assert await asyncio.gather(*(group.submit(item) for item in range(3)), return_exceptions=True) == [away] * 3
    assert await group.submit(4) == 8


async def test_what_waits_behind_a_batch_that_failed_is_run() -> None:
    inner = Watched()
    inner.gate.clear()
    inner.fails = Unavailable("away")
    group = grouped(inner)
    first = group.submit(1)
    await begun(inner)
    second = group.submit(2)
    inner.gate.set()
    with pytest.raises(Unavailable):
        await first
    assert await second == 4


async def test_who_leaves_disturbs_nobody_and_is_run_all_the_same() -> None:
    inner = Watched()
    inner.gate.clear()
    group = grouped(inner)
    one, two, three, gone = (group.submit(item) for item in (1, 2, 3, -4))
    await begun(inner)
    for future in (two, gone):
        future.cancel()
    inner.gate.set()
    assert await asyncio.gather(one, three) == [2, 6]
    assert inner.batches == [[1, 2, 3, -4]]
    with pytest.raises(asyncio.CancelledError):
        await two


async def test_who_left_before_the_run_is_run_too() -> None:
    inner = Watched()
    group = grouped(inner)
    group.submit(1).cancel()
    await group.finish()
    assert inner.batches == [[1]]


async def test_an_error_that_nobody_waits_for_is_no_noise() -> None:
    said: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: said.append(context))
    try:
        group = grouped(Watched())
        group.submit(-1)
        await group.finish()
        gc.collect()
    finally:
        loop.set_exception_handler(None)
    assert said == []


async def test_finishing_waits_for_everything_also_for_what_comes_meanwhile() -> None:
    inner = Watched()
    inner.gate.clear()
    group = grouped(inner, 2)
    early = [group.submit(item) for item in range(5)]
    finishing = asyncio.create_task(group.finish())
    await begun(inner)
    late = group.submit(5)
    assert not finishing.done()
    inner.gate.set()
    await finishing
    assert all(future.done() for future in (*early, late))
    assert inner.batches == [[0, 1], [2, 3], [4, 5]]


async def test_finishing_waits_for_what_an_answer_leads_to_also_in_the_turn_of_the_loop_in_which_it_came() -> None:
    inner = Watched()
    inner.gate.clear()
    group, led_to = grouped(inner), list[asyncio.Future[int]]()
    group.submit(1).add_done_callback(lambda answer: led_to.append(group.submit(answer.result())))
    await begun(inner)
    asyncio.get_running_loop().call_soon(inner.gate.set)
    await inner.gate.wait()  # the batch waits for it, too: it ends in this turn of the loop, just before we go on
    await group.finish()
    assert [future.done() and future.result() for future in led_to] == [4]


async def test_finishing_when_nothing_runs_returns_and_the_group_goes_on() -> None:
    group = grouped(Watched())
    await group.finish()
    assert await group.submit(1) == 2
    await group.finish()
    assert await group.submit(2) == 4


async def test_a_batch_is_bounded_by_what_its_items_weigh_and_a_heavy_one_goes_alone() -> None:
    inner = Watched()
    inner.gate.clear()
    group: GroupCommit[int, int] = GroupCommit(inner.run, max_weight=10, name="weighed", weight=lambda item: item)
    asked = [group.submit(item) for item in (1, 4, 6, 1, 25, 3)]
    await begun(inner)
    inner.gate.set()
    assert await asyncio.gather(*asked) == [2, 8, 12, 2, 50, 6]
    assert inner.batches == [[1, 4], [6, 1], [25], [3]]

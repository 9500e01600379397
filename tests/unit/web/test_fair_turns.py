"""Exports and pages take turns in the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from app.web.fair_turns import MAX_PAUSE_SECONDS, ROWS_A_TURN, FairTurns
from tests.waiting import patience

NEVER = 3600.0


class Clock:
    """Goes on by hand; a sleep is noted and ends at once."""

    def __init__(self) -> None:
        self.now = 10.0
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(0)

    def turns(self) -> FairTurns:
        return FairTurns(max_wait_seconds=NEVER, clock=self, sleep=self.sleep)


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def settle() -> None:
    loop = asyncio.get_running_loop()
    for _ in range(20):
        turn = loop.create_future()
        loop.call_soon(turn.set_result, None)
        await turn


async def test_one_works_at_a_time_in_the_order_in_which_they_asked() -> None:
    turns, at_work, order, gate = FairTurns(max_wait_seconds=NEVER), [0], [], asyncio.Event()

    async def work(number: int) -> None:
        async with turns.turn():
            at_work[0] += 1
            assert at_work[0] == 1
            order.append(number)
            await gate.wait()
            at_work[0] -= 1

    async with asyncio.TaskGroup() as tasks:
        for number in range(7):
            tasks.create_task(work(number))
        await settle()
        assert order == [0]
        gate.set()
    assert order == list(range(7))


@pytest.mark.parametrize(("worked", "paused"), [(0.002, 0.002), (0.03, 0.03), (4.0, MAX_PAUSE_SECONDS)])
async def test_a_turn_ends_with_a_pause_as_long_as_it_took(clock: Clock, worked: float, paused: float) -> None:
    async with clock.turns().turn():
        clock.now += worked
    assert clock.pauses == [pytest.approx(paused)]


async def test_the_next_one_waits_for_the_pause_too(clock: Clock) -> None:
    turns, order = clock.turns(), []

    async def work(name: str) -> None:
        async with turns.turn():
            order.append((name, len(clock.pauses)))

    await asyncio.gather(work("first"), work("second"))
    assert order == [("first", 0), ("second", 1)]


async def test_one_that_hangs_does_not_stop_the_others() -> None:
    turns, hangs = FairTurns(max_wait_seconds=0.01), asyncio.Event()

    async def hang() -> None:
        async with turns.turn():
            await hangs.wait()

    hanging = asyncio.create_task(hang())
    await settle()
    async with patience():
        for _ in range(2):
            async with turns.turn():
                pass
    hangs.set()
    await hanging
    async with turns.turn():
        assert turns._free.locked()


@pytest.mark.parametrize("ends", [RuntimeError, asyncio.CancelledError])
async def test_a_turn_that_fails_is_over(ends: type[BaseException]) -> None:
    turns = FairTurns()
    with pytest.raises(ends):
        async with turns.turn():
            raise ends
    assert not turns._free.locked()


async def numbers(count: int) -> AsyncGenerator[int]:
    for number in range(count):
        yield number


@pytest.mark.parametrize("count", [0, 1, ROWS_A_TURN - 1, ROWS_A_TURN, ROWS_A_TURN + 1, 3 * ROWS_A_TURN, 100])
async def test_an_export_has_every_line_once_and_in_order(clock: Clock, count: int) -> None:
    parts = [part async for part in clock.turns().lines("head\n", numbers(count), lambda number: f"{number}\n")]
    assert "".join(parts) == "head\n" + "".join(f"{number}\n" for number in range(count))
    assert max((part.count("\n") for part in parts), default=0) <= ROWS_A_TURN


async def test_no_turn_is_held_while_lines_are_sent(clock: Clock) -> None:
    turns = clock.turns()
    async for _ in turns.lines("head\n", numbers(2 * ROWS_A_TURN), str):
        assert not turns._free.locked()


async def test_what_fails_within_an_export_ends_it(clock: Clock) -> None:
    async def broken() -> AsyncGenerator[int]:
        yield 1
        raise RuntimeError("away")

    turns = clock.turns()
    with pytest.raises(RuntimeError, match="away"):
        [part async for part in turns.lines("head\n", broken(), str)]
    assert not turns._free.locked()

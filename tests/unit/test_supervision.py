"""A loop goes on whatever its rounds raise, is told of when it keeps failing, and ends when it is told to, the last one first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from structlog.testing import capture_logs

from app import supervision
from app.errors import Conflict, DatabaseUnavailable
from app.part import Loop
from app.supervision import MAX_FAILURES, LoopHealth, Supervisor
from app.telemetry import metrics
from tests.waiting import PATIENCE_SECONDS, patience


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed round is repeated without a pause."""
    monkeypatch.setattr(supervision, "MIN_BACKOFF_SECONDS", 0.0)


def loop(step: Callable[[], Awaitable[object]], *, name: str = "test.loop", **more: Any) -> Loop:
    return Loop(**{"name": name, "step": step, "pause": 0.0, "max_backoff_seconds": 0.0, **more})


class Rounds:
    """A step whose rounds raise what stands in `errors`, then do their work; `done` is set once `enough` have done it."""

    def __init__(self, *errors: BaseException, enough: int = 1) -> None:
        self.errors = list(errors)
        self.count = 0
        self.enough = enough
        self.done = asyncio.Event()

    async def __call__(self) -> None:
        await asyncio.sleep(0)
        if self.errors:
            raise self.errors.pop(0)
        self.count += 1
        if self.count >= self.enough:
            self.done.set()


def restarts(name: str = "test.loop") -> float:
    return metrics.REGISTRY.get_sample_value("cairn_loop_restarts_total", {"loop": name}) or 0.0


def up(name: str = "test.loop") -> float | None:
    return metrics.REGISTRY.get_sample_value("cairn_loop_up", {"loop": name})


async def condition(supervisor: Supervisor) -> tuple[str, str | None]:
    (check,) = supervisor.part().ready
    found = await check.ask()
    return found.state, found.reason


async def until(there: Callable[[], object]) -> None:
    async with patience():
        while not there():
            await asyncio.sleep(0.001)


@pytest.mark.parametrize(
    "errors",
    [
        [DatabaseUnavailable("away")],
        [RuntimeError("a bug"), ValueError("another"), ExceptionGroup("several", [KeyError("x")])],
        [TimeoutError(), ConnectionResetError()],
        [asyncio.CancelledError()],
        [DatabaseUnavailable("away")] * (2 * MAX_FAILURES),
    ],
    ids=["a part is away", "bugs", "the network", "a cancellation of its own making", "many in a row"],
)
async def test_a_loop_goes_on_whatever_a_round_raises_and_each_is_counted(errors: list[BaseException]) -> None:
    step, before = Rounds(*errors, enough=3), restarts()
    async with Supervisor().run_loops([loop(step)]), patience():
        await step.done.wait()
    assert restarts() - before == len(errors)


async def test_what_keeps_failing_is_degraded_with_a_sentence_and_well_again_after_one_good_round() -> None:
    supervisor, failing, step = Supervisor(), True, Rounds()

    async def work() -> None:
        await step()
        if failing:
            raise DatabaseUnavailable("PostgreSQL does not answer.")

    with capture_logs() as said:
        async with supervisor.run_loops([loop(work, meanwhile="Nothing is swept.")]):
            assert await condition(supervisor) == ("ok", None)
            await until(lambda: up() is not None)
            await until(lambda: supervisor.degraded)
            state, reason = await condition(supervisor)
            assert state == "degraded"
            assert reason is not None
            for words in ("test.loop failed", "times in a row", "PostgreSQL does not answer", "Nothing is swept.", "tried again by itself"):
                assert words in reason
            assert up() == 0.0
            failing = False
            await until(lambda: not supervisor.degraded)
            assert (await condition(supervisor), up()) == (("ok", None), 1.0)
        assert up() is None
    events = [each for each in said if each["event"].startswith("loop.")]
    assert [each["event"] for each in events] == ["loop.failed", "loop.failed", "loop.recovered"]
    assert [each["failures"] for each in events[:2]] == [1, MAX_FAILURES]


async def test_fewer_failures_than_the_bound_are_not_told_as_degraded() -> None:
    supervisor, gate = Supervisor(), asyncio.Event()
    step = Rounds(*[RuntimeError("a bug")] * (MAX_FAILURES - 1), enough=1)

    async def work() -> None:
        if not step.errors:
            await gate.wait()
        await step()

    async with supervisor.run_loops([loop(work)]):
        await until(lambda: not step.errors)
        assert (await condition(supervisor))[0] == "ok"
        gate.set()


async def test_a_bug_is_logged_with_its_traceback_once_and_its_words_reach_no_stranger() -> None:
    health = LoopHealth(loop(Rounds()))
    with capture_logs() as said:
        for _ in range(MAX_FAILURES):
            health.failed(RuntimeError("the text of somebody's session"))
    assert [bool(each.get("exc_info")) for each in said] == [True, False]
    assert "session" not in health.describe()
    assert "RuntimeError" in health.describe()


@pytest.mark.parametrize("errors", [[Conflict("one"), Conflict("one"), Conflict("another")]])
async def test_another_reason_is_said_again(errors: list[Exception]) -> None:
    health = LoopHealth(loop(Rounds()))
    with capture_logs() as said:
        for error in errors:
            health.failed(error)
    assert [each["failures"] for each in said] == [1, 3]


@pytest.mark.parametrize(
    ("pause", "longest", "full"),
    [(1.0, 30.0, [1, 2, 4, 8, 16, 30, 30]), (5.0, 5.0, [5, 5, 5]), (600.0, 30.0, [30, 30]), (0.25, 2.0, [0.25, 0.5, 1, 2, 2])],
)
def test_the_backoff_begins_at_the_loops_own_pace_doubles_and_is_bounded(pause: float, longest: float, full: list[float]) -> None:
    health = LoopHealth(loop(Rounds(), pause=pause, max_backoff_seconds=longest))
    for most in full:
        assert most / 2 <= health.failed(DatabaseUnavailable("away")) <= most
    for _ in range(2000):
        assert health.failed(DatabaseUnavailable("away")) <= longest


async def test_loops_end_in_reverse_each_before_the_next() -> None:
    ended: list[str] = []

    def lasting(name: str) -> Loop:
        async def step() -> None:
            try:
                await asyncio.sleep(3600)
            finally:
                await asyncio.sleep(0.01)  # it has something to close
                ended.append(name)

        return loop(step, name=name)

    async with Supervisor().run_loops([lasting("money"), lasting("door"), lasting("pages")]):
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert ended == ["pages", "door", "money"]


async def test_a_lost_cancellation_ends_the_loop_all_the_same() -> None:
    """As Python 3.11's `wait_for` loses it: the step returns as if nothing had been."""
    begun = asyncio.Event()

    async def step() -> None:
        begun.set()
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            return

    for lasting in (False, True):
        task = asyncio.create_task(supervision.run(loop(step, long_running=lasting)))
        await begun.wait()
        begun.clear()
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=PATIENCE_SECONDS)
        assert done
        assert task.cancelled()


async def test_a_wake_begins_a_round_and_a_failed_one_is_repeated_without_another() -> None:
    wake = asyncio.Event()
    step = Rounds(DatabaseUnavailable("away"))

    async def work() -> None:
        wake.clear()
        await step()

    async with Supervisor().run_loops([loop(work, wake=wake)]):
        await asyncio.sleep(0.01)
        assert (step.count, len(step.errors)) == (0, 1)
        wake.set()
        async with patience():
            await step.done.wait()
        assert not wake.is_set()
    assert step.count == 1


async def test_the_first_round_waits_for_its_pause_where_it_is_told_to() -> None:
    step = Rounds()
    async with Supervisor().run_loops([loop(step, at_once=False, pause=3600.0)]):
        await asyncio.sleep(0.01)
    assert step.count == 0


async def test_the_pause_is_asked_for_after_each_round() -> None:
    asked: list[int] = []
    step = Rounds(enough=3)

    def pause() -> float:
        asked.append(step.count)
        return 0.0

    async with Supervisor().run_loops([loop(step, pause=pause)]), patience():
        await step.done.wait()
    assert asked[:2] == [1, 2]


async def test_a_lasting_round_that_returns_has_failed_and_one_that_settles_has_recovered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "STABLE_SECONDS", 0.0)
    supervisor, lost, before = Supervisor(), MAX_FAILURES, restarts()

    async def listen() -> None:
        nonlocal lost
        if lost:
            lost -= 1
            return
        await settled.wait()
        await asyncio.sleep(3600)

    settled = asyncio.Event()
    async with supervisor.run_loops([loop(listen, long_running=True)]):
        await until(lambda: restarts() - before == MAX_FAILURES)
        settled.set()
        await until(lambda: not supervisor.degraded)
        assert up() == 1.0


async def test_two_loops_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match=r"test\.loop"):
        async with Supervisor().run_loops([loop(Rounds()), loop(Rounds())]):
            pass


@asynccontextmanager
async def failing_context() -> AsyncIterator[None]:
    async with supervision.background_task(asyncio.sleep(3600), name="owned"):
        yield


async def test_owned_work_ends_with_its_context_and_its_error_comes_to_light() -> None:
    async with failing_context():
        pass

    async def broken() -> None:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        async with supervision.background_task(broken(), name="owned"):
            await asyncio.sleep(0.01)

"""Recommendations: each from a day that was made for it, with its evidence; none from an ordinary or an empty day."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from app.alerts import advice
from app.alerts.advice import STEP, Advice
from app.alerts.rollup_values import CounterSum, Level, Measured
from app.alerts.rollups import SeriesReading
from app.settings import Settings
from app.telemetry.sketch import Sketch

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


class Day:
    """Stands for the roll-ups: answers with what it was given, as one step or several."""

    def __init__(self, *steps: Measured) -> None:
        self._steps = steps

    async def read(self, names: object, **_: Any) -> SeriesReading:
        return SeriesReading(self._steps, since=NOON, step=STEP)


def sketch(*values: float) -> Sketch:
    made = Sketch()
    for value in values:
        made.observe(value)
    return made


def level(value: float) -> Level:
    made = Level()
    made.observe(value)
    return made


async def advised(*steps: Measured) -> list[Advice]:
    return await advice.advise(Day(*steps), Settings(), NOON)  # type: ignore[arg-type]


async def test_an_empty_day_suggests_nothing() -> None:
    assert await advised({}) == []


async def test_an_embeddings_cache_that_evicts_texts_needed_again_should_be_doubled() -> None:
    key = ("embeddings",)
    (found,) = await advised({"cache.asked_again": {key: CounterSum(300)}, "cache.lookups": {key: CounterSum(1000)}})
    assert found.topic == "embeddings cache"
    assert found.evidence.startswith("300 of 1,000 texts (30%)")
    assert found.change == "[cache.embeddings] entries = 20,000 instead of 10,000: +15 MB a process"


@pytest.mark.parametrize(("again", "asked"), [(5, 1000), (30, 60)])
async def test_few_repeats_or_few_lookups_suggest_nothing(again: int, asked: int) -> None:
    key = ("embeddings",)
    assert await advised({"cache.asked_again": {key: CounterSum(again)}, "cache.lookups": {key: CounterSum(asked)}}) == []


async def test_an_answers_cache_whose_lower_tiers_answer_after_evictions_should_be_larger() -> None:
    (found,) = await advised(
        {
            "cache.lookups": {("completions",): CounterSum(1000)},
            "cache.hits": {("completions", "memory"): CounterSum(100), ("completions", "database"): CounterSum(400)},
            "cache.evictions": {("completions",): CounterSum(2500)},
            "cache.bytes": {("completions",): level(8 * 2**20)},
        }
    )
    assert found.topic == "completions cache"
    assert found.change == "[cache.completions] entries = 4,000: +8 MB a process"


async def test_a_full_pool_with_waiting_users_should_be_larger() -> None:
    (found,) = await advised({"pool.used": {(): level(1.0)}, "database.wait": {(): sketch(*[0.001] * 90, *[0.2] * 10)}})
    assert found.topic == "database connections"
    assert "1 % of its users waited 198 ms or more" in found.evidence


async def test_waiting_jobs_need_concurrency_on_an_idle_machine_and_another_one_on_a_busy_one() -> None:
    for cpu, wanted in ((0.2, "worker.concurrency = 3"), (0.95, "another `cairn worker`")):
        steps: list[Measured] = [{"queue.oldest": {(): level(400.0)}, "machine.cpu": {(): level(cpu)}} for _ in range(4)]
        (found,) = await advised(*steps)
        assert found.topic == "workers"
        assert found.change.startswith(wanted)


async def test_a_first_provider_that_fails_or_is_slow_should_move_back() -> None:
    failing = await advised(
        {"inference.attempts": {("groq", "ok"): CounterSum(150), ("groq", "timeout"): CounterSum(50), ("openai", "ok"): CounterSum(50)}}
    )
    assert [each.topic for each in failing] == ["provider groq"]
    assert "50 of its 200 calls (25%)" in failing[0].evidence
    slow = await advised(
        {
            "inference.attempts": {("groq", "ok"): CounterSum(200), ("openai", "ok"): CounterSum(200)},
            "inference.seconds": {("groq",): sketch(*[4.0] * 200), ("openai",): sketch(*[1.0] * 200)},
        }
    )
    assert slow[0].change.startswith("put openai before groq")


async def test_a_late_event_loop_needs_another_server() -> None:
    (found,) = await advised({"loop.lag": {("serve",): sketch(*[0.001] * 900, *[0.4] * 100), ("worker",): sketch(*[5.0] * 500)}})
    assert found.topic == "servers"

"""What a key may do, and what it is told when it may not."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from app.rate_limits.limits import Admission, RateLimits
from app.settings import LimitsSettings


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limits(clock: Clock) -> RateLimits:
    return RateLimits(LimitsSettings(model_requests_a_minute=2, model_tokens_a_minute=1000, requests_a_minute=3), now=clock)


async def ask(limits: RateLimits, key: UUID, *, model: bool = True) -> Admission:
    found = await limits.admit(key, model=model)
    assert found is not None
    return found


def left(admission: Admission) -> tuple[int | None, int | None]:
    found = admission.state("requests"), admission.state("tokens")
    return found[0] and found[0].left, found[1] and found[1].left


async def test_a_key_is_told_what_is_left_and_then_when_to_come_again(limits: RateLimits, clock: Clock) -> None:
    key = uuid4()
    assert left(await ask(limits, key)) == (1, 1000)
    clock.now += 10
    assert left(await ask(limits, key)) == (0, 1000)
    clock.now += 5
    refusal = (await ask(limits, key)).refusal
    assert refusal is not None
    assert (refusal.code, refusal.retry_after) == ("rate_limit_exceeded", 46)
    assert "its 2 calls of models of the last minute. Try again in 46 s." in refusal.message
    clock.now += 46
    assert (await ask(limits, key)).refusal is None
    assert (await ask(limits, key)).refusal is not None


async def test_keys_and_kinds_of_requests_are_counted_apart(limits: RateLimits) -> None:
    key = uuid4()
    for _ in range(2):
        await ask(limits, key)
    assert (await ask(limits, key)).refusal is not None
    assert (await ask(limits, uuid4())).refusal is None
    for place in range(3):
        assert left(await ask(limits, key, model=False)) == (2 - place, None)
    refusal = (await ask(limits, key, model=False)).refusal
    assert refusal is not None
    assert "its 3 requests of the last minute" in refusal.message


async def test_tokens_count_once_they_are_known_and_calls_under_way_may_run_over(limits: RateLimits, clock: Clock) -> None:
    key = uuid4()
    first, second = await ask(limits, key), await ask(limits, key)
    first.used(700)
    second.used(200)
    second.used(400)
    assert (left(first), left(second)) == ((1, 300), (0, 400))
    clock.now += 30
    refusal = (await ask(limits, key)).refusal
    assert refusal is not None
    clock.now += 31
    third = await ask(limits, key)
    assert third.refusal is None
    third.used(1000)
    refusal = (await ask(limits, key)).refusal
    assert refusal is not None
    assert "its 1,000 tokens of the last minute. Try again in 61 s." in refusal.message


async def test_without_limits_nothing_is_counted() -> None:
    limits = RateLimits(LimitsSettings())
    assert not limits.any
    assert await limits.admit(uuid4(), model=True) is None


async def test_one_limit_alone_leaves_the_others_open() -> None:
    limits = RateLimits(LimitsSettings(model_tokens_a_minute=10))
    assert limits.any
    assert await limits.admit(uuid4(), model=False) is None
    key = uuid4()
    for _ in range(50):
        admission = await ask(limits, key)
        assert left(admission) == (None, 10)
    admission.used(11)
    assert left(admission) == (None, 0)
    assert (await ask(limits, key)).refusal is not None

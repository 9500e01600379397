"""Wrong keys: counted by address and together, forgotten with the window."""

from __future__ import annotations

import pytest

from app.dashboard.throttle import Throttle
from app.errors import RateLimited


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_an_address_waits_until_its_oldest_wrong_key_has_left_the_window() -> None:
    clock = Clock()
    throttle = Throttle(tries=3, together=100, seconds=60, now=clock)
    for second in (0, 10, 20):
        clock.seconds = second
        throttle.check("a")
        throttle.failed("a")
    with pytest.raises(RateLimited, match=r"from this address. Try again in 40 s") as refused:
        throttle.check("a")
    assert refused.value.retry_after == 40
    throttle.check("b")
    clock.seconds = 60
    throttle.check("a")


def test_all_addresses_together_have_a_bound_too() -> None:
    clock = Clock()
    throttle = Throttle(tries=3, together=5, seconds=600, now=clock)
    for number in range(5):
        throttle.failed(f"address-{number}")
    with pytest.raises(RateLimited, match=r"at the moment. Try again in 10 minutes"):
        throttle.check("new")

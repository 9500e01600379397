"""Wrong keys: counted by address, forgotten with the window."""

from __future__ import annotations

import pytest

from app.dashboard.state import WRONG_KEYS as WRONG
from app.dashboard.throttle import Throttle
from app.errors import RateLimited


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_an_address_waits_until_its_oldest_wrong_key_has_left_the_window() -> None:
    clock = Clock()
    throttle = Throttle(WRONG, tries=3, seconds=60, now=clock)
    for second in (0, 10, 20):
        clock.seconds = second
        throttle.failed("a")
    with pytest.raises(RateLimited, match=r"from your address. Try again in 40 s") as refused:
        throttle.failed("a")
    assert refused.value.retry_after == 40
    throttle.failed("b")
    clock.seconds = 60
    throttle.failed("a")


def test_who_goes_on_trying_waits_no_longer_for_it() -> None:
    clock = Clock()
    throttle = Throttle(WRONG, tries=1, seconds=600, now=clock)
    throttle.failed("a")
    clock.seconds = 599
    for _ in range(100):
        with pytest.raises(RateLimited, match=r"Try again in 1 s"):
            throttle.failed("a")
    clock.seconds = 600
    throttle.failed("a")


def test_ever_so_many_other_addresses_hold_nobody_up() -> None:
    throttle = Throttle(WRONG, tries=3, seconds=600, now=Clock())
    for number in range(20_000):
        throttle.failed(f"address-{number}")
    throttle.failed("new")


def test_an_address_that_has_reached_the_limit_is_refused_before_it_tries() -> None:
    clock = Clock()
    throttle = Throttle("Too many failed.", tries=2, seconds=60, now=clock)
    for _ in range(2):
        throttle.check("a")
        throttle.failed("a")
    with pytest.raises(RateLimited, match=r"^Too many failed\. Try again in 60 s"):
        throttle.check("a")
    throttle.check("b")
    clock.seconds = 60
    throttle.check("a")

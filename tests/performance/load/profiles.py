"""How many users there are at which moment. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

Name = Literal["steady", "ramp", "spike", "endurance", "stress"]
NAMES: tuple[Name, ...] = get_args(Name)
Users = Callable[[float], int]
"""Of the seconds since the beginning."""
STEP_SHARE, STEP_GROWTH = 0.1, 1.5


def users(profile: Name, most: int, seconds: float) -> Users:
    """steady, endurance: all of them throughout. ramp: from one to all, evenly. spike: a fifth, and all of them in the middle fifth.
    stress: all of them, then half as many more at every step of a tenth of the time."""

    def ramp(at: float) -> int:
        return max(1, min(most, round(most * at / (0.9 * seconds))))

    def spike(at: float) -> int:
        return most if 0.4 * seconds <= at < 0.6 * seconds else max(1, most // 5)

    def stress(at: float) -> int:
        return round(most * STEP_GROWTH ** int(at / (STEP_SHARE * seconds)))

    match profile:
        case "steady" | "endurance":
            return lambda _: most
        case "ramp":
            return ramp
        case "spike":
            return spike
        case "stress":
            return stress

"""The rungs of the loop ladder that are seen in the last calls alone: exact repeats, periods, stagnation, a histogram.

Each is a function of the calls since the last progress, and returns those that show it, or nothing. Thresholds: those that the makers of agents
report to hold in the field (docs/decisions/0077-loops.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from app.trajectory.analyzers.records import CallRecord

MIN_EXACT = 4
MIN_STAGNANT, MIN_WORDINGS = 6, 3
MIN_FREQUENT, FREQUENCY_WINDOW = 5, 12
MIN_PERIOD, MAX_PERIOD, MIN_CYCLES = 2, 4, 2
MAX_RECENT = 24
"""Calls that a rung looks back over."""
Rung = Callable[[Sequence[CallRecord]], Sequence[CallRecord]]


def exact(recent: Sequence[CallRecord]) -> Sequence[CallRecord]:
    """Find the same call with the same result at least four times in a row."""
    last = recent[-1]
    if len(recent) < MIN_EXACT or not last.telling or not last.call:
        return ()
    count = _run(recent, last)
    return recent[-count:] if count >= MIN_EXACT else ()


def period(recent: Sequence[CallRecord]) -> Sequence[CallRecord]:
    """Find two to four calls that come again in the same order with the same results."""
    for length in range(MIN_PERIOD, MAX_PERIOD + 1):
        cycles = _cycles(recent, length)
        found = recent[len(recent) - cycles * length :]
        if (
            cycles >= MIN_CYCLES
            and len({each.same for each in found[:length]}) > 1
            and any(each.telling and each.call for each in found[:length])
        ):
            return found
    return ()


def stagnation(recent: Sequence[CallRecord]) -> Sequence[CallRecord]:
    """Find one tool that looks for something at least six times in a row, each time in other words, always with the same result.

    Where the result only says that there is nothing, the words must be spellings of one another: several names that are all gone are no loop,
    nor are several files that are all empty.
    """
    last = recent[-1]
    if len(recent) < MIN_STAGNANT or not last.looks or not last.output:
        return ()
    count = 0
    for each in reversed(recent):
        if each.tool != last.tool or each.output != last.output or not each.looks:
            break
        count += 1
    found = recent[-count:]
    wordings, spellings, places = (
        len(set(values)) for values in zip(*((each.call, each.folded, each.place) for each in found), strict=True)
    )
    if count < MIN_STAGNANT or wordings < MIN_WORDINGS or (last.place and places == count) or (not last.long and spellings * 2 > count):
        return ()
    return found


def histogram(recent: Sequence[CallRecord]) -> Sequence[CallRecord]:
    """Find one call with one result at least five times among the last twelve, whatever came between."""
    last = recent[-1]
    if len(recent) < MIN_FREQUENT or not last.long or not last.call:
        return ()
    found = [each for each in recent[-FREQUENCY_WINDOW:] if each.same == last.same]
    return found if len(found) >= MIN_FREQUENT else ()


RUNGS: Mapping[str, Rung] = {"exact": exact, "period": period, "stagnation": stagnation, "histogram": histogram}
"""In the order in which they are asked."""


def _run(recent: Sequence[CallRecord], last: CallRecord) -> int:
    count = 0
    for each in reversed(recent):
        if each.same != last.same:
            break
        count += 1
    return count


def _cycles(recent: Sequence[CallRecord], length: int) -> int:
    """Count how often the last `length` calls come in a row, at the end."""
    matched = length
    while matched < len(recent) and recent[-1 - matched].same == recent[-1 - matched + length].same:
        matched += 1
    return matched // length

"""Compare the opposites that two texts name (`enable`, `disable`): each the other one, or both in each other's place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

Members = Mapping[str, frozenset[str]]
"""The members of a group of opposites that a text names, each with the stems of the words that follow it."""


def opposed(one: Mapping[int, Members], other: Mapping[int, Members]) -> Iterator[str]:
    """Yield the groups of which each text has a member that the other lacks, or both have two that changed places."""
    for group in one.keys() & other.keys():
        left, right = one[group], other[group]
        if left.keys() - right.keys() and right.keys() - left.keys():
            yield f"antonym: {', '.join(sorted(left.keys() - right.keys()))} ≠ {', '.join(sorted(right.keys() - left.keys()))}"
        elif _swapped(left, right):
            yield f"order: of {', '.join(sorted(left))}"


def _swapped(left: Members, right: Members) -> bool:
    """Tell whether two members changed places: `enable A, disable B` and `enable B, disable A`."""
    common = sorted(left.keys() & right.keys())
    return any(
        left[first] & right[second] and not left[first] & right[first]
        for first in common
        for second in common
        if first != second and left[first] != {""}
    )

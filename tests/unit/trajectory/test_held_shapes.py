"""Shapes held in memory: what is listed is compared in the listed version, whatever was held before; nothing else is, and little is held on to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

import numpy as np
import pytest

from app.trajectory.embedding import DIMENSIONS
from app.trajectory.similar import held
from app.trajectory.similar.held import HeldShapes, ListedShapes, ReadShapes, TeamShapes
from app.trajectory.similar.ranking import ComparedShapes

Stored = Mapping[int, tuple[int, str]]
"""By number of the session: the version of its shape, and its symbols."""


def listed(stored: Stored, *, without: Sequence[int] = ()) -> ListedShapes:
    seen = [number for number in stored if number not in without]
    versions = b"".join(stored[number][0].to_bytes(8, "big") for number in seen)
    return ListedShapes(b"".join(UUID(int=number).bytes for number in seen), versions)


def read(stored: Stored, ids: Sequence[bytes]) -> ReadShapes:
    numbers = [UUID(bytes=each).int for each in ids]
    vectors = np.array([[number % 100] * DIMENSIONS for number in numbers], dtype=np.int8).reshape(-1, DIMENSIONS)
    return ReadShapes(
        ids, np.array([stored[number][0] for number in numbers], np.int64), [stored[number][1] for number in numbers], vectors
    )


def after(shapes: TeamShapes, stored: Stored, *, without: Sequence[int] = ()) -> TeamShapes:
    """The shapes after a search by somebody who may not see those `without`."""
    given = listed(stored, without=without)
    missing = shapes.missing(given)
    made = shapes.updated(missing, read(stored, missing))
    made.compared(given)
    return made


def numbers(compared: ComparedShapes) -> list[int]:
    return [compared.id(place).int for place in range(len(compared.symbols))]


FIRST: Stored = {7: (1, "abc"), 3: (1, "abd"), 9: (2, "ab"), 256: (5, "abcde")}


def test_what_is_listed_is_compared_in_its_order_and_what_is_too_short_is_not() -> None:
    shapes = after(HeldShapes().of(UUID(int=1)), FIRST)
    found = shapes.compared(listed(FIRST))
    assert (numbers(found), found.symbols) == ([7, 3, 256], ["abc", "abd", "abcde"])
    assert found.vectors[:, 0].tolist() == [7, 3, 56]
    assert shapes.missing(listed(FIRST)) == ()


def test_only_what_changed_or_is_new_is_read_again() -> None:
    shapes = after(HeldShapes().of(UUID(int=1)), FIRST)
    later = dict(FIRST) | {3: (2, "abdx"), 11: (1, "xyz")}
    assert sorted(UUID(bytes=each).int for each in shapes.missing(listed(later))) == [3, 11]
    found = after(shapes, later).compared(listed(later))
    assert dict(zip(numbers(found), found.symbols, strict=True)) == {7: "abc", 3: "abdx", 256: "abcde", 11: "xyz"}


@pytest.mark.parametrize("gone", [7, 3, 256])
def test_what_is_no_longer_listed_is_not_compared_though_it_is_held(gone: int) -> None:
    shapes = after(HeldShapes().of(UUID(int=1)), FIRST)
    assert gone in numbers(shapes.compared(listed(FIRST)))
    assert gone not in numbers(shapes.compared(listed(FIRST, without=[gone])))
    assert gone in numbers(shapes.compared(listed(FIRST)))


def test_a_shape_that_was_gone_when_it_was_read_is_left_out() -> None:
    shapes = after(HeldShapes().of(UUID(int=1)), FIRST)
    later = dict(FIRST) | {3: (2, "abdx"), 11: (1, "xyz")}
    missing = shapes.missing(listed(later))
    assert numbers(shapes.updated(missing, ReadShapes()).compared(listed(later))) == [7, 256]


def test_what_nobody_may_see_for_long_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000.0
    monkeypatch.setattr(held, "monotonic", lambda: now)
    shapes = after(HeldShapes().of(UUID(int=1)), FIRST)
    now += held.UNSEEN_SECONDS / 2
    shapes = after(shapes, FIRST, without=[7])
    assert not shapes.is_outdated()
    now += held.UNSEEN_SECONDS / 2 + 1
    shapes.compared(listed(FIRST, without=[7]))
    assert shapes.is_outdated()
    shapes = after(shapes, FIRST, without=[7])
    assert (len(shapes), shapes.is_outdated()) == (3, False)
    assert [UUID(bytes=each).int for each in shapes.missing(listed(FIRST))] == [7]


def test_the_team_asked_about_longest_ago_is_dropped_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held, "MAX_HELD", 2 * len(FIRST))
    teams, every = [UUID(int=number) for number in (1, 2, 3)], HeldShapes()
    for team in teams[:2]:
        every.hold(team, after(every.of(team), FIRST))
    every.of(teams[0])
    every.hold(teams[2], after(every.of(teams[2]), FIRST))
    assert [len(every.of(team)) for team in teams] == [len(FIRST), 0, len(FIRST)]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_session_is_found_at_its_place_and_not_between_two(place: int) -> None:
    ids = [bytes([1] * 16), bytes([0] * 15 + [2]), bytes([0] * 16)]
    compared = ComparedShapes(b"".join(ids), ["abc"] * 3, np.zeros((3, DIMENSIONS), np.int8))
    assert compared.place_of(UUID(bytes=ids[place])) == place
    assert compared.place_of(UUID(bytes=bytes([1] * 15 + [0]))) is None

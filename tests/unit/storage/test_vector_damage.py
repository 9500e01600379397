"""Is an index damaged, is the machine short of something, or was it the request? And how many deaths are too many?"""

from __future__ import annotations

import errno
import os
import signal

import pytest

from app.storage.vectors.damage import (
    CANT_OPEN,
    DEATHS_SECONDS,
    FAILED,
    MAX_DEATHS,
    MAX_RENEWALS,
    NOT_NOW,
    RENEWALS_SECONDS,
    CrashHistory,
    failure_of,
    opening_failure_of,
)


class Panic(BaseException):
    """As Rust's panics come through: no `Exception`."""


@pytest.mark.parametrize(
    "error",
    [
        Exception("Service runtime error: IO Error: Failed to deserialize edge_config.json: EOF while parsing a value"),
        Exception("Service runtime error: failed to load segment: Inconsistent storage"),
        Exception("Service runtime error: Gridstore IO error: elements range 64000..64076 is out of bounds"),
        Panic("index out of bounds: the len is 0 but the index is 0"),
        Panic("capacity overflow"),
    ],
)
def test_what_the_engine_says_of_its_files_is_damage(error: BaseException) -> None:
    assert failure_of(error) == opening_failure_of(error) == "damage"


@pytest.mark.parametrize(
    "error",
    [
        Exception("Service runtime error: Can't init WAL: Kind(WouldBlock)"),
        Exception("Service runtime error: IO Error: No space left on device (os error 28)"),
        Exception("Service runtime error: Too many open files (os error 24)"),
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        Panic("memory allocation failed: Cannot allocate memory"),
    ],
)
def test_what_the_machine_lacks_is_no_damage(error: BaseException) -> None:
    assert failure_of(error) == opening_failure_of(error) == "machine"


@pytest.mark.parametrize(
    "error", [ValueError("unknown method"), TypeError("str expected"), Exception("Wrong input: Vector dimension error")]
)
def test_a_request_that_cannot_be_met_is_no_damage_but_at_the_start_there_is_none(error: Exception) -> None:
    assert failure_of(error) == "request"
    assert opening_failure_of(error) == "damage"


def test_one_that_cannot_be_opened_is_damaged_at_once() -> None:
    assert CrashHistory().died(CANT_OPEN, answered=False, now=0)


@pytest.mark.parametrize("status", [-signal.SIGSEGV, -signal.SIGBUS, -signal.SIGABRT, FAILED])
def test_one_whose_engine_crashes_again_and_again_is_damaged(status: int) -> None:
    history = CrashHistory()
    said = [history.died(status, answered=True, now=place * 20.0) for place in range(MAX_DEATHS)]
    assert not any(said[:-1])
    assert "died 3 times" in said[-1]


def test_deaths_far_apart_say_nothing() -> None:
    history = CrashHistory()
    assert not any(history.died(-signal.SIGSEGV, answered=True, now=place * DEATHS_SECONDS) for place in range(10))


@pytest.mark.parametrize("status", [0, 1, NOT_NOW, -signal.SIGTERM, -signal.SIGKILL])
def test_one_that_somebody_ended_is_not_damaged_however_often(status: int) -> None:
    history = CrashHistory()
    assert not any(history.died(status, answered=True, now=float(place)) for place in range(20))


@pytest.mark.parametrize("status", [1, NOT_NOW, -signal.SIGTERM])
def test_one_that_cannot_start_for_another_reason_is_not_damaged(status: int) -> None:
    history = CrashHistory()
    assert not any(history.died(status, answered=False, now=float(place)) for place in range(20))


def test_one_that_is_killed_each_time_it_is_opened_may_ask_for_any_amount_of_memory() -> None:
    history = CrashHistory()
    assert [bool(history.died(-signal.SIGKILL, answered=False, now=float(place))) for place in range(3)] == [False, False, True]


def test_what_a_new_index_does_not_mend_is_not_set_aside_for_ever() -> None:
    history = CrashHistory()
    for place in range(MAX_RENEWALS):
        assert history.may_renew(float(place))
        history.renewed(float(place))
    assert not history.may_renew(60)
    assert history.may_renew(RENEWALS_SECONDS + 1)


def test_a_rebuilt_index_begins_without_a_past() -> None:
    history = CrashHistory()
    for place in range(2):
        history.died(FAILED, answered=True, now=float(place))
    history.replaced()
    assert not history.died(FAILED, answered=True, now=3)


def test_an_end_by_somebody_else_is_not_blamed_on_crashes_long_ago() -> None:
    """The disk did not let the index be set aside, so the crashes still stand."""
    history = CrashHistory()
    for place in range(MAX_DEATHS):
        history.died(FAILED, answered=True, now=float(place))
    assert not history.died(-signal.SIGTERM, answered=True, now=5)
    assert not history.died(FAILED, answered=True, now=DEATHS_SECONDS + 10)

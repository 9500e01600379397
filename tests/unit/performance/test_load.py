"""The load test's own judgement: how many users when, what counts as broken, what bounds it."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.performance.load import profiles, verdict
from tests.performance.load.record import Record, Sample, Summary, by_route
from tests.performance.load.watch import Look
from tests.performance.load_test import positive, seconds, worse

GOOD = Summary("query", 100, 0, 10.0, 5.0, 20.0, 50.0)


def look(at: float = 0.0, *, memory: float = 500.0, own: float = 0.2, family: float = 0.4, ours: float = 0.1, used: int = 1) -> Look:
    return Look(at, memory, own, family, ours, used, 50)


def step(a_second: float, *, p95: float = 50.0, failed: int = 0) -> Summary:
    return Summary("", 100, failed, a_second, 5.0, p95, p95)


@given(st.sampled_from(profiles.NAMES), st.integers(1, 200), st.floats(1, 1000), st.floats(0, 0.999))
def test_there_is_always_somebody_and_only_a_stress_test_has_more_than_were_asked_for(
    profile: profiles.Name, most: int, duration: float, share: float
) -> None:
    users = profiles.users(profile, most, duration)(share * duration)
    assert users >= 1
    assert users <= most or profile == "stress"


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        ("steady", [100, 100, 100, 100]),
        ("endurance", [100, 100, 100, 100]),
        ("ramp", [1, 28, 56, 100]),
        ("spike", [20, 20, 100, 20]),
        ("stress", [100, 225, 759, 3844]),
    ],
)
def test_each_profile_has_its_course(profile: profiles.Name, expected: list[int]) -> None:
    users = profiles.users(profile, 100, 100)
    assert [users(at) for at in (0, 25, 50, 95)] == expected


def test_what_is_good_is_no_failure() -> None:
    assert verdict.failures([GOOD], [look(at, memory=500 + at % 7) for at in range(100)]) == []


@pytest.mark.parametrize(
    ("routes", "looks", "said"),
    [
        ([Summary("query", 9, 0, 1.0, 5.0, 2001.0, 3000.0)], [], "p95 is 2,001 ms"),
        ([Summary("query", 9, 2, 1.0, 5.0, 9.0, 9.0), Summary("all", 9, 2, 1.0, 5.0, 9.0, 9.0)], [], "2 requests failed"),
        ([GOOD], [look(used=49), look(used=50)], "ran dry"),
        ([GOOD], [look(memory=500 + 3 * at) for at in range(100)], "memory grew by"),
    ],
)
def test_each_promise_that_is_broken_is_named(routes: list[Summary], looks: list[Look], said: str) -> None:
    (found,) = verdict.failures(routes, looks)
    assert said in found


def test_a_cache_that_fills_in_the_first_quarter_is_no_growth() -> None:
    assert verdict.growth_mb([look(memory=500 + 10 * min(at, 24)) for at in range(100)]) is None
    assert verdict.growth_mb([look(memory=500 + 100 * at) for at in range(10)]) is None  # too short to tell


@pytest.mark.parametrize(
    ("steps", "broke"),
    [
        ([(10, step(100)), (15, step(150)), (22, step(150))], None),
        ([(10, step(100)), (15, step(150, failed=1))], 15),
        ([(10, step(100)), (15, step(150, p95=2500)), (22, step(1, failed=9))], 15),
    ],
)
def test_it_breaks_where_requests_fail_or_take_too_long(steps: list[tuple[int, Summary]], broke: int | None) -> None:
    found = verdict.breaking(steps)
    assert (None if found is None else found[0]) == broke


def test_it_is_saturated_where_more_users_bring_no_more() -> None:
    assert verdict.saturated([(10, step(100)), (15, step(198)), (22, step(200)), (33, step(150))])[0] == 15


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (look(own=1.0, family=1.2), "one core of Python in the server's process"),
        (look(own=0.5, family=3.5, ours=0.3), "all 4 cores"),
        (look(ours=1.0), "this script itself"),
        (look(used=50), "the pool"),
        (look(), "nothing here"),
    ],
)
def test_what_was_busy_is_named(seen: Look, said: str) -> None:
    assert said in verdict.bound([seen] * 3, cores=4)


def test_without_a_look_nothing_is_claimed() -> None:
    assert verdict.bound([], cores=4) == "too short to tell"


@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), st.floats(0.001, 9), st.booleans()), min_size=1, max_size=50))
def test_the_routes_add_up_to_all(found: list[tuple[str, float, bool]]) -> None:
    samples = [Sample(1.0, route, spent, "it failed" if failed else None) for route, spent, failed in found]
    *routes, whole = by_route(samples, 10)
    assert whole.route == "all"
    assert sum(each.requests for each in routes) == whole.requests == len(samples)
    assert sum(each.failed for each in routes) == whole.failed
    assert min(each.p50 for each in routes) <= whole.p50 <= max(each.p50 for each in routes)


def test_only_the_asked_stretch_is_looked_at() -> None:
    record = Record()
    record.samples = [Sample(at, "a", 0.1) for at in (1.0, 2.0, 3.0, 4.0)]
    assert [sample.at for sample in record.between(2.0, 4.0)] == [3.0, 2.0]
    assert math.isnan(by_route([], 1.0)[-1].p95)


@pytest.mark.parametrize(("text", "expected"), [("300s", 300), ("5m", 300), ("1h", 3600), ("2.5", 2.5)])
def test_a_duration_is_read(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "0s", "-5", "5 days", "ten"])
def test_what_is_no_duration_or_number_of_users_is_said(text: str) -> None:
    with pytest.raises(Exception, match="duration"):
        seconds(text)
    with pytest.raises(Exception, match="at least 1"):
        positive(text)


def test_a_run_that_is_over_a_tenth_worse_is_named() -> None:
    earlier = {"query": {"p95": 10.0, "a_second": 10.0}, "all": {"p95": 20.0, "a_second": 20.0}}
    assert worse([GOOD], json.loads(json.dumps(earlier))) == ["query: p95 10.0 → 20.0 ms"]
    assert worse([Summary("all", 9, 0, 10.0, 1.0, 20.0, 20.0)], earlier) == ["throughput 20.0 → 10.0 requests/s"]
    assert worse([Summary("new", 9, 0, 10.0, 1.0, 20.0, 20.0)], earlier) == []

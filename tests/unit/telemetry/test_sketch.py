"""Sketches: how exact they are, and that merging loses nothing."""

from __future__ import annotations

from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.telemetry.registry import Timing
from app.telemetry.sketch import EDGES, Sketch

BOUND = 0.025
sizes = st.floats(min_value=1e-5, exclude_min=True, max_value=9e7, allow_nan=False)


def exact(values: list[float], share: float) -> float:
    """Nearest rank."""
    return sorted(values)[max(1, ceil(share * len(values))) - 1]


def sketch_of(values: list[float]) -> Sketch:
    made = Sketch()
    for value in values:
        made.observe(value)
    return made


@given(st.lists(st.lists(sizes, max_size=60), min_size=1, max_size=8).filter(any), st.sampled_from([0.5, 0.9, 0.95, 0.99, 1.0]))
def test_a_percentile_over_servers_is_within_the_bound_of_the_exact_one(servers: list[list[float]], share: float) -> None:
    whole = Sketch()
    for values in servers:
        whole.merge(sketch_of(values))
    true = exact([value for values in servers for value in values], share)
    found = whole.quantile(share)
    assert found is not None
    assert abs(found - true) <= BOUND * true * 1.001


def test_the_average_of_percentiles_would_be_wrong() -> None:
    """One busy fast server, one idle slow one: why percentiles are merged as sketches."""
    busy, idle = sketch_of([0.01] * 990), sketch_of([5.0] * 10)
    whole = Sketch()
    whole.merge(busy)
    whole.merge(idle)
    assert whole.quantile(0.95) == pytest.approx(0.01, rel=BOUND)


@given(st.lists(sizes, max_size=80))
def test_what_is_stored_comes_back(values: list[float]) -> None:
    made = sketch_of(values)
    back = Sketch()
    back.add_packed(made.packed(), made.sum)
    assert (back.counts, back.sum) == (made.counts, made.sum)


@given(st.lists(sizes, max_size=40), st.lists(sizes, max_size=40))
def test_a_difference_and_what_was_before_are_the_whole(first: list[float], then: list[float]) -> None:
    before = sketch_of(first)
    now = sketch_of(first + then)
    come = now.since(before)
    assert come.counts == sketch_of(then).counts
    come.merge(before)
    assert come.counts == now.counts


@given(st.lists(st.sampled_from([*EDGES[::7], 0.0, -1.0, 1e12]), max_size=60))
def test_prometheus_buckets_are_exact(values: list[float]) -> None:
    edges = (0.001, 0.015, 0.25, 0.64, 1.0, 10.24, 1024.0, 4.0**13)
    assert sketch_of(values).at_most(edges) == [sum(value <= edge for value in values) for edge in edges]


def test_a_bucket_off_the_grid_is_refused() -> None:
    with pytest.raises(ValueError, match=r"0\.0123"):
        Timing("x", "x", (), (0.0123,))


def test_nothing_seen_has_no_percentile() -> None:
    assert Sketch().quantile(0.5) is None


def test_names_from_outside_make_no_metric_without_end() -> None:
    timing = Timing("x", "x", ("who",), (1.0,))
    for number in range(3000):
        timing.observe(1.0, (f"name {number}",))
    assert len(timing.sketches) <= 1001
    assert timing.sketches["other",].count == 2000


def test_several_quantiles_in_one_pass_are_those_asked_for_one_by_one() -> None:
    sketch = Sketch({40: 3, 12: 1, 90: 6})

    assert sketch.quantiles((0.1, 0.4, 0.5, 1.0)) == [sketch.quantile(share) for share in (0.1, 0.4, 0.5, 1.0)]
    assert sketch.quantile(0.1) != sketch.quantile(0.4) != sketch.quantile(0.5) == sketch.quantile(1.0)
    assert Sketch().quantiles((0.5, 0.95)) == [None, None]

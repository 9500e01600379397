"""What the measurement of growth says of its figures: fits, words, a year, and the part of a page that it writes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.performance.growth import YEAR, Grown, Point, Way, fitted, headline, table
from tests.performance.growth_page import BEGIN, DARK, END, write

ITEMS, CALLS = Way("ingest", "ms an item", "items", 100_000), Way("hold", "ms a pair", "calls", 1_000_000)


def grown(way: Way, *costs: float) -> Grown:
    return Grown(way, tuple(Point(1000 * 10**n, cost, 2 * cost, 9) for n, cost in enumerate(costs)))


@given(st.floats(0.001, 1000), st.floats(-1, 2))
def test_a_power_law_is_found_again(factor: float, exponent: float) -> None:
    fit = fitted([(size, factor * size**exponent) for size in (1e3, 1e4, 1e5, 1e6)])
    assert fit.exponent == pytest.approx(exponent, abs=1e-6)
    assert fit.last == pytest.approx(exponent, abs=1e-6)
    assert fit.at(5000) == pytest.approx(factor * 5000**exponent, rel=1e-4)
    assert fit.r2 == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    ("costs", "word"),
    [
        ((5, 5.1, 4.9), "flat"),
        ((5, 6.5, 8), "logarithmic-ish"),
        ((1, 3.2, 10), "like a root"),
        ((1, 10, 100), "linear"),
        ((1, 100, 10_000), "more than linear"),
        ((9, 3, 1), "falls"),
    ],
)
def test_growth_has_a_word(costs: tuple[float, ...], word: str) -> None:
    fit = grown(ITEMS, *costs).fit
    assert fit is not None
    assert fit.word == word


def test_a_cost_that_a_constant_hides_is_told_by_its_last_step() -> None:
    hidden = grown(CALLS, *(10 + size / 100_000 for size in (1e3, 1e4, 1e5, 1e6)))
    assert hidden.fit is not None
    assert hidden.fit.word == "flat, at the end like a root"
    assert headline([hidden]) == "What grows: hold (flat, at the end like a root)"


def test_a_year_within_what_was_measured_lies_between_and_beyond_goes_on_as_steeply() -> None:
    assert YEAR["calls"] > 1_000_000
    flat, steep = grown(CALLS, 5, 5, 5, 5).after_a_year(), grown(CALLS, 1, 1, 1, 10).after_a_year()
    assert flat == pytest.approx(5)
    assert steep == pytest.approx(10 * YEAR["calls"] / 1_000_000)
    assert grown(CALLS, 1, 1, 1, 1, 100).after_a_year() == pytest.approx(100**0.0414, rel=0.01)


def test_one_size_alone_tells_no_growth() -> None:
    alone = grown(ITEMS, 5)
    assert alone.fit is None
    assert table([alone])[1][-3:] == ["–", "–", "–"]
    assert "nothing to compare" in headline([alone])


def test_a_page_keeps_what_stands_around_the_marks(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text(f"before\n{BEGIN}\nwhat stood here\n{END}\nafter\n")
    both = [grown(ITEMS, 5, 5, 5), grown(CALLS, 1, 10, 100, 1000)]
    for _ in range(2):
        write(tmp_path, both, "Measured then.")
    words = page.read_text()
    assert words.startswith(f"before\n{BEGIN}\nMeasured then.")
    assert words.endswith(f"{END}\nafter\n")
    assert "what stood here" not in words
    assert words.count(BEGIN) == 1
    svg = (tmp_path / "growth.svg").read_text()
    assert all(f'"{light}"' in svg for light in DARK)
    assert "prefers-color-scheme: dark" in svg


def test_a_page_without_marks_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text("mine\n")
    with pytest.raises(SystemExit, match="lacks the marks"):
        write(tmp_path, [grown(ITEMS, 5, 5)], "Measured then.")
    assert page.read_text() == "mine\n"
    assert not (tmp_path / "growth.svg").exists()

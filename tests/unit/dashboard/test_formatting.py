"""How amounts, counts and names are written."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.dashboard import formatting


@pytest.mark.parametrize(
    ("nanousd", "shown"),
    [
        (0, "$0.00"), (1, "<$0.01"), (4_999_999, "<$0.01"), (5_000_000, "$0.01"), (8_330_000_000, "$8.33"), (1_234_567_890_000, "$1,234.57"),
        (994_999_999, "$0.99"), (995_000_000, "$1.00"), (-500_000_000, "\u2212$0.50"), (-1, "\u2212<$0.01"),
    ],
)  # fmt: skip
def test_a_sum_is_written_to_the_cent_rounded_half_up(nanousd: int, shown: str) -> None:
    assert formatting.dollars(nanousd) == shown


@pytest.mark.parametrize(
    ("nanousd", "shown"),
    [(0, "$0"), (1, "<$0.0001"), (50_000, "$0.0001"), (4_249_999, "$0.0042"), (999_950_000, "$1.0000"), (1_000_000_000, "$1.00")],
)
def test_one_call_is_written_to_a_hundredth_of_a_cent(nanousd: int, shown: str) -> None:
    assert formatting.fine_dollars(nanousd) == shown


@given(st.integers(-(2**62), 2**62))
def test_what_is_written_is_within_half_a_cent_and_the_value_is_exact(nanousd: int) -> None:
    element = str(formatting.money(nanousd))
    assert f'value="{nanousd}"' in element
    shown = formatting.dollars(nanousd).replace("\u2212", "-").replace("$", "").replace(",", "")
    if "<" not in shown:
        assert abs(Decimal(shown) - Decimal(nanousd) / 10**9) <= Decimal("0.005")


@pytest.mark.parametrize(("nanousd", "typed"), [(None, ""), (8_330_000_000, "8.33"), (5_000_000_000, "5.00"), (1_500_000, "0.0015")])
def test_what_stands_in_a_form_is_exact(nanousd: int | None, typed: str) -> None:
    assert formatting.typed(nanousd) == typed


@pytest.mark.parametrize(
    ("tokens", "shown"), [(0, "0"), (940, "940"), (12_449, "12.4 k"), (712_000, "712 k"), (3_149_999, "3.1 M"), (2_000_000_000, "2.0 B")]
)
def test_tokens_are_written_short(tokens: int, shown: str) -> None:
    assert formatting.short_count(tokens) == shown


def test_a_share_is_a_hundred_percent_only_when_it_is_all() -> None:
    assert [formatting.percent(part, 1000) for part in (0, 999, 1000, 1500)] == [0, 99, 100, 150]
    assert formatting.percent(0, 0) == 0
    assert formatting.percent(1, 0) == 100
    assert [formatting.permille(part, 1000) for part in (-5, 999, 1500)] == [0, 999, 1000]


def test_a_name_is_escaped_and_kept_apart() -> None:
    assert str(formatting.name('<b>"')) == '<bdi class="name" title="&lt;b&gt;&#34;">&lt;b&gt;&#34;</bdi>'
    assert formatting.plain_name("\u202ex") == "\u2068\u202ex\u2069"


def test_a_moment_of_today_is_a_time_and_another_a_day_too() -> None:
    at = datetime(2026, 11, 21, 9, 5, tzinfo=UTC)
    assert ">09:05<" in formatting.moment(at, UTC, today=date(2026, 11, 21))
    assert ">21 Nov, 09:05<" in formatting.moment(at, UTC)

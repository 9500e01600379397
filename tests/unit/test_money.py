"""Money is an integer of nano-dollars."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.money import NANO, from_usd, to_usd


def test_the_default_limit_is_exact() -> None:
    assert from_usd(8.33) == 8_330_000_000
    assert to_usd(8_330_000_000) == 8.33


@given(st.integers(0, 10_000 * NANO))
def test_dollars_and_back_is_the_same(nanousd: int) -> None:
    assert from_usd(f"{nanousd / NANO:.9f}") == pytest.approx(nanousd, abs=1)


@pytest.mark.parametrize("amount", [-1, float("nan"), float("inf"), 1e12, "eight", ""])
def test_an_absurd_amount_is_refused(amount: float | str) -> None:
    with pytest.raises(ValueError, match="dollars"):
        from_usd(amount)

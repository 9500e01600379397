"""Money: an `int` of nano-dollars everywhere, never a float. 1 USD = 1,000,000,000."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

NANO = 1_000_000_000
MAX_USD = Decimal(1_000_000)


def from_usd(amount: Decimal | float | str) -> int:
    """Convert dollars to nano-dollars, rounded half up. Raises ValueError if negative, not a number, or above MAX_USD."""
    try:
        value = Decimal(str(amount))
    except InvalidOperation:
        raise ValueError("must be an amount in dollars, such as 8.33") from None
    if not value.is_finite() or value < 0 or value > MAX_USD:
        raise ValueError(f"must lie between 0 and {MAX_USD:,} dollars")
    return int((value * NANO).to_integral_value(rounding=ROUND_HALF_UP))


def to_usd(nanousd: int) -> float:
    """Convert nano-dollars to dollars, for a JSON reply or a page; never to calculate with."""
    return float(Decimal(nanousd) / NANO)


def usd_text(nanousd: int) -> str:
    """Format nano-dollars as exact dollars, for a header."""
    return f"{Decimal(nanousd) / NANO:f}"

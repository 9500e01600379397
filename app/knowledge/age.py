"""Weighs and groups what is known by its age: the days since it was last said, learnt or corrected. An age is never a label of quality."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, case, literal

from app.clock import age_days
from app.knowledge.item import AGE_BANDS, AgeBand
from app.knowledge.tables import ItemRow

BAND_DAYS = (30, 90, 180)
"""The age in days at which each band but the youngest begins."""
FACTORS: dict[AgeBand, float] = {"under_30_days": 1.0, "30_to_90_days": 0.98, "90_to_180_days": 0.95, "over_180_days": 0.9}
"""Factor of a score by age: small, so that it decides between near equals and hides only what is barely relevant."""


def band_of(last_seen_at: datetime) -> AgeBand:
    """Return the band that an age is in. Changes only with the UTC day, as cached results do."""
    days = age_days(last_seen_at)
    return AGE_BANDS[sum(days >= begins for begins in BAND_DAYS)]


def age_factor(last_seen_at: datetime) -> float:
    """Return the factor of a score by the item's age today."""
    return FACTORS[band_of(last_seen_at)]


def band_column(now: datetime) -> ColumnElement[str]:
    """Return `band_of` as an SQL expression over items. `now`: the current time in UTC."""
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    begins = [today - timedelta(days=days - 1) for days in BAND_DAYS]
    younger = [(ItemRow.last_seen_at >= begin, literal(band)) for begin, band in zip(begins, AGE_BANDS, strict=False)]
    return case(*younger, else_=literal(AGE_BANDS[-1]))

"""Filters of calls, as an address has them and as an operation takes them."""

from __future__ import annotations

from dataclasses import fields

from app.dashboard.calls import CallListFilters
from app.dashboard.filtering import NONE, RangedCallFilters


def filters(kind: type[RangedCallFilters], **given: str) -> RangedCallFilters:
    return kind(**{each.name: given.get(each.name, "") for each in fields(kind)})


def test_calls_that_name_none_are_an_empty_name_to_the_operation() -> None:
    found = filters(RangedCallFilters, project=NONE, model="claude", by="day", first="2026-01-01")
    assert found.named == {"project": "", "model": "claude"}
    assert found.of_calls == {"model": "claude", "project": NONE}


def test_the_range_and_the_dimension_are_no_filters_of_calls() -> None:
    found = filters(CallListFilters, range="7d", by="model", outcome="failed", text="abc")
    assert found.of_calls == {"outcome": "failed", "text": "abc"}
    assert found.query == {"range": "7d", "by": "model", "outcome": "failed", "text": "abc"}
    assert found.named == {}

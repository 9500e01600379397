"""Every measure is declared once, and the pages that list them say what is declared."""

from __future__ import annotations

import re

import pytest
from prometheus_client import Counter, Gauge

from app.telemetry import measures, metrics
from app.telemetry.measures import MEASURES
from app.telemetry.registry import Declaration, Measures, RollUp
from tests import measure_pages as pages

METRICS = [each for each in MEASURES.declared if each.metric is not None]
RIDDLES = re.compile(r"^(What|Of|Whether|How|For|Until|From) ", re.IGNORECASE)
"""A help opens with the noun of what is measured."""


def test_a_name_is_declared_once_as_a_metric_and_once_as_a_series() -> None:
    made = Measures()
    made.fast_counter("cairn_a", "A.", roll_up=RollUp("a.all", "as"))
    with pytest.raises(ValueError, match="cairn_a is declared already"):
        made.gauge("cairn_a", "A again.")
    with pytest.raises(ValueError, match=r"a\.all is declared already"):
        made.series("a.all", "counter", "A again.", unit="as")
    assert [each.metric for each in made.declared] == ["cairn_a"]


def test_every_registered_metric_is_declared() -> None:
    registered = {name for name in metrics.REGISTRY._names_to_collectors if not name.endswith(("_total", "_created"))}
    declared = {each.metric for each in METRICS}
    assert registered <= declared, f"declare {sorted(registered - declared)} in app/telemetry/measures.py"


def test_the_page_of_metrics_lists_what_is_declared() -> None:
    page = pages.METRICS.read_text()
    assert page == pages.with_table(page, pages.METRICS_HEAD, pages.metrics_table()), "run python -m tests.measure_pages"


def test_the_page_of_roll_ups_lists_what_is_declared() -> None:
    page = pages.ROLLUPS.read_text()
    assert page == pages.with_table(page, pages.ROLLUPS_HEAD, pages.rollups_table()), "run python -m tests.measure_pages"


@pytest.mark.parametrize("each", METRICS, ids=lambda each: each.metric)
def test_a_metric_has_a_name_and_a_help_that_follow_the_rules(each: Declaration) -> None:
    assert re.fullmatch(r"(cairn|gen_ai)_[a-z0-9_]+", each.metric or "")
    assert each.description.endswith(".")
    assert each.description[0].isupper()
    assert not RIDDLES.search(each.description), each.description
    assert not (each.kind == "counter" and (each.metric or "").endswith("_total")), "_total is added when it is shown"


@pytest.mark.parametrize("each", MEASURES.declared, ids=lambda each: each.metric or each.roll_up.series)
def test_a_measure_is_shown_or_rolled_up_under_its_declared_help(each: Declaration) -> None:
    shown = {family.name: family.documentation for family in MEASURES.registry.collect()}
    if each.metric is None:
        assert each.roll_up is not None
    else:
        assert shown[each.metric] == each.description


def test_every_measure_that_is_shown_has_a_name_to_be_raised_by() -> None:
    named = [each for each in vars(measures).values() if isinstance(each, Counter | Gauge) or hasattr(each, "families")]
    assert len({id(each) for each in named} - {id(MEASURES)}) == len(METRICS)

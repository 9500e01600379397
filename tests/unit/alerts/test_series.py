"""The series of the roll-ups follow from what is declared."""

from __future__ import annotations

from app.alerts.series import SERIES, series_of
from app.telemetry.measures import MEASURES
from app.telemetry.registry import Measures, RollUp


def test_a_series_has_the_labels_and_kind_of_its_measure_unless_it_says_otherwise() -> None:
    measures = Measures()
    measures.fast_counter("a", "Calls.", "provider", roll_up=RollUp("x.calls", "calls"))
    measures.fast_counter(
        "b", "Calls by route.", "route", roll_up=RollUp("x.classes", "calls", ("class",), lambda key: key, "Calls by class.")
    )
    measures.timing("c", "Tokens.", "type", buckets=(1.0,), roll_up=RollUp("x.tokens", "tokens", summed=True))
    measures.timing("d", "Seconds.", buckets=(1.0,), roll_up=RollUp("x.seconds", "seconds"))
    measures.gauge("e", "Fullness.", roll_up=RollUp("x.full", "share"))
    measures.gauge("f", "Not rolled up.")
    measures.series("x.only", "level", "Only rolled up.", "role", unit="cores")
    found = {each.name: (each.kind, each.labels, each.unit, each.description) for each in series_of(measures.declared).values()}
    assert found == {
        "x.calls": ("counter", ("provider",), "calls", "Calls."),
        "x.classes": ("counter", ("class",), "calls", "Calls by class."),
        "x.tokens": ("counter", ("type",), "tokens", "Tokens."),
        "x.seconds": ("timing", (), "seconds", "Seconds."),
        "x.full": ("level", (), "share", "Fullness."),
        "x.only": ("level", ("role",), "cores", "Only rolled up."),
    }


def test_every_measure_that_is_rolled_up_is_a_series() -> None:
    assert len(SERIES) == sum(each.roll_up is not None for each in MEASURES.declared) > 40


def test_a_relabelled_measure_gives_as_many_labels_as_its_series_has() -> None:
    for each in MEASURES.declared:
        if each.roll_up is not None and each.roll_up.relabel is not None:
            key = tuple("chat" if "operation" in label else "miss" if label == "cache" else "evicted" for label in each.labels)
            assert each.roll_up.labels is not None, each.metric
            assert len(each.roll_up.relabel(key) or ()) == len(each.roll_up.labels), each.metric

"""Two items contradict each other only where they say the same of one matter but for a value, and neither narrows it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.knowledge.contradiction.judge import TitledText, contradiction_of, contradictions_between, rules_of
from app.knowledge.contradiction.slots import slots_in


def said(text: str, title: str = "") -> TitledText:
    return TitledText(title or text, text)


def test_it_returns_both_sentences_and_their_values() -> None:
    found = contradiction_of(
        said("The lag grew. Order events go through Kafka. Ada measured it."), said("Order events go through Pulsar, which Bo knows.")
    )
    assert found is None  # the second says more than the first
    found = contradiction_of(said("The lag grew. Order events go through Kafka."), said("Order events go through Pulsar."))
    assert found is not None
    assert (found.words, found.other_words) == ("Order events go through Kafka", "Order events go through Pulsar")
    assert (found.value, found.other_value) == ("Kafka", "Pulsar")


@pytest.mark.parametrize(
    ("sentence", "kind", "value"),
    [
        ("Audit logs are kept for 2 weeks", "amount", "1209600000 time"),
        ("Uploads are limited to 1 GB", "amount", "1073741824 size"),
        ("Retry failed jobs five times", "amount", "5"),
        ("Sessions are stored in PostgreSQL", "name", "postgres"),
        ("Deploy the API with Helm", "name", "helm"),
        ("The cache is disabled", "stance", "disable"),
        ("备份保留30天", "amount", "2592000000 time"),
    ],
)
def test_a_value_is_read_in_one_spelling(sentence: str, kind: str, value: str) -> None:
    assert (kind, value) in [(each.kind, each.value) for each in slots_in(sentence)]


@pytest.mark.parametrize(
    "text", ["The import took 40 s.", "Maybe the limit is 40 MB.", "It expires after 40 s.", "Should the limit be 40 MB?", ""]
)
def test_what_reports_doubts_or_points_elsewhere_is_no_rule(text: str) -> None:
    assert rules_of(said(text)) == ()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("if content is not None:", "if content is None:"),
        ("map_tokens = 0", "map_tokens = 512"),
        ("- git: False", "- git: True"),
        ("text-align: center", "text-align: left"),
        ('assert kwargs["pretty"] is False', 'assert kwargs["pretty"] is True'),
        ("Cleaned text length: 731", "Cleaned text length: 122"),
        ("Set it so:\n```\nthe timeout is 5 s\n```", "Set it so:\n```\nthe timeout is 9 s\n```"),
    ],
)
def test_code_and_logs_contradict_nothing(one: str, other: str) -> None:
    assert contradiction_of(said(one), said(other)) is None


def test_the_title_tells_what_a_sentence_is_about() -> None:
    basket, seats = said("The lock is held for 20 minutes.", "Basket"), said("The lock is held for 5 minutes.", "Seat map")
    assert contradiction_of(basket, seats) is None
    assert contradiction_of(basket, said("The lock is held for 5 minutes.", "Basket")) is not None
    assert contradiction_of(said("The limit is 5 MB.", "Shop A"), said("The limit is 9 MB.", "Shop B")) is None


def test_an_item_that_limits_itself_contradicts_nothing() -> None:
    rule, other = said("Retries wait 5 s."), said("Retries wait 9 s. This only applies to the importer.")
    assert contradiction_of(rule, other) is None
    assert contradiction_of(rule, said("Retries wait 9 s.")) is not None


def test_months_and_days_of_one_length_are_the_same() -> None:
    assert contradiction_of(said("Backups are kept for 30 days."), said("Backups are kept for 1 month.")) is None
    assert contradiction_of(said("Backups are kept for 30 days."), said("Backups are kept for 2 months.")) is not None


@pytest.mark.parametrize(
    ("one", "same", "other"),
    [
        (
            "Das Zeitlimit der Importe beträgt 1,5 Sekunden.",
            "Das Zeitlimit der Importe beträgt 1500 ms.",
            "Das Zeitlimit der Importe beträgt 15 Sekunden.",
        ),
        ("Das Limit der Importe beträgt 1.000 MB.", "Das Limit der Importe beträgt 1000 MB.", "Das Limit der Importe beträgt 10 MB."),
        (
            "El límite de las importaciones es de 2.500,5 MB.",
            "El límite de las importaciones es de 2500.5 MB.",
            "El límite de las importaciones es de 2,5 MB.",
        ),
        ("The limit of imports is 1,500 ms.", "The limit of imports is 1.5 s.", "The limit of imports is 15 s."),
        ("The limit of uploads is 1 GB.", "The limit of uploads is 1000 MB.", "The limit of uploads is 900 MB."),
        ("The limit of uploads is 2 TB.", "The limit of uploads is 2000000 MB.", "The limit of uploads is 1 TB."),
    ],
)
def test_one_amount_in_two_spellings_is_the_same(one: str, same: str, other: str) -> None:
    assert contradiction_of(said(one, "Limit"), said(same, "Limit")) is None
    assert contradiction_of(said(one, "Limit"), said(other, "Limit")) is not None


LIMITS = "Imports wait {} s. Exports wait {} s."


def test_what_is_compared_for_one_item_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    item = said(LIMITS.format(5, 7), "Limits")
    others = [said(LIMITS.format(wait, wait), "Limits") for wait in range(11, 17)]
    pairs = [(item, other) for other in others]
    assert [each is not None for each in contradictions_between(pairs)] == [True] * 6
    monkeypatch.setattr("app.knowledge.contradiction.judge.MAX_RULE_PAIRS", 8)  # each pair of items has four
    assert len(list(contradictions_between(pairs))) == 2
    monkeypatch.setattr("app.knowledge.contradiction.judge.MAX_RULE_PAIRS", 1_000)
    monkeypatch.setattr("app.knowledge.contradiction.judge.MAX_READ_CHARS", len(item.text) + 3 * len(others[0].text))
    assert len(list(contradictions_between(pairs))) == 3  # the item itself is read once


@given(one=st.text(max_size=200), other=st.text(max_size=200))
def test_any_two_texts_can_be_judged(one: str, other: str) -> None:
    assert contradiction_of(said(one), said(one)) is None
    contradiction_of(said(one), said(other))

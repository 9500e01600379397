"""A later statement replaces an earlier one only if it says what is given up, and this stands in the earlier one on the same matter."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.knowledge.supersession import judge
from app.knowledge.supersession.statements import MAX_CHANGES, read
from tests.unit.knowledge.growth import MAX_GROWTH, growth

OLDER = "Publish order events through nats-jetstream."
NEWER = "Move order events from nats-jetstream to redpanda."


def replaced_by(older: str, newer: str) -> str | None:
    return judge.replaced_by(read(older), read(newer))


def test_it_returns_the_words_that_say_so() -> None:
    assert replaced_by(OLDER, f"The lag grew. {NEWER} Everybody agreed.") == NEWER.rstrip(".")


@pytest.mark.parametrize(
    ("text", "old", "new"),
    [
        (NEWER, "nats-jetstream", "redpanda"),
        ("Use `pnpm` instead of `npm`.", "npm", "pnpm"),
        ("wkhtmltopdf has been replaced by WeasyPrint.", "wkhtmltopdf", "WeasyPrint"),
        ("Raise the timeout from 30 seconds to 60 seconds.", "30 seconds", "60 seconds"),
        ("Orders no longer go through Kafka.", "Kafka", ""),
        ("Wir nutzen pnpm statt npm.", "npm", "pnpm"),
        ("On a remplacé Mocha par Vitest.", "Mocha", "Vitest"),
        ("Movimos los pedidos de RabbitMQ a Kafka.", "RabbitMQ", "Kafka"),
        ("Migramos os pedidos de RabbitMQ para Kafka.", "RabbitMQ", "Kafka"),
        ("日志从 Graylog 切换到 Loki。", "Graylog", "Loki"),
    ],
)
def test_a_change_names_what_is_given_up_and_what_comes(text: str, old: str, new: str) -> None:
    assert (old, new) in [(each.old, each.new) for each in read(text).changes]


@pytest.mark.parametrize(
    "text", ["Publish order events through nats-jetstream.", "The parcel came from Berlin.", "Move it from there to here.", ""]
)
def test_a_statement_without_a_change_has_none(text: str) -> None:
    assert read(text).changes == ()


def test_a_value_within_a_longer_name_is_another_one() -> None:
    assert replaced_by("Sessions are stored in redis-cluster.", "Sessions moved from redis to Postgres.") is None


def test_a_chain_is_followed_link_by_link() -> None:
    assert replaced_by(NEWER, "Order events no longer go through redpanda, they go through pulsar.") is not None
    assert replaced_by(OLDER, "Order events no longer go through redpanda, they go through pulsar.") is None


def test_nothing_replaces_itself() -> None:
    assert replaced_by(NEWER, NEWER) is None


@given(older=st.text(max_size=200), newer=st.text(max_size=200))
def test_any_two_texts_can_be_judged(older: str, newer: str) -> None:
    replaced_by(older, newer)


HOSTILE = [
    " ",
    ", ",
    "\u3000",
    "\n ",
    "a ",
    "a.",
    "use a for a ",
    "instead of a use ",
    "move a from a to a. ",
    "von a auf ",
    "用a被",
    "从a",
    "\u0301\u0316",
]


@pytest.mark.parametrize("unit", HOSTILE)
def test_reading_takes_time_by_the_length_of_any_text(unit: str) -> None:
    assert growth(lambda text: read(f"a{text}b"), unit) < MAX_GROWTH
    assert growth(lambda text: replaced_by(f"a{text}b", NEWER), unit) < MAX_GROWTH


def test_white_space_within_a_sentence_counts_as_one_space() -> None:
    assert replaced_by(
        "Publish order  events\u00a0through \t nats-jetstream.", f"Move order{' ' * 400}events from nats-jetstream to redpanda."
    )


def test_a_sentence_too_long_for_a_rule_is_left_out() -> None:
    listing = ", ".join(f"queue{number}" for number in range(80))
    assert replaced_by(f"{listing} and {OLDER}", NEWER) is None
    assert replaced_by(f"{listing}\n{OLDER}", NEWER) is not None


def test_of_a_change_log_only_the_first_changes_are_read() -> None:
    log = "\n".join(f"Move queue{number} from host{number} to redpanda." for number in range(40))
    assert len(read(log).changes) == MAX_CHANGES


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("Store all amounts as integers.", "Use UUIDs, not integers."),
        ("Sessions in Redis.", "Use Kafka, not Redis."),
        ("Session of the shop in Redis.", "Use Kafka, not Redis."),
        ("Logs go to Loki.", "Use Tempo instead of Loki."),
        ("Invoices are sent over SMTP.", "We no longer use SMTP."),
        ("Die Bestellungen laufen über RabbitMQ.", "Wir nutzen Kafka statt RabbitMQ."),
        ("搜索用的是 Solr。", "改用 Postgres，不用 Solr。"),
    ],
)
def test_a_change_that_names_no_matter_replaces_no_rule_of_one(older: str, newer: str) -> None:
    assert replaced_by(older, newer) is None


def test_a_change_that_names_no_matter_replaces_what_names_none_either() -> None:
    assert replaced_by("Use integers.", "Use UUIDs, not integers.") is not None
    assert replaced_by("We use npm.", "We no longer use npm.") is not None


@pytest.mark.parametrize("older", ["Sessions of orders in Redis.", "Migration of orders in Redis.", "Keys of all orders are in Redis."])
def test_a_noun_that_begins_a_sentence_narrows_it(older: str) -> None:
    assert replaced_by(older, "For orders use Kafka, not Redis.") is None

"""In the languages that are read by the one verb "move", a change replaces what it gives up, unless it is doubted, denied or elsewhere."""

from __future__ import annotations

import pytest

from app.knowledge.supersession.judge import replaced_by
from app.knowledge.supersession.statements import read

PAIRS = [
    ("Pubblica gli eventi degli ordini tramite nats-jetstream.", "Sposta gli eventi degli ordini da nats-jetstream a redpanda."),
    ("Pubblica gli eventi degli ordini tramite rabbitmq.", "Sposta gli eventi degli ordini da rabbitmq a kafka."),
    ("Send non-critical events through sidekiq.", "Move non-critical events from sidekiq to temporal."),
    ("Verstuur de facturen via mail-relay.", "Verplaats de facturen van mail-relay naar postmark-api."),
    ("Skicka orderhändelser via nats-jetstream.", "Flytta orderhändelser från nats-jetstream till redpanda."),
    ("Send ordrehændelser via nats-jetstream.", "Flyt ordrehændelser fra nats-jetstream til redpanda."),
    ("Wysyłaj zdarzenia zamówień przez nats-jetstream.", "Przenieś zdarzenia zamówień z nats-jetstream do redpanda."),
    ("Публикуйте события заказов через nats-jetstream.", "Перенесите события заказов из nats-jetstream в redpanda."),
    ("Надсилайте події замовлень через nats-jetstream.", "Перенесіть події замовлень з nats-jetstream до redpanda."),
    ("注文イベントは nats-jetstream 経由で発行してください。", "注文イベントを nats-jetstream から redpanda に移行してください。"),
    ("订单事件通过nats-jetstream发布。", "订单事件从nats-jetstream迁移到redpanda。"),
    ("Schicke Bestellereignisse über nats-jetstream.", "Stelle Bestellereignisse von nats-jetstream auf redpanda um."),
    ("Guarda los tokens de sesión en redis-cluster.", "Pasa los tokens de sesión de redis-cluster a keydb."),
]
NO_CHANGES = [
    "Forse sposta gli eventi degli ordini da nats-jetstream a redpanda.",
    "Non spostare gli eventi degli ordini da nats-jetstream a redpanda.",
    "Mai spostare gli eventi degli ordini da nats-jetstream a redpanda.",
    "Sposta gli eventi degli ordini da nats-jetstream a redpanda solo su staging.",
    "Sposta gli eventi delle spedizioni da nats-jetstream a redpanda.",
    "Sposta gli eventi degli ordini da nats-streaming a redpanda.",
    "Sposta gli eventi degli ordini da nats-jetstream a redpanda?",
]


ELSEWHERE = [
    ("セッションは redis に保存する。", "セッションを redis から keydb に移行しない。"),
    ("セッションは redis に保存する。", "セッションを redis から keydb に移行する予定です。"),
    ("セッションは redis に保存する。", "セッションを redis から keydb に移行すべきですか。"),
    ("セッションは redis に保存する。", "セッションを redis から keydb に移行するのは中止した。"),
    ("Sessioner sparas i redis.", "Flytta inte sessioner från redis till keydb."),
    ("Sessioner sparas i redis.", "Vi flyttade tillbaka sessioner från redis till keydb."),
    ("Sesje są w redis.", "Planujemy przenieść sesje z redis do keydb."),
    ("Sesje są w redis.", "Nie przenoś sesji z redis do keydb."),
    ("Сессии в redis.", "Планируем перенести сессии из redis в keydb."),
    ("Tokens gaan via redis.", "Verplaats tokens niet van redis naar keydb."),
]


@pytest.mark.parametrize(("older", "newer"), ELSEWHERE)
def test_a_plan_a_question_or_a_denial_of_a_move_replaces_nothing(older: str, newer: str) -> None:
    assert replaced_by(read(older), read(newer)) is None


def test_what_was_moved_in_japanese_is_replaced() -> None:
    older = read("セッションは redis に保存する。")
    assert replaced_by(older, read("セッションを redis から keydb に移行した。")) is not None


@pytest.mark.parametrize(("older", "newer"), PAIRS)
def test_a_move_replaces_what_it_gives_up(older: str, newer: str) -> None:
    assert replaced_by(read(older), read(newer)) is not None
    assert replaced_by(read(newer), read(older)) is None


@pytest.mark.parametrize("newer", NO_CHANGES)
def test_a_doubted_denied_or_other_move_replaces_nothing(newer: str) -> None:
    assert replaced_by(read(PAIRS[0][0]), read(newer)) is None


@pytest.mark.parametrize(
    "said",
    [
        "Im Mai haben wir die Warteschlange von RabbitMQ auf Kafka umgestellt.",
        "En mai, nous avons migré la file de RabbitMQ vers Kafka.",
        "We moved non-blocking reads from redis to keydb.",
    ],
)
def test_a_month_or_a_prefix_is_no_negation(said: str) -> None:
    (change,) = read(said).changes
    assert not change.refused

"""What a person settles in passing about a service or a tool is learnt, in any language; an errand is not."""

from __future__ import annotations

import pytest

from app.knowledge.extraction.choices import choice_of
from tests.unit.knowledge.sessions import learnt, texts

CHOICES = [
    "publish order events through nats-jetstream",
    "Let's send the audit logs through kafka-connect from now on",
    "please route metrics via vector-agent",
    "Store session tokens in keydb.",
    "Keep the thumbnails in seaweedfs, not on disk.",
    "Send the invoices via postmark.",
    "We publish price changes to Kafka.",
    "Move order events from nats-jetstream to redpanda.",
    "migrate session tokens from keydb to dragonfly",
    "Switch the audit trail from loki to graylog.",
    "Veröffentliche Bestellereignisse über nats-jetstream.",
    "Speichere Sitzungstoken in redis-cluster.",
    "Verschiebe Bestellereignisse von nats-jetstream nach redpanda.",
    "Publica los eventos de pedidos por nats-jetstream.",
    "Mueve los eventos de pedidos de nats-jetstream a redpanda.",
    "Publie les événements de commande via nats-jetstream.",
    "Mova os eventos de pedidos de nats-jetstream para redpanda.",
    "Pubblica gli eventi degli ordini tramite nats-jetstream.",
    "Verstuur de facturen via mail-relay.",
    "Skicka orderhändelser via nats-jetstream.",
    "Wysyłaj zdarzenia zamówień przez nats-jetstream.",
    "Публикуйте события заказов через nats-jetstream.",
    "用 nats-jetstream 发布订单事件。",
    "注文イベントは nats-jetstream 経由で発行してください。",
    "把会话令牌存储到 keydb-cluster。",
    "Ab sofort senden wir Rechnungen über mail-relay.",
    "Sipariş olaylarını nats-jetstream üzerinden yayınla.",
    "Kirim semua event pesanan lewat nats-jetstream.",
    "Store the audit trail in Graylog.",
    "Store uploaded files in minio-cluster.",
    "Keep the rate limits in redis-7.",
    "Cache the result in Redis.",
    "Switch all configs from JSON to protobuf.",
    "Sposta gli eventi da rabbitmq a kafka.",
]
ERRANDS = [
    "add a test for the parser",
    "run the migrations on staging",
    "move the tests from tests/old to tests/new",
    "Move the button from top-left to bottom-right.",
    "Move the parse function from utils to helpers.",
    "move the logic from client to server",
    "switch from dark to light",
    "rename foo to bar",
    "send me a summary via slack",
    "push the branch to origin",
    "save the file as UTF-8 in the editor",
    "keep the old behaviour in mind",
    "render the list with a spinner",
    "log the error in the console",
    "send the request through the whole stack once more and look at the log",
    "Should we publish order events through nats-jetstream?",
    "Verschiebe die Schaltfläche nach rechts und teste noch einmal.",
    "Mueve el botón a la derecha y prueba otra vez.",
    "Öffne bitte die Datei und lies sie mir vor.",
    "Send the invoice to Anna.",
    "Save this patch with git.",
    "Deploy the app to Production.",
    "Schedule the meeting on Friday.",
    "Switch the nav-bar to dark-mode.",
    "Store the result in `result`.",
    "Keep the state in `useState`.",
    "Move `parseDate` from `utils` to `dates`.",
    "Route the request through auth.",
    "Send the value through props.",
    "Envoie un e-mail à Paul avec le rapport.",
    "Déplace le bouton dans le sous-menu de la page.",
    "Mută-l în folderul din proiect și trimite-mi fișierul.",
    "Pindahkan file-file ini ke folder yang baru.",
    "Schicke das mit git in die Cloud und der Test ist fertig.",
    "Zet de knop van links naar rechts.",
    "Ändere die Farbe von Rot auf Blau und sag mir Bescheid.",
]
REPORTS = [
    "We keep all other assertions, also those on `mock_run`.",
    "nats-jetstream 存在内存泄漏问题。",
    "使用 nats-jetstream 时报错了。",
    "nats-jetstream で送信に失敗しました。",
    "kafka-connect を使用するとエラーになります。",
    "kafka-connect를 사용하면 오류가 납니다.",
    "Le build passe avec docker et le test est vert.",
    "Il worker usa redis e non parte più.",
    "Beim Senden über nats-jetstream kommt ein Fehler und die Tests schlagen fehl.",
]


@pytest.mark.parametrize("said", CHOICES)
def test_a_choice_is_learnt_however_it_comes_up(said: str) -> None:
    for session in (
        (("ask", said),),
        (("ask", "What is left before the release?"), ("say", "Only the notes."), ("ask", said), ("say", "Done.")),
    ):
        (found,) = texts(learnt(*session))
        assert said.casefold().rstrip(".").endswith(found.casefold().rstrip("."))


@pytest.mark.parametrize("said", ERRANDS)
def test_an_errand_is_no_choice(said: str) -> None:
    assert not choice_of(said)
    assert not learnt(("ask", said), ("say", "Done."))


@pytest.mark.parametrize("said", REPORTS)
def test_a_report_that_names_a_service_is_no_choice(said: str) -> None:
    assert not choice_of(said)


def test_a_choice_that_is_taken_back_at_once_is_none() -> None:
    assert not choice_of("Don't move order events from nats-jetstream to redpanda.")

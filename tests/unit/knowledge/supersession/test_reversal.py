"""A change that is denied, or was taken back, in whatever place of its sentence or behind it, replaces nothing."""

from __future__ import annotations

import pytest

from app.knowledge.supersession.judge import replaced_by
from app.knowledge.supersession.statements import read

SESSIONS = "Sessions are stored in Redis."
DENIED = [
    (SESSIONS, "The move of sessions from Redis to Valkey was abandoned."),
    (SESSIONS, "Moving sessions from Redis to Valkey was not agreed."),
    (SESSIONS, "We moved sessions from Redis to Valkey and back to Redis again."),
    (SESSIONS, "We moved sessions, though not all, from Redis to Valkey."),
    (SESSIONS, "We moved sessions from Redis to Valkey and rolled it back."),
    (SESSIONS, "We moved sessions from Redis to Valkey. It was reverted."),
    (SESSIONS, "We moved sessions from Redis to Valkey because of the licence, and went back."),
    (SESSIONS, "The switch of sessions from Redis to Valkey never happened."),
    (SESSIONS, "Cancelled: move sessions from Redis to Valkey."),
    (SESSIONS, "We stopped moving sessions from Redis to Valkey."),
    (SESSIONS, "Replacing Redis with Valkey for sessions was rejected."),
    (SESSIONS, "Sessions moved from Redis to Valkey; that didn't work, so we rolled back."),
    ("The timeout of queue 5050 is 50 s.", "The timeout of queue 5050 was not changed from 50 s to 90 s."),
    ("The queue is RabbitMQ.", "The queue was migrated from RabbitMQ to SQS, then dropped."),
    ("Die Suche nutzt Solr.", "Die Suche wurde von Solr auf OpenSearch umgestellt, dann rückgängig gemacht."),
    ("Die Suche nutzt Solr.", "Die Suche wurde nie von Solr auf OpenSearch umgestellt."),
    ("Die Suche nutzt Solr.", "Die Suche wurde von Solr auf OpenSearch umgestellt. Wir sind wieder zurückgewechselt."),
    ("La recherche utilise Solr.", "La recherche a été migrée de Solr vers OpenSearch, puis la migration a été annulée."),
    ("La recherche utilise Solr.", "La migration de la recherche de Solr vers OpenSearch a été abandonnée."),
    ("La búsqueda usa Solr.", "Cambiamos la búsqueda de Solr a OpenSearch y volvimos atrás."),
    ("La búsqueda usa Solr.", "El cambio de la búsqueda de Solr a OpenSearch fue rechazado."),
    ("La búsqueda usa Solr.", "Nunca cambiamos la búsqueda de Solr a OpenSearch."),
    ("A busca usa Solr.", "Migramos a busca de Solr para OpenSearch, mas voltamos."),
    ("A busca usa Solr.", "A migração da busca de Solr para OpenSearch foi cancelada."),
    ("搜索用的是 Solr。", "搜索从 Solr 切换到 OpenSearch 的计划被否决。"),
    ("搜索用的是 Solr。", "搜索从 Solr 切换到 OpenSearch，后来又切回 Solr。"),
    ("搜索用的是 Solr。", "搜索没有从 Solr 切换到 OpenSearch。"),
]
STATED = [
    (SESSIONS, "We moved sessions from Redis to Valkey."),
    (SESSIONS, "We moved sessions from Redis to Valkey because Redis dropped logins."),
    (SESSIONS, "We moved sessions from Redis to Valkey. Redis stopped twice."),
    ("The queue is RabbitMQ.", "The queue was migrated from RabbitMQ to SQS."),
    ("The timeout of queue 5050 is 50 s.", "The timeout of queue 5050 was changed from 50 s to 90 s."),
    ("Die Suche nutzt Solr.", "Die Suche wurde von Solr auf OpenSearch umgestellt."),
    ("La recherche utilise Solr.", "La recherche a été migrée de Solr vers OpenSearch."),
    ("La búsqueda usa Solr.", "Cambiamos la búsqueda de Solr a OpenSearch."),
    ("A busca usa Solr.", "Migramos a busca de Solr para OpenSearch."),
    ("搜索用的是 Solr。", "搜索从 Solr 切换到 OpenSearch。"),
]


@pytest.mark.parametrize(("older", "newer"), DENIED)
def test_a_change_that_did_not_come_or_last_replaces_nothing(older: str, newer: str) -> None:
    assert replaced_by(read(older), read(newer)) is None


@pytest.mark.parametrize(("older", "newer"), STATED)
def test_the_same_change_stated_plainly_replaces(older: str, newer: str) -> None:
    assert replaced_by(read(older), read(newer)) is not None

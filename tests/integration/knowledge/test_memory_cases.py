"""What real transcripts teach, from the file to the answer: a decision and its revision, facts in any language, what is no lesson."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from zlib import crc32

import pytest

from app.knowledge.results import Query, Result
from app.queue.jobs import Queue
from app.settings import Settings
from tests.integration.knowledge.conftest import Bench
from tests.integration.knowledge.test_origins import ingest as ingest_body

REVISIONS = {
    "en": (
        "publish order events through nats-jetstream",
        "move order events from nats-jetstream to redpanda",
        "publish order events through nats-jetstream",
    ),
    "en, others": (
        "Let's send the audit logs through kafka-connect.",
        "Switch the audit logs from kafka-connect to pulsar.",
        "send audit logs through kafka-connect",
    ),
    "de": (
        "Veröffentliche Bestellereignisse über nats-jetstream.",
        "Verschiebe Bestellereignisse von nats-jetstream nach redpanda.",
        "Bestellereignisse",
    ),
    "es": (
        "Publica los eventos de pedidos por nats-jetstream.",
        "Mueve los eventos de pedidos de nats-jetstream a redpanda.",
        "eventos de pedidos",
    ),
    "it": (
        "Pubblica gli eventi degli ordini tramite nats-jetstream.",
        "Sposta gli eventi degli ordini da nats-jetstream a redpanda.",
        "eventi degli ordini",
    ),
    "nl": (
        "Verstuur de facturen via mail-relay.",
        "Verplaats de facturen van mail-relay naar postmark-api.",
        "facturen",
    ),
    "ru": (
        "Публикуйте события заказов через nats-jetstream.",
        "Перенесите события заказов из nats-jetstream в redpanda.",
        "события заказов",
    ),
    "zh": ("订单事件通过 nats-jetstream 发布。", "把订单事件从 nats-jetstream 迁移到 redpanda。", "订单事件 nats-jetstream"),
}
JANUARY, NOVEMBER = "2026-01-12", "2026-11-09"


def claude(session: str, day: str, said: Sequence[tuple[str, Any]]) -> str:
    """A transcript of Claude Code: (role, words), a minute apart."""
    records: list[dict[str, Any]] = [
        {
            "type": role,
            "uuid": f"{crc32(session.encode()):08x}-0000-4000-8000-{place:012}",
            "sessionId": session,
            "cwd": "/home/dev/shop",
            "timestamp": f"{day}T09:{place:02}:00Z",
            "message": {"role": role, "content": words},
        }
        for place, (role, words) in enumerate(said)
    ]
    return "".join(json.dumps(each) + "\n" for each in records)


async def ingest(bench: Bench, transcript: str, name: str) -> None:
    queue = Queue(bench.database, Settings().worker)
    await ingest_body(bench, queue, bench.intake(queue), name=f"{name}.jsonl", body=transcript)
    await bench.index.drain_to(2**62)


async def asked(bench: Bench, question: str, **narrowed: Any) -> Sequence[Result]:
    return (await bench.search.query(bench.team_id, Query(question, project="shop", **narrowed))).results


def passing(order: str) -> list[tuple[str, str]]:
    """A session in which somebody says something in passing."""
    return [("user", "What is left before the release?"), ("assistant", "Only the notes."), ("user", order), ("assistant", "Done.")]


@pytest.mark.parametrize(("january", "november", "question"), REVISIONS.values(), ids=REVISIONS)
async def test_what_was_said_in_passing_is_replaced_by_its_revision(bench: Bench, january: str, november: str, question: str) -> None:
    await ingest(bench, claude("s-january", JANUARY, passing(january)), "january")
    await ingest(bench, claude("s-november", NOVEMBER, passing(november)), "november")
    later, earlier = await asked(bench, question, kinds=("item",))
    assert (later.text, later.replaced_by) == (november, None)
    assert january.rstrip(".").endswith(earlier.text.rstrip(".")[1:])
    assert earlier.replaced_by is not None
    assert earlier.replaced_by.id == later.id
    item = await bench.store.get(bench.team_id, later.id)
    assert [each.id for each in item.replaces] == [earlier.id]


@pytest.mark.parametrize(("january", "november", "question"), REVISIONS.values(), ids=REVISIONS)
@pytest.mark.parametrize("limit", [1, 5])
async def test_the_passage_of_what_was_replaced_is_marked_behind_the_later_words(
    bench: Bench, january: str, november: str, question: str, limit: int
) -> None:
    await ingest(bench, claude("s-january", JANUARY, passing(january)), "january")
    await ingest(bench, claude("s-november", NOVEMBER, passing(november)), "november")
    found = await asked(bench, question, limit=limit)

    assert november in found[0].text
    assert found[0].replaced_by is None
    marked = [each for each in found if january in each.text]
    assert all(each.replaced_by is not None and each.replaced_by.at.month == 11 for each in marked)
    assert marked or limit == 1


FACTS = {
    "es": (
        "¿Por qué se detiene la importación? Nuestra regla: nunca editar `import_map.json` a mano.",
        "Hemos decidido usar `ndjson` en lugar de CSV para las importaciones, porque las líneas pueden contener comas.",
        "La causa raíz es que `reader.py` abre el archivo en modo texto. La solución es abrirlo con `newline=''`.",
        "Atención: `make import` no funciona sin `IMPORT_DIR`.",
    ),
    "nl": (
        "Waarom stopt de import? Onze regel: `import_map.json` nooit met de hand wijzigen.",
        "We hebben besloten `ndjson` te gebruiken in plaats van CSV voor imports, omdat regels komma's kunnen bevatten.",
        "De oorzaak is dat `reader.py` het bestand in tekstmodus opent. De oplossing is het te openen met `newline=''`.",
        "Let op: `make import` werkt niet zonder `IMPORT_DIR`.",
    ),
    "pl": (
        "Dlaczego import się zatrzymuje? Nasza zasada: nigdy nie edytować `import_map.json` ręcznie.",
        "Zdecydowaliśmy się używać `ndjson` zamiast CSV do importów, ponieważ wiersze mogą zawierać przecinki.",
        "Przyczyną jest to, że `reader.py` otwiera plik w trybie tekstowym. Rozwiązaniem jest otwarcie go z `newline=''`.",
        "Uwaga: `make import` nie działa bez `IMPORT_DIR`.",
    ),
}
NAMES = ("import_map.json", "ndjson", "newline=''", "IMPORT_DIR")


@pytest.mark.parametrize("language", FACTS)
async def test_facts_are_learnt_and_found(bench: Bench, language: str) -> None:
    rule, *replies = FACTS[language]
    turns = [("user", rule), *(turn for each in replies for turn in (("assistant", each), ("user", "ok")))]
    await ingest(bench, claude("s-facts", JANUARY, turns), "facts")
    for name, fact in zip(NAMES, FACTS[language], strict=True):
        found = await asked(bench, fact, kinds=("item",))
        assert any(name in each.text for each in found), name


CORRECTIONS = {
    "es": "No, usa pnpm aquí, el lockfile es pnpm-lock.yaml.",
    "nl": "Nee, gebruik hier pnpm, de lockfile is pnpm-lock.yaml.",
    "pl": "Nie, używaj tu pnpm, plik blokady to pnpm-lock.yaml.",
}


@pytest.mark.parametrize("language", CORRECTIONS)
async def test_a_correction_is_learnt(bench: Bench, language: str) -> None:
    turns = [("user", "Install the dependencies"), ("assistant", "I ran npm install."), ("user", CORRECTIONS[language])]
    await ingest(bench, claude("s-correction", JANUARY, turns), "correction")
    assert any("pnpm-lock.yaml" in text for _, text, _ in await bench.items())


PASSING = {
    "es": (
        "Decidimos esperar la ejecución de CI 4711, porque hoy la cola es larga.",
        "Decidí leer primero README.md, porque necesito entender el repositorio.",
        "El árbol de trabajo está limpio porque no se cambió nada.",
    ),
    "nl": (
        "We hebben besloten te wachten op CI-run 4711, omdat de wachtrij vandaag lang is.",
        "Ik heb besloten eerst README.md te lezen, omdat ik de repository moet begrijpen.",
        "De werkmap is schoon omdat er niets is gewijzigd.",
    ),
    "pl": (
        "Zdecydowaliśmy się poczekać na uruchomienie CI 4711, ponieważ kolejka jest dziś długa.",
        "Zdecydowałem się najpierw przeczytać README.md, ponieważ muszę zrozumieć repozytorium.",
        "Drzewo robocze jest czyste, ponieważ nic nie zostało zmienione.",
    ),
}


@pytest.mark.parametrize("language", PASSING)
async def test_what_concerns_this_moment_is_no_item(bench: Bench, language: str) -> None:
    turns = [("user", "Fix the import"), *(turn for each in PASSING[language] for turn in (("assistant", each), ("user", "ok")))]
    await ingest(bench, claude("s-passing", JANUARY, turns), "passing")
    assert await bench.items() == []


async def test_what_was_read_and_said_again_is_no_evidence(bench: Bench) -> None:
    for language, (_, decision, *_rest) in FACTS.items():
        call = [{"type": "tool_use", "id": f"toolu_{language}", "name": "Bash", "input": {"command": "cat CLAUDE.md"}}]
        output = [{"type": "tool_result", "tool_use_id": f"toolu_{language}", "content": f"# Notes\n{decision}\n"}]
        turns: list[tuple[str, Any]] = [("user", "Fix the import"), ("assistant", call), ("user", output), ("assistant", decision)]
        await ingest(bench, claude(f"s-read-{language}", JANUARY, turns), f"read-{language}")
    assert await bench.items() == []


APART = {
    "es": [
        ("Solo los editores pueden publicar un borrador de la portada.", "Solo los autores pueden publicar un borrador de la portada."),
        ("El archivo guarda siempre quince copias nocturnas.", "El archivo guarda siempre treinta copias nocturnas."),
    ],
    "nl": [
        (
            "Alleen redacteuren mogen een concept van de voorpagina publiceren.",
            "Alleen auteurs mogen een concept van de voorpagina publiceren.",
        ),
        ("De importer heeft altijd ten minste één vrije worker nodig.", "De importer heeft altijd ten hoogste één vrije worker nodig."),
    ],
    "pl": [
        ("Tylko redaktorzy mogą publikować szkic strony głównej.", "Tylko autorzy mogą publikować szkic strony głównej."),
        ("Eksport księgi działa zawsze tylko w dni robocze.", "Eksport księgi działa zawsze tylko w weekendy."),
    ],
}


@pytest.mark.parametrize("language", APART)
async def test_rules_that_differ_in_one_word_are_two_items(bench: Bench, language: str) -> None:
    for place, (one, other) in enumerate(APART[language]):
        for name, rule in (("one", one), ("other", other)):
            await ingest(bench, claude(f"s-{place}-{name}", JANUARY, [("user", rule), ("assistant", "ok")]), f"{place}-{name}")
    stored = {text for _, text, _ in await bench.items()}
    assert stored == {rule for pair in APART[language] for rule in pair}

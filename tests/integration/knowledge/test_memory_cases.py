"""What real transcripts teach, from the file to the answer: a decision and its revision, facts in any language, what is no lesson."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from app.knowledge.results import Query, Result
from app.queue.jobs import Queue
from app.sessions.event import GivenTranscript
from app.settings import Settings
from tests.integration.knowledge.conftest import Bench

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


def claude(session: str, day: str, said: Sequence[tuple[str, str]]) -> bytes:
    """A transcript of Claude Code: (role, words), a minute apart."""
    records: list[dict[str, Any]] = [
        {
            "type": role,
            "uuid": f"{abs(hash((session, place))) % 16**8:08x}-0000-4000-8000-{place:012}",
            "sessionId": session,
            "cwd": "/home/dev/shop",
            "timestamp": f"{day}T09:{place:02}:00Z",
            "message": {"role": role, "content": words},
        }
        for place, (role, words) in enumerate(said)
    ]
    return "".join(json.dumps(each) + "\n" for each in records).encode()


async def ingest(bench: Bench, transcript: bytes, name: str) -> None:
    queue = Queue(bench.database, Settings().worker)
    intake = bench.intake(queue)

    async def stream() -> Any:
        yield transcript

    async def progress(done: int, total: int) -> None: ...

    await intake.submit(bench.requester(), stream(), GivenTranscript(f"{name}.jsonl"), limit=10**8)
    job = await queue.claim("w", ("ingest",))
    assert job is not None
    done = await intake.ingest(job, progress)
    async with queue.begin() as connection:
        await queue.finish(connection, job, done.result)
        if done.closing is not None:
            await done.closing(connection)
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
    print([(r.kind, r.text[:60], r.score, r.replaced_by is not None) for r in found])
    assert november in found[0].text
    assert found[0].replaced_by is None
    marked = [each for each in found if january in each.text]
    assert all(each.replaced_by is not None and each.replaced_by.at.month == 11 for each in marked)
    assert marked or limit == 1

"""A question comes: filtered, ranked, cited; narrower while a part is away, and saying so."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from app.errors import InvalidInput, Unavailable, VectorStoreUnavailable
from app.knowledge.results import Query
from app.settings import KnowledgeSettings
from tests.integration.knowledge.conftest import Bench, lesson
from tests.waiting import patience

NATS = "We chose NATS over Kafka because one binary is enough for our traffic"
POOL = "The payment worker timed out because its pool had only five connections"
FLAG = "Pass --no-verify-ssl to the harbour client, its certificate is self-signed"


async def away(*args: object, **fields: object) -> list[object]:
    raise VectorStoreUnavailable("away")


async def texts(bench: Bench, **fields: object) -> list[str]:
    return [result.text for result in (await bench.search.query(bench.team_id, Query(**fields))).results]  # type: ignore[arg-type]


async def test_the_answer_comes_with_its_citation(bench: Bench) -> None:
    await bench.teach("talk", [lesson("1", NATS), lesson("2", POOL)])
    answer = await bench.search.query(bench.team_id, Query("why NATS over Kafka?"))
    best = answer.results[0]
    assert best.text == NATS
    assert (best.source.transcript, best.source.locator, best.source.excerpt) == ("talk.jsonl", "L1", NATS)
    assert answer.degraded == ()
    assert answer.took_ms > 0


async def test_an_unrelated_question_gets_an_empty_list(bench: Bench) -> None:
    await bench.teach("talk", [lesson("1", NATS)])
    assert await texts(bench, text="apple pie recipe") == []


async def test_an_exact_flag_is_found_though_the_question_says_nothing_else(bench: Bench) -> None:
    await bench.teach("talk", [lesson("1", NATS), lesson("2", POOL), lesson("3", FLAG)])
    assert (await texts(bench, text="--no-verify-ssl"))[0] == FLAG


async def test_another_teams_knowledge_is_not_found(bench: Bench) -> None:
    await bench.teach("talk", [lesson("1", NATS)])
    assert not (await bench.search.query(uuid4(), Query(NATS))).results


async def test_a_project_filters_and_an_unknown_one_finds_nothing(bench: Bench) -> None:
    await bench.teach("a", [lesson("1", NATS)], project="shop")
    await bench.teach("b", [lesson("1", f"{NATS} too")], project="blog")
    assert await texts(bench, text=NATS, project="blog") == [f"{NATS} too"]
    assert await texts(bench, text=NATS, project="nowhere") == []


async def test_a_preferred_project_comes_first_and_hides_nothing(bench: Bench) -> None:
    await bench.teach("a", [lesson("1", NATS)], project="shop")
    await bench.teach("b", [lesson("1", NATS)], project="blog")
    answer = await bench.search.query(bench.team_id, Query(NATS, prefer_project="blog"))
    assert [result.project for result in answer.results] == ["blog", "shop"]


async def test_types_filter(bench: Bench) -> None:
    await bench.teach("a", [lesson("1", NATS, type="architectural_decision"), lesson("2", f"{NATS} so beware", type="gotcha")])
    assert await texts(bench, text=NATS, types=("gotcha",)) == [f"{NATS} so beware"]


async def test_the_surer_and_the_fresher_of_two_equals_comes_first(bench: Bench) -> None:
    now = datetime.now(UTC)
    await bench.teach("old", [lesson("1", NATS, at=now - timedelta(days=400))], project="a")
    await bench.teach("new", [lesson("1", NATS, at=now)], project="b")
    await bench.teach("sure", [lesson("1", NATS, at=now, confidence=0.95)], project="c")
    answer = await bench.search.query(bench.team_id, Query(NATS, explain=True))
    assert [result.project for result in answer.results] == ["c", "b", "a"]
    assert [(each.freshness, each.age_days) for each in answer.results] == [("fresh", 0), ("fresh", 0), ("fresh", 400)]
    assert [(each.explain or {})["age_factor"] for each in answer.results] == [1.0, 1.0, 0.9]
    assert answer.results[0].explain is not None
    assert answer.results[0].explain["cosine"] == pytest.approx(1, abs=0.05)


async def test_min_score_takes_the_place_of_the_servers_own_threshold(bench: Bench) -> None:
    await bench.teach("a", [lesson("1", NATS), lesson("2", POOL)])
    assert len(await texts(bench, text="NATS binary", min_score=0.0)) == 2
    assert await texts(bench, text="NATS binary", min_score=0.99) == []


async def test_limit_limits(bench: Bench) -> None:
    await bench.teach("a", [lesson(str(n), f"{NATS} number {n}") for n in range(5)])
    assert len(await texts(bench, text=NATS, limit=2)) == 2


@pytest.mark.parametrize("part", ["vectors", "embeddings"])
async def test_while_a_part_is_away_words_still_find_and_the_answer_says_so(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    await bench.teach("a", [lesson("1", NATS), lesson("2", POOL)])
    await bench.teach("b", [lesson("1", f"{NATS} too", type="optimization")], project="blog")
    if part == "vectors":
        for leg in ("hybrid", "nearest", "lexical"):
            monkeypatch.setattr(bench.vectors, leg, away)
    else:

        async def no_vector(text: str) -> list[object]:
            raise Unavailable("away")

        monkeypatch.setattr(bench.embedder, "embed_question", no_vector)
    answer = await bench.search.query(bench.team_id, Query("why NATS over Kafka?"))
    assert answer.degraded == (part,)
    assert {result.text for result in answer.results} == {NATS, f"{NATS} too"}
    assert await texts(bench, text="NATS Kafka", project="blog", types=("optimization",)) == [f"{NATS} too"]
    assert await texts(bench, text="?! …") == []


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"text": "  "}, "query"),
        ({"text": "x" * 8001}, "query"),
        ({"text": "x", "limit": 0}, "limit"),
        ({"text": "x", "limit": 10**9}, "limit"),
        ({"text": "x", "types": ("wisdom",)}, "types"),
    ],
)
async def test_what_cannot_be_asked_names_its_field(bench: Bench, fields: dict[str, object], param: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        await texts(bench, **fields)
    assert caught.value.param == param


@pytest.mark.parametrize("text", ["'; drop table knowledge; --", "a & | ! ( ) : * b", "\\", "%_", "ignore previous instructions"])
async def test_hostile_questions_are_only_words(bench: Bench, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    await bench.teach("a", [lesson("1", NATS)])
    await texts(bench, text=text)
    for leg in ("hybrid", "nearest", "lexical"):
        monkeypatch.setattr(bench.vectors, leg, away)
    await texts(bench, text=text)
    assert len(await bench.items()) == 1


async def test_a_question_whose_vector_does_not_come_is_answered_by_its_words(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    await bench.teach("talk", [lesson("1", NATS), lesson("2", POOL)])
    blocked, asked = asyncio.Event(), list[str]()

    async def never(text: str) -> None:
        asked.append(text)
        await blocked.wait()

    monkeypatch.setattr(bench.embedder, "embed_question", never)
    monkeypatch.setattr(bench.search, "_limits", KnowledgeSettings(embedding_timeout_seconds=0.05))
    async with patience():
        answer = await bench.search.query(bench.team_id, Query("NATS Kafka"))
    assert asked == ["NATS Kafka"]
    assert answer.results[0].text == NATS
    assert answer.degraded == ("embeddings",)


async def test_a_caller_who_leaves_is_no_slow_embedder(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = asyncio.Event()

    async def never(text: str) -> None:
        begun.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(bench.embedder, "embed_question", never)
    query = asyncio.create_task(bench.search.query(bench.team_id, Query("NATS")))
    await begun.wait()
    query.cancel()
    with pytest.raises(asyncio.CancelledError):
        await query

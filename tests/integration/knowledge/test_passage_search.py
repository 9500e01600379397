"""What was said is found: both legs, what stands around it, its citation; within a budget, a period, a team; without one part or the other."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.errors import InvalidInput, Unavailable, VectorStoreUnavailable
from app.knowledge import passage_rows
from app.knowledge.item import KINDS
from app.knowledge.results import Query, Result, SearchResults
from app.sessions.event import Event, SessionHeader
from app.tokens import count_text
from tests.integration.knowledge.conftest import Bench, lesson
from tests.waiting import patience

JANUARY, MARCH = datetime(2026, 1, 10, tzinfo=UTC), datetime(2026, 3, 10, tzinfo=UTC)
QUESTION = "why does the payment worker time out?"
ASKED = "The payment worker times out every night. Can you look into it?"
CAUSE = "The payment worker times out because its pool has five connections and every refund holds two of them."
REMEDY = "I raised pool_size to twenty in worker.toml and restarted it; the nightly run is green again."
ELSEWHERE = "The harbour certificate expires in June, so the renewal job must run before that."


def said(number: int, role: str, words: str, at: datetime | None = MARCH) -> Event:
    return Event(f"e{number}", role, "prompt" if role == "user" else "reply", words, f"L{number}", at=at)  # type: ignore[arg-type]


TALK = [
    said(1, "user", ASKED),
    said(2, "assistant", CAUSE),
    said(3, "assistant", REMEDY),
    said(4, "user", "And what about the certificate of the harbour client?"),
    said(5, "assistant", f"## Renewal\n\n{ELSEWHERE}"),
]


async def tell(bench: Bench, name: str, events: Sequence[Event], *, project: str = "shop") -> UUID:
    """A session that is ingested, with all its projections."""
    session = await bench.session(name, project=project)
    await bench.journal.append(session, list(events))
    await bench.bring_up(session)
    return session


async def ask(bench: Bench, words: str = QUESTION, **fields: Any) -> SearchResults:
    """Passages, however unlikely to answer: a handful of texts with words for vectors is no ground for judging that."""
    return await bench.search.query(bench.team_id, Query(words, **({"kinds": ("passage",), "min_score": 0.0} | fields)))


def texts(answer: SearchResults) -> list[str]:
    return [each.text for each in answer.results]


async def first(bench: Bench, words: str = QUESTION, **fields: Any) -> Result:
    answer = await ask(bench, words, **fields)
    assert answer.results, answer
    return answer.results[0]


async def test_a_passage_is_found_with_its_citation_and_what_stands_around_it(bench: Bench) -> None:
    session = await tell(bench, "talk", TALK)
    best = await first(bench, limit=1)
    assert (best.kind, best.type, best.project) == ("passage", "passage", "shop")
    assert CAUSE in best.text
    assert REMEDY in best.text  # beside it
    source = best.source
    assert (source.session_id, source.transcript, source.at) == (session, "talk.jsonl", MARCH)
    assert (source.excerpt, source.locator) in {(CAUSE, "L2"), (ASKED, "L1")}
    assert best.title == ASKED  # no heading: what was asked
    assert best.evidence_count == 1
    assert 0 < best.score <= 1
    assert best.created_at == MARCH


async def test_a_heading_is_the_title_and_the_excerpt_is_verbatim(bench: Bench) -> None:
    await tell(bench, "talk", TALK)
    best = await first(bench, "when does the harbour certificate expire, and what must run before?")
    assert (best.title, best.source.excerpt) == ("Renewal", ELSEWHERE)


async def test_a_session_tells_its_branch_and_commit_for_both_kinds(bench: Bench) -> None:
    header = SessionHeader("generic", "talk", branch="fix/pool", commit="0a1b2c3")
    async with bench.database.begin() as connection:
        bench.sessions["talk"] = await bench.journal.open(
            connection, team_id=bench.team_id, project_id=bench.project_id, developer_id=None, header=header, transcript="talk.jsonl"
        )
    await tell(bench, "talk", TALK)
    await bench.teach("talk", [lesson("1", CAUSE)])
    answer = await ask(bench, kinds=KINDS)
    assert {each.kind for each in answer.results} == {"item", "passage"}
    assert {(each.source.branch, each.source.commit) for each in answer.results} == {("fix/pool", "0a1b2c3")}


async def test_the_newest_place_is_cited_and_all_are_counted(bench: Bench) -> None:
    await tell(bench, "old", [said(1, "assistant", CAUSE, JANUARY)])
    await tell(bench, "new", [said(1, "assistant", CAUSE, MARCH), said(2, "assistant", CAUSE, JANUARY)])
    best = await first(bench)
    assert (best.source.transcript, best.source.locator, best.source.at) == ("new.jsonl", "L1", MARCH)
    assert best.evidence_count == 3


async def test_without_a_time_nothing_is_claimed(bench: Bench) -> None:
    await tell(bench, "talk", [said(1, "assistant", CAUSE, None)])
    best = await first(bench)
    assert (best.source.at, best.created_at, best.age_days) == (None, None, None)


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        (MARCH - timedelta(days=1), None, "L2"),
        (None, MARCH, "L1"),
        (JANUARY, JANUARY + timedelta(seconds=1), "L1"),
        (MARCH, MARCH + timedelta(seconds=1), "L2"),
        (JANUARY + timedelta(seconds=1), MARCH, None),
        (datetime(2026, 3, 10), None, "L2"),  # noqa: DTZ001 - without a zone: UTC
    ],
)
async def test_since_and_until_bound_when_it_was_said(
    bench: Bench, since: datetime | None, until: datetime | None, expected: str | None
) -> None:
    await tell(bench, "talk", [said(1, "assistant", CAUSE, JANUARY), said(2, "assistant", f"{CAUSE} Again.", MARCH)])
    found = await ask(bench, since=since, until=until)
    assert [each.source.locator for each in found.results] == ([expected] if expected else [])


async def test_items_know_periods_too(bench: Bench) -> None:
    await bench.teach("old", [lesson("1", CAUSE, at=JANUARY)])
    await bench.teach("new", [lesson("1", CAUSE, at=MARCH)])
    for since, until, cited in ((JANUARY, MARCH, "old.jsonl"), (MARCH, None, "new.jsonl"), (None, None, "new.jsonl")):
        (found,) = (await ask(bench, kinds=("item",), since=since, until=until)).results
        assert found.source.transcript == cited
    assert not (await ask(bench, kinds=("item",), until=JANUARY)).results


async def test_another_team_and_another_project_find_nothing_of_it(bench: Bench) -> None:
    await tell(bench, "talk", TALK)
    await tell(bench, "other", [said(1, "assistant", ELSEWHERE)], project="blog")
    assert not (await bench.search.query(UUID(int=7), Query(QUESTION))).results
    assert CAUSE not in "".join(texts(await ask(bench, project="blog")))
    assert (await ask(bench, project="nowhere")).abstained
    assert (await first(bench, project="shop")).project == "shop"


async def test_the_index_is_not_the_truth_about_teams_projects_and_purges(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the index names, PostgreSQL decides: here it names all there is."""
    session = await tell(bench, "talk", TALK)
    nearest = bench.vectors.nearest
    everything = {"type": "passage"}
    monkeypatch.setattr(bench.vectors, "nearest", lambda vector, **fields: nearest(vector, **(fields | {"where": everything})))
    async with bench.database.begin() as connection:
        await bench.accounts.project_id(connection, bench.team_id, "empty")
    assert not (await bench.search.query(UUID(int=7), Query(QUESTION, min_score=0, kinds=("passage",)))).results
    assert not (await ask(bench, project="empty")).results
    async with bench.database.begin() as connection:  # the index has yet to hear of it
        await connection.execute(text("delete from sessions where id = :id"), {"id": session})
    assert not (await ask(bench)).results


async def test_a_session_that_is_purged_between_ranking_and_reading_gives_no_result(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    session = await tell(bench, "talk", TALK)
    await bench.teach("talk", [lesson("1", CAUSE)])
    await tell(bench, "other", [said(1, "assistant", f"{CAUSE} So said another.")])
    cited = bench.journal.cited

    async def purged_first(*args: Any) -> dict[UUID, Any]:
        await bench.purge.delete_session(bench.requester(), session)
        return await cited(*args)

    monkeypatch.setattr(bench.journal, "cited", purged_first)
    answer = await ask(bench, kinds=KINDS)
    assert {each.source.transcript for each in answer.results} == {"other.jsonl"}


async def test_kinds_choose(bench: Bench) -> None:
    await tell(bench, "talk", TALK)
    await bench.teach("lessons", [lesson("1", CAUSE)])
    for kinds in (("item",), ("passage",), KINDS):
        answer = await ask(bench, kinds=kinds)
        assert {each.kind for each in answer.results} == set(kinds)
    assert {each.kind for each in (await ask(bench, kinds=KINDS, types=("gotcha",))).results} == {"item"}


async def test_items_take_no_more_than_their_quota(bench: Bench) -> None:
    await tell(bench, "talk", TALK)
    await bench.teach("lessons", [lesson(str(n), f"{CAUSE} Seen {n} times.", type="gotcha") for n in range(2, 9)])
    answer = await ask(bench, kinds=KINDS)
    assert sum(each.kind == "item" for each in answer.results) == 3
    assert [each.score for each in answer.results] == sorted((each.score for each in answer.results), reverse=True)
    assert len((await ask(bench, kinds=("item",))).results) > 3


async def test_all_texts_together_stay_within_max_tokens(bench: Bench) -> None:
    long = [f"{CAUSE} Case {n}: {f'the refund of order number {n} was held by a slow query. ' * 12}" for n in range(12)]
    await tell(bench, "talk", [said(n, "assistant", words) for n, words in enumerate(long, 1)])
    await bench.teach("lessons", [lesson(str(n), words) for n, words in enumerate(long)])
    tokens: dict[tuple[str, ...], list[int]] = {}
    for kinds in (("item",), ("passage",), KINDS):
        for room in (100, 137, 400, 1500, 6000, None):
            answer = await ask(bench, kinds=kinds, max_tokens=room)
            assert answer.results
            assert answer.tokens == sum(count_text(each.text) for each in answer.results) <= (room or 1500)
            tokens.setdefault(kinds, []).append(answer.tokens)
    assert all(sorted(each[:5]) == each[:5] and each[3] == each[5] for each in tokens.values())  # what there is room for is used


async def test_files_steer(bench: Bench) -> None:
    for folder in ("mail", "bank"):
        await tell(bench, folder, [said(1, "assistant", f"The retry limit was raised to five in app/{folder}/send.py: the relay is slow.")])
    answer = await ask(bench, "why was the retry limit raised?", files=("/home/me/shop/app/mail/send.py",), explain=True)
    for each in answer.results:
        assert each.explain is not None
        assert ("file" in each.explain["parts"]) == ("mail" in each.text)  # type: ignore[operator]


async def test_a_preferred_project_steers(bench: Bench) -> None:
    for project in ("shop", "blog"):
        await tell(bench, project, [said(1, "assistant", CAUSE, None)], project=project)
    for project in ("shop", "blog"):
        assert (await first(bench, prefer_project=project)).project == project


@pytest.mark.parametrize("kinds", [KINDS, ("item",)])
async def test_an_unrelated_question_is_abstained_from_unless_everything_is_asked_for(bench: Bench, kinds: Any) -> None:
    await tell(bench, "talk", TALK)
    answer = await ask(bench, "apple pie recipe with cinnamon", kinds=kinds, min_score=None)
    assert (answer.results, answer.abstained, answer.tokens) == ((), True, 0)
    answer = await ask(bench, "apple pie recipe with cinnamon")
    assert (bool(answer.results), answer.abstained) == (True, False)


async def test_min_score_is_compared_with_the_score_that_is_shown(bench: Bench) -> None:
    for number in range(4):
        await tell(bench, f"talk {number}", [said(1, "assistant", f"{CAUSE} {'It was seen. ' * number}")])
    scores = [each.score for each in (await ask(bench)).results]
    assert len(scores) > 1
    assert [each.score for each in (await ask(bench, min_score=scores[0])).results] == [scores[0]]


async def test_explain_tells_each_part_of_a_score(bench: Bench) -> None:
    await tell(bench, "talk", TALK)
    assert (await first(bench)).explain is None
    explained = (await first(bench, explain=True)).explain
    assert explained is not None
    assert {"relevance", "answered", "fused", "parts", "raw"} <= explained.keys()
    assert explained["fused"] == pytest.approx(sum(explained["parts"].values()), abs=0.01)  # type: ignore[attr-defined]


async def away(*args: object, **fields: object) -> list[object]:
    raise VectorStoreUnavailable("away")


@pytest.mark.parametrize("without", [{"vectors"}, {"embeddings"}, {"vectors", "embeddings"}])
async def test_while_parts_are_away_terms_still_find_and_the_answer_says_so(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, without: set[str]
) -> None:
    await tell(bench, "talk", TALK)
    await tell(bench, "other", [said(1, "assistant", f"{CAUSE} In the blog.", JANUARY)], project="blog")
    if "vectors" in without:
        for leg in ("nearest", "lexical", "hybrid"):
            monkeypatch.setattr(bench.vectors, leg, away)
    if "embeddings" in without:

        async def none(text: str) -> None:
            raise Unavailable("away")

        monkeypatch.setattr(bench.embedder, "embed_question", none)
    answer = await ask(bench, "payment worker pool connections")
    assert set(answer.degraded) == without
    assert any(CAUSE in each for each in texts(answer))
    assert answer.results[0].source.transcript in {"talk.jsonl", "other.jsonl"}
    assert not answer.abstained
    in_shop = await ask(bench, "payment worker pool connections", project="shop", since=MARCH)
    assert {each.source.transcript for each in in_shop.results} == {"talk.jsonl"}
    assert not (await ask(bench, "payment worker pool connections", project="shop", until=MARCH)).results
    assert not (await bench.search.query(UUID(int=7), Query("payment worker pool connections"))).results
    nothing = await ask(bench, "zeppelin raspberry", min_score=None)
    assert (nothing.results, nothing.abstained) == ((), False)  # who knows what the part that was away would have found


async def test_while_the_real_engine_hangs_postgresql_answers_and_afterwards_the_engine_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await tell(bench, "talk", TALK)
    monkeypatch.setattr(bench.vectors._engine, "_timeout", 2.0)
    pid = int((await bench.vectors.status()).detail["pid"])
    os.kill(pid, signal.SIGSTOP)
    try:
        hung = await ask(bench, kinds=KINDS)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert hung.degraded == ("vectors",)
    assert any(CAUSE in each for each in texts(hung))
    async with patience():
        while (again := await ask(bench)).degraded:
            await asyncio.sleep(0.1)
    assert any(CAUSE in each for each in texts(again))


async def test_an_incomplete_index_is_not_asked(bench: Bench) -> None:
    await tell(bench, "talk", TALK)
    bench.index.complete = False
    answer = await ask(bench)
    assert answer.degraded == ("vectors",)
    assert any(CAUSE in each for each in texts(answer))


ODD = ["the", "?! …", "\ud83d half a pair \udc00", "🧵🪡", "x" * 7999, "'; drop table passages; --", "مرحبا بالعالم"]


async def test_without_the_index_a_rare_term_is_found_among_many_passages_that_share_a_common_one(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await tell(bench, "talk", [said(n, "assistant", f"The gateway of zone {n} restarted at {n}:15 and was fine.") for n in range(10, 60)])
    await tell(bench, "rare", [said(1, "assistant", "The gateway was moved to Zanzibar, where the racks are cheaper.")])
    async with bench.database.begin() as connection:
        await connection.execute(text("analyze passages"))
    monkeypatch.setattr(passage_rows, "MAX_MATCHING", 5)
    bench.index.complete = False
    assert any("Zanzibar" in each for each in texts(await ask(bench, "the gateway in Zanzibar")))


async def test_no_question_is_too_odd(bench: Bench) -> None:
    await tell(bench, "talk", TALK)
    for complete in (True, False):
        bench.index.complete = complete
        for words in ODD:
            for least in (None, 0.0):
                assert (await ask(bench, words, kinds=KINDS, min_score=least)).tokens <= 1500


async def test_a_chinese_question_finds_what_was_said_in_chinese(bench: Bench) -> None:
    await tell(bench, "talk", [*TALK, said(6, "assistant", "支付服务每天晚上超时，因为连接池只有五个连接。")])
    for complete in (True, False):
        bench.index.complete = complete
        assert any("连接池" in each for each in texts(await ask(bench, "为什么支付服务超时？")))


async def test_a_project_without_sessions_is_abstained_from(bench: Bench) -> None:
    async with bench.database.begin() as connection:
        await bench.accounts.project_id(connection, bench.team_id, "empty")
    answer = await ask(bench, project="empty", kinds=KINDS)
    assert (answer.results, answer.abstained) == ((), True)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"kinds": ()}, "kinds"),
        ({"kinds": ("fact",)}, "kinds"),
        ({"types": ("gotcha",)}, "types"),
        ({"since": MARCH, "until": MARCH}, "since"),
        ({"since": MARCH, "until": JANUARY}, "since"),
        ({"max_tokens": 99}, "max_tokens"),
        ({"max_tokens": 20_001}, "max_tokens"),
        ({"files": ("a",) * 21}, "files"),
        ({"files": ("a" * 501,)}, "files"),
    ],
)
async def test_what_cannot_be_asked_names_its_field(bench: Bench, fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        await ask(bench, **fields)
    assert caught.value.param == param


async def test_a_hundred_questions_at_once_are_answered_alike(bench: Bench) -> None:
    await tell(bench, "talk", TALK)
    alone = await ask(bench)
    answers = await asyncio.gather(*(ask(bench) for _ in range(100)))
    assert {replace(each, took_ms=0) for each in answers} == {replace(alone, took_ms=0)}

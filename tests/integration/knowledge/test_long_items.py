"""Items longer than the model reads at once: their tails tell them apart, can be found, and come to items stored before."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text

from app.knowledge.long_form_backfill import LongFormBackfill
from app.knowledge.results import Query
from tests.fakes.embedder import READS
from tests.integration.knowledge.conftest import Bench, lesson

HEAD = " ".join(f"word{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(READS + 10))
PLUM, FIG = (f"{HEAD} {' '.join([name] * 30)} at the end of it all" for name in ("plum", "fig"))


@pytest.fixture
def tails(bench: Bench) -> LongFormBackfill:
    return LongFormBackfill(bench.database, bench.long_form)


async def fill(tails: LongFormBackfill) -> int:
    """All there is; how many."""
    total = 0
    for step in (tails.mark_short, tails.fill):
        while done := await step():
            total += done
    return total


async def stored(bench: Bench, table: str = "knowledge") -> list[tuple[bool, str | None]]:
    async with bench.database.begin() as connection:
        rows = await connection.execute(text(f"select long_embedding is not null, long_embedding_model from {table} order by text"))
        return [tuple(row) for row in rows]


async def test_two_long_lessons_that_begin_alike_stay_two(bench: Bench) -> None:
    await bench.teach("a", [lesson("1", PLUM)])
    learnt = await bench.teach("b", [lesson("1", FIG)])
    assert (learnt.new, learnt.merged) == (1, 0)


async def test_two_in_one_batch_too(bench: Bench) -> None:
    learnt = await bench.teach("a", [lesson("1", PLUM), lesson("2", FIG)])
    assert (learnt.new, learnt.merged) == (2, 0)


async def test_a_short_lesson_and_a_long_one_that_begins_with_it_stay_two(bench: Bench) -> None:
    short = " ".join(HEAD.split()[: READS - 1])
    await bench.teach("a", [lesson("1", short)])
    learnt = await bench.teach("b", [lesson("1", PLUM)])
    assert (learnt.new, learnt.merged) == (1, 0)


async def test_the_same_long_lesson_from_two_sessions_is_one_item(bench: Bench) -> None:
    await bench.teach("a", [lesson("1", PLUM)])
    learnt = await bench.teach("b", [lesson("1", f"{PLUM} indeed")])
    assert (learnt.new, learnt.merged) == (0, 1)


async def test_what_only_the_end_says_ranks_its_item_first(bench: Bench) -> None:
    await bench.teach("a", [lesson("1", PLUM), lesson("2", FIG)])
    answer = await bench.search.query(bench.team_id, Query("fig", min_score=0, explain=True))
    cosines = {result.text: result.explain["cosine"] for result in answer.results if result.explain is not None}
    assert answer.results[0].text == FIG
    assert cosines[FIG] > cosines[PLUM] + 0.2  # type: ignore[operator]


async def test_items_that_were_stored_before_get_theirs_once(bench: Bench, tails: LongFormBackfill) -> None:
    bench.knows_long = False
    await bench.teach("a", [lesson("1", PLUM), lesson("2", "a short one")])
    assert await stored(bench) == [(False, None), (False, None)]
    assert await fill(tails) == 2
    seen = [(False, bench.long_form.model), (True, bench.long_form.model)]
    assert await stored(bench) == await stored(bench, "knowledge_evidence") == seen
    assert await tails.fill() == 0


async def test_only_long_items_are_told_to_the_index_again(bench: Bench, tails: LongFormBackfill) -> None:
    bench.knows_long = False
    await bench.teach("a", [lesson("1", PLUM), lesson("2", "a short one")])
    assert await bench.index.pending() == 0
    await fill(tails)
    assert await bench.index.pending() == 1


async def test_what_others_hold_is_left_for_the_next_time_without_waiting(bench: Bench, tails: LongFormBackfill) -> None:
    bench.knows_long = False
    await bench.teach("a", [lesson("1", PLUM), lesson("2", "a short one")])
    for table in ("knowledge", "knowledge_evidence"):
        async with bench.database.begin() as other:
            await other.execute(text(f"select 1 from {table} where text = :body for update"), {"body": PLUM})
            await asyncio.wait_for(fill(tails), timeout=60)
        assert await stored(bench) == [(False, bench.long_form.model), (False, None)]
    await fill(tails)
    assert await stored(bench) == [(False, bench.long_form.model), (True, bench.long_form.model)]


async def test_until_they_have_them_they_are_compared_as_before(bench: Bench) -> None:
    bench.knows_long = False
    await bench.teach("a", [lesson("1", PLUM)])
    bench.knows_long = True
    learnt = await bench.teach("b", [lesson("1", PLUM)])
    assert (learnt.new, learnt.merged) == (0, 1)


async def test_another_encoders_vectors_are_made_anew_and_not_compared_meanwhile(bench: Bench, tails: LongFormBackfill) -> None:
    await bench.teach("a", [lesson("1", PLUM)])
    async with bench.database.begin() as connection:
        for table in ("knowledge", "knowledge_evidence"):
            await connection.execute(text(f"update {table} set long_embedding_model = 'another', long_embedding = '\\x00'"))
    assert (await bench.search.query(bench.team_id, Query("plum", min_score=0))).results
    assert (await bench.teach("b", [lesson("1", PLUM)])).merged == 1
    assert await fill(tails) >= 1
    assert await stored(bench) == [(True, bench.long_form.model)]


async def test_an_item_that_is_elected_from_another_text_has_that_texts_vector(bench: Bench) -> None:
    await bench.teach("a", [lesson("1", PLUM)])
    await bench.teach("a", [lesson("1", "reworded and short now")])
    assert await stored(bench) == [(False, bench.long_form.model)]

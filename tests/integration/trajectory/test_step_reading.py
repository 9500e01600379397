"""Two projections over the same steps: the second finds what the first has read, and both store what each would alone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy import text

from app.sessions.event import Event
from app.sessions.journal import Journal
from app.sessions.projections import Projections
from app.trajectory.analysis import step_reading
from app.trajectory.analysis.projection import TrajectoryProjection
from app.trajectory.analysis.session_analysis import made_by
from app.trajectory.analysis.step_reading import StepReader
from app.trajectory.analysis.storage import AnalysisStore
from app.trajectory.similar.part import make_similar
from tests.integration.trajectory.conftest import TrajectoryBench
from tests.unit.trajectory.sessions import FailureStreaks, call, prompt

LONG = 20_000
"""Characters of an output of which the analysis reads a part, and the shape counts all."""


class Pair:
    """Both projections over one reader of steps. `read`: number of events that came from the journal."""

    def __init__(self, bench: TrajectoryBench, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bench, self.read = bench, 0
        numbered = Journal.numbered

        async def counted(journal: Journal, session_id: UUID, **options: int) -> AsyncIterator[tuple[int, Event]]:
            async for each in numbered(journal, session_id, **options):
                self.read += 1
                yield each

        monkeypatch.setattr(Journal, "numbered", counted)
        steps = StepReader(bench.journal)
        store = AnalysisStore(bench.database)
        analysis = TrajectoryProjection(steps=steps, store=store, analyzers=bench.analyzers, version=made_by([FailureStreaks()]))
        bench.projections = Projections([analysis])
        make_similar(database=bench.database, accounts=bench.accounts, journal=bench.journal, steps=steps, projections=bench.projections)

    async def stored(self, session_id: UUID) -> dict[str, list[tuple[object, ...]]]:
        query = text("select symbols, firsts, dropped, vector from session_shapes where session_id = :session")
        async with self.bench.database.begin() as connection:
            shape = [tuple(row) for row in await connection.execute(query, {"session": session_id})]
        return await self.bench.stored(session_id) | {"shape": shape}


def events(count: int) -> list[Event]:
    made = [prompt(1)]
    for seq in range(2, count + 1):
        output = f"{seq} " * (LONG // 4) if seq % 40 == 0 else f"line {seq % 5}"
        made.append(call(seq, f"make {seq % 9}", output, code=seq % 3) if seq % 20 else prompt(seq, "Go on"))
    return made


@pytest.fixture
def pair(bench: TrajectoryBench, monkeypatch: pytest.MonkeyPatch) -> Pair:
    return Pair(bench, monkeypatch)


async def uploaded(pair: Pair, name: str, given: Sequence[Event]) -> UUID:
    session_id = await pair.bench.session(name)
    await pair.bench.append(session_id, given)
    return session_id


async def test_the_second_projection_reads_nothing_from_the_journal(pair: Pair) -> None:
    session_id = await uploaded(pair, "whole", events(300))
    assert pair.read == 300
    await pair.bench.append(session_id, [prompt(301)])
    assert 1 <= pair.read - 300 <= 2 * 32 + step_reading.READ_ALONG
    assert (await pair.stored(session_id))["shape"]


@pytest.mark.parametrize("part", [1, 19, 100])
async def test_a_session_that_grows_is_stored_as_one_that_was_uploaded(pair: Pair, part: int) -> None:
    given = events(120)
    whole, live = await uploaded(pair, "whole", given), await uploaded(pair, "live", given[:part])
    for start in range(part, len(given), part):
        await pair.bench.append(live, given[start : start + part])
    assert await pair.stored(live) == await pair.stored(whole)


@pytest.mark.parametrize("place", [3, 90, 110])
async def test_a_result_that_comes_late_is_read_by_both(pair: Pair, place: int) -> None:
    given = events(120)
    late = given[place]
    assert late.tool is not None
    waiting = replace(late, tool=replace(late.tool, output="", exit_code=None), outcome=None)
    whole = await uploaded(pair, "whole", given)
    live = await uploaded(pair, "live", [*given[:place], waiting, *given[place + 1 :]])
    assert await pair.stored(live) != await pair.stored(whole)
    await pair.bench.append(live, [late])
    assert await pair.stored(live) == await pair.stored(whole)


async def test_a_session_too_long_to_be_held_is_read_twice(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step_reading, "MAX_HELD", 50)
    given = events(60)
    long = await uploaded(pair, "long", given)
    assert pair.read == 2 * len(given)
    monkeypatch.setattr(step_reading, "MAX_HELD", 1_000)
    assert await pair.stored(long) == await pair.stored(await uploaded(pair, "whole", given))

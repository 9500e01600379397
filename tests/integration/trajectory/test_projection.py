"""The analysis of sessions over a real journal: live equals uploaded, changes are read again from nearby, and nothing outlives a purge."""

from __future__ import annotations

import asyncio
import zlib
from dataclasses import replace
from unittest.mock import patch

import pytest
from sqlalchemy import text

from app.accounts.requester import Requester
from app.sessions.event import Event, ReplyUsage
from app.trajectory.analysis import projection
from app.trajectory.analysis.session_analysis import made_by
from app.trajectory.analysis.storage import AnalysisStore
from app.trajectory.part import ANALYZERS
from app.trajectory.policies.policy_file import SHIPPED, load_policies
from app.trajectory.policies.watching import PolicyAnalyzer
from tests.integration.trajectory.conftest import TABLES, TrajectoryBench
from tests.unit.trajectory.sessions import call, prompt, reply


def lively(count: int) -> list[Event]:
    """A session with streaks of failures across every boundary, checks, several prompts and a clock that jumps back."""
    made = []
    for seq in range(1, count + 1):
        if seq % 37 == 1:
            made.append(prompt(seq, "No, that's wrong" if seq % 2 else "Thanks, great"))
        elif seq % 11 == 0:
            made.append(reply(max(1, seq - 50)))
        else:
            made.append(call(seq, "pytest -q" if seq % 5 == 0 else f"make {seq % 7}", f"out {seq % 13}", code=seq // 6 % 2))
    return [replace(each, id=str(number), locator=str(number)) for number, each in enumerate(made)]


async def uploaded(bench: TrajectoryBench, events: list[Event]) -> dict[str, list[tuple[object, ...]]]:
    session_id = await bench.session("uploaded at once")
    await bench.append(session_id, events)
    return await bench.stored(session_id)


@pytest.mark.parametrize("sizes", [(1,), (7,), (16, 1, 33), (255, 1), (300,)])
async def test_a_live_session_is_analysed_as_an_uploaded_one(bench: TrajectoryBench, sizes: tuple[int, ...]) -> None:
    events = lively(330)
    session_id, start, turn = await bench.session("live"), 0, 0
    if sizes == (1,):
        events = events[:70]
    while start < len(events):
        await bench.append(session_id, events[start : start + sizes[turn % len(sizes)]])
        start, turn = start + sizes[turn % len(sizes)], turn + 1
    assert await bench.stored(session_id) == await uploaded(bench, events)


async def test_an_appended_event_reads_few_events_again(bench: TrajectoryBench) -> None:
    events = lively(200)
    session_id = await bench.session("growing")
    await bench.append(session_id, events[:150])
    for event in events[150:]:
        await bench.append(session_id, [event])
        assert len(bench.fed) <= 32
    assert await bench.rows("session_analysis_states", session_id) <= 10


@pytest.mark.parametrize("back", [0, 5, 15, 40, 150])
async def test_a_result_that_comes_later_is_analysed_in_its_place(bench: TrajectoryBench, back: int) -> None:
    events = lively(200)
    place = next(at for at in range(199 - back, 0, -1) if events[at].tool is not None)
    waiting = call(1, "make late", "", code=None)
    events[place] = replace(waiting, id=events[place].id, locator=events[place].locator, outcome=None)
    session_id = await bench.session("late")
    await bench.append(session_id, events)
    assert waiting.tool is not None
    events[place] = replace(events[place], tool=replace(waiting.tool, output="Error: it failed", exit_code=1), outcome="failed")
    await bench.append(session_id, [events[place]])
    assert bench.fed[0] <= place + 1
    assert len(bench.fed) <= 17 * max(200 - place, 16)
    assert await bench.stored(session_id) == await uploaded(bench, events)


async def test_a_new_version_of_an_analyzer_begins_anew(bench: TrajectoryBench) -> None:
    session_id = await bench.session("again")
    await bench.append(session_id, lively(100))
    bench.analyzer_version = "2"
    bench.register("other")
    await bench.bring_up(session_id)
    assert bench.fed == list(range(1, 101))


@pytest.mark.parametrize("state", [b"\0", zlib.compress(b"{"), zlib.compress(b'{"seq": 0}'), zlib.compress(b"[1]")])
async def test_a_state_that_cannot_be_read_is_not_needed(bench: TrajectoryBench, state: bytes) -> None:
    events, session_id = lively(101), await bench.session("damaged")
    await bench.append(session_id, events[:100])
    async with bench.database.begin() as connection:
        await connection.execute(text("update session_analysis_states set state = :state"), {"state": state})
    await bench.append(session_id, events[100:])
    assert bench.fed == list(range(1, 102))
    assert await bench.stored(session_id) == await uploaded(bench, events)


async def test_a_hostile_session_is_stored_by_the_analyzers_that_there_are(bench: TrajectoryBench) -> None:
    """Escapes in arguments, prices past all columns, a name as long as the journal takes it, a clock that jumps back."""
    real = [*(make() for make in ANALYZERS), PolicyAnalyzer(load_policies(SHIPPED))]
    bench.watched = real
    bench.register(made_by(real))
    events = [
        prompt(1, "no, that is wrong"),
        call(2, '{"command": "sed -i s/a/b/ till\\u0000\\ud800.py && rm tests/test_\\udfff.py"}'),
        call(3, '{"path": "\\u0000\\ud800/' + "x" * 900 + '.py", "old_string": "a", "new_string": "b"}', tool="Edit" * 240),
        *(call(seq, "make", "Error: \ud800\x00 cannot open the file", code=1) for seq in range(4, 9)),
        *(reply(seq, usage=ReplyUsage(2**31 - 1, 2**31 - 1, cost_nanousd=10**15)) for seq in range(9, 12)),
        call(1, "git commit -am x"),
    ]
    session_id = await bench.session("hostile")
    await bench.journal.append(session_id, [replace(each, id=str(number)) for number, each in enumerate(events)], from_file=False)
    done = await bench.bring_up(session_id)
    assert done.parked == {}
    assert {row[0] for row in (await bench.stored(session_id))["findings"]} >= {"policy", "loop", "health"}


async def test_a_projects_changed_rules_apply_as_soon_as_its_session_grows(bench: TrajectoryBench) -> None:
    session_id, events = await bench.session("rules"), lively(101)
    await bench.append(session_id, events[:100])
    bench.analyzer_version = "2"
    await bench.append(session_id, events[100:])
    assert bench.fed == list(range(1, 102))


async def test_a_long_session_is_stored_in_parts_and_goes_on_after_a_kill(bench: TrajectoryBench) -> None:
    events = lively(1100)
    session_id, written = await bench.session("long"), 0
    whole = await uploaded(bench, events)
    write = AnalysisStore.write

    async def killed(store: AnalysisStore, *given: object) -> None:
        nonlocal written
        written += 1
        await write(store, *given)  # type: ignore[arg-type]
        if written == 2:
            raise asyncio.CancelledError

    await bench.journal.append(session_id, events, from_file=False)
    with patch.object(projection, "EVENTS_A_PART", 256):
        with patch.object(AnalysisStore, "write", killed), pytest.raises(asyncio.CancelledError):
            await bench.bring_up(session_id)
        assert (await bench.stored(session_id))["analysis"][0][1] == 512
        await bench.bring_up(session_id)
    assert bench.fed == list(range(513, 1101))
    assert await bench.stored(session_id) == whole
    assert await bench.rows("session_analysis_states", session_id) <= 10


async def test_two_processes_at_one_session_give_one_analysis(bench: TrajectoryBench) -> None:
    events = lively(300)
    session_id = await bench.session("both")
    await bench.journal.append(session_id, events, from_file=False)
    await asyncio.gather(*(bench.bring_up(session_id) for _ in range(3)))
    assert await bench.stored(session_id) == await uploaded(bench, events)


async def test_a_session_of_one_event_and_an_empty_one_are_analysed(bench: TrajectoryBench) -> None:
    one, none = await bench.session("one"), await bench.session("none")
    await bench.append(one, [prompt(1)])
    await bench.bring_up(none)
    assert [row[:4] for row in (await bench.stored(one))["exchanges"]] == [(1, 1, 1, None)]
    assert (await bench.stored(none))["exchanges"] == []


async def test_a_purge_leaves_nothing_of_the_analysis(bench: TrajectoryBench) -> None:
    session_id, other = await bench.session("purged"), await bench.session("other")
    for each in (session_id, other):
        await bench.append(each, lively(100))
    admin = Requester(bench.team_id, "team", role="admin")
    purged = await bench.purge().delete_session(admin, session_id)
    assert purged.removed["trajectory"] > 0
    assert [await bench.rows(table, session_id) for table in TABLES] == [0] * len(TABLES)
    assert await bench.rows("session_findings", other) > 0


async def test_an_analysis_goes_with_its_session_into_another_project(bench: TrajectoryBench) -> None:
    session_id = await bench.session("moved", project="old")
    await bench.append(session_id, lively(60))
    before = await bench.stored(session_id)
    async with bench.database.begin() as connection:
        old = await bench.accounts.project_id(connection, bench.team_id, "old")
    await bench.merging().merge(bench.team_id, old, into=bench.project_id)
    await bench.append(session_id, [replace(prompt(61), id="n61")])
    after = await bench.stored(session_id)
    assert after["findings"] == before["findings"]
    assert len(bench.fed) <= 32


async def test_states_of_sessions_that_stand_still_are_swept(bench: TrajectoryBench) -> None:
    session_id = await bench.session("old")
    await bench.append(session_id, lively(100))
    store = AnalysisStore(bench.database)
    assert await store.sweep() == 0
    async with bench.database.begin() as connection:
        await connection.execute(text("update session_analysis_states set created_at = now() - interval '8 days'"))
    assert await store.sweep() > 0
    await bench.append(session_id, [replace(prompt(101), id="n101")])
    assert bench.fed == list(range(1, 102))

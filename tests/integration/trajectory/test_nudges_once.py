"""Servers that find different events of one broken rule, or one loop, tell the session once."""

from __future__ import annotations

import asyncio

from app.assist.nudges import NudgeRecords
from app.trajectory.analysis import ToldFinding
from tests.integration.trajectory.conftest import TrajectoryBench


def broken(seq: int, *, name: str = "no-force-push") -> ToldFinding:
    return ToldFinding("policy", name, seq, seq, (seq,), "W.", False, seq)


def loop(first: int, last: int) -> ToldFinding:
    return ToldFinding("loop", "exact", first, last, (first, last), "W.", True, last)


async def test_servers_that_found_different_events_of_a_rule_tell_it_once(bench: TrajectoryBench) -> None:
    session_id = await bench.session("raced")
    servers = [NudgeRecords(bench.database) for _ in range(6)]
    told = await asyncio.gather(*(server.claim(session_id, [broken(seq)]) for seq, server in enumerate(servers, start=1)))
    assert len([each for each in told if each]) == 1
    assert await servers[0].claim(session_id, [broken(9)]) == []
    assert await servers[0].claim(session_id, [broken(9), broken(9, name="tests-stay")]) == [broken(9, name="tests-stay")]


async def test_a_loop_and_a_rule_are_claimed_together_and_what_another_was_first_with_is_left_out(bench: TrajectoryBench) -> None:
    session_id, records = await bench.session("both"), NudgeRecords(bench.database)
    assert await records.claim(session_id, [loop(2, 6)]) == [loop(2, 6)]
    assert await records.claim(session_id, [loop(4, 9), broken(5)]) == [broken(5)]
    assert await records.claim(session_id, [loop(20, 26), broken(30)]) == [loop(20, 26)]


async def test_a_purged_session_is_told_nothing(bench: TrajectoryBench) -> None:
    session_id = await bench.session("gone")
    async with bench.database.begin() as connection:
        await bench.journal.delete(connection, bench.team_id, session_id)
    assert not await NudgeRecords(bench.database).claim(session_id, [broken(1)])

"""The record of nudges: hooks that come side by side tell of a streak once, whichever rung each of them saw."""

from __future__ import annotations

import asyncio

from app.assist.nudges import NudgeRecords
from app.trajectory.analysis import ToldFinding
from tests.integration.trajectory.conftest import TrajectoryBench

RUNGS = ("exact", "error", "period", "stagnation", "histogram", "drift")


def loop(name: str, first: int) -> ToldFinding:
    return ToldFinding("loop", name, first, 30, (first, 30), "The same result.", open=True, told=30)


async def test_hooks_side_by_side_tell_of_a_streak_once(bench: TrajectoryBench) -> None:
    records = NudgeRecords(bench.database)
    for turn in range(10):  # in the first ones a connection may still be opened, while another hook has done
        session_id = await bench.session(f"nudged {turn}")
        await asyncio.gather(*(records.claim(session_id, [loop(name, first)]) for first, name in enumerate(RUNGS, start=10)))
        assert await bench.rows("session_nudges", session_id) == 1

"""What is found in a session, followed: each finding once, again when it changes, from any place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from unittest.mock import patch
from uuid import UUID

import pytest

from app.accounts.requester import Requester
from app.errors import InvalidInput
from app.sessions.browsing import SessionBrowsing
from app.sessions.endings import SessionEndings
from app.sessions.event import Event
from app.sessions.reader import SessionReader
from app.trajectory.analysis import following
from app.trajectory.analysis.findings import ToldFinding
from app.trajectory.analysis.following import FollowedFindings, parse_finding_position
from tests.integration.trajectory.conftest import TrajectoryBench
from tests.unit.trajectory.sessions import call


def events(first: int, *codes: int) -> list[Event]:
    return [replace(call(seq, code=code), id=f"e{seq}", locator=f"e{seq}") for seq, code in enumerate(codes, start=first)]


def follower(bench: TrajectoryBench, session_id: UUID, position: str = "") -> FollowedFindings:
    sessions = SessionReader(
        accounts=bench.accounts,
        journal=bench.journal,
        browsing=SessionBrowsing(bench.database),
        endings=SessionEndings(bench.database),
        checkpoints=bench.checkpoints,
        projections=bench.projections,
    )
    return FollowedFindings(bench.queries, sessions, session_id, parse_finding_position(position))


def told(found: Sequence[tuple[str, ToldFinding]]) -> list[tuple[int, int, bool]]:
    return [(each.first, each.last, each.open) for _, each in found]


async def test_a_finding_is_told_as_it_is_found_and_again_as_it_changes(bench: TrajectoryBench) -> None:
    session_id, reader = await bench.session("followed"), Requester(bench.team_id, "team", role="admin")
    followed = follower(bench, session_id)
    assert await followed.since(reader) == ()
    await bench.append(session_id, events(1, 1, 1))
    assert told(await followed.since(reader)) == [(1, 2, True)]
    await bench.append(session_id, [replace(call(3), id="e3", tool=None, kind="reply", text="Hm.")])
    assert told(await followed.since(reader)) == []
    await bench.append(session_id, events(4, 1))
    assert told(await followed.since(reader)) == [(1, 4, True)]
    await bench.append(session_id, events(5, 0))
    assert told(await followed.since(reader)) == [(1, 4, False)]


async def test_a_reader_who_comes_back_goes_on_after_any_finding(bench: TrajectoryBench) -> None:
    session_id, reader = await bench.session("again"), Requester(bench.team_id, "team", role="admin")
    await bench.append(session_id, events(1, *([1, 1, 0] * 5)))
    with patch.object(following, "FINDINGS_PAGE", 2):
        followed, whole = follower(bench, session_id), list[tuple[str, ToldFinding]]()
        while page := await followed.since(reader):
            whole += page
    assert told(whole) == [(first, first + 1, False) for first in range(1, 15, 3)]
    for number, (position, _) in enumerate(whole, start=1):
        assert told(await follower(bench, session_id, position).since(reader)) == told(whole[number:])


async def test_another_developer_is_told_no_words(bench: TrajectoryBench) -> None:
    session_id = await bench.session("words")
    await bench.append(session_id, events(1, 1, 1))
    other = Requester(bench.team_id, "team", UUID(int=7), "bo", UUID(int=8))
    admin = Requester(bench.team_id, "team", role="admin")
    assert [each.because for _, each in await follower(bench, session_id).since(other)] == [""]
    assert [each.because for _, each in await follower(bench, session_id).since(admin)] == ["It failed 2 times."]


@pytest.mark.parametrize("given", ["1", "1.2.3", "a.b", "١.٢", "-1.2", "1.9999999999", "1.2 "])
def test_what_is_no_position_is_refused(given: str) -> None:
    with pytest.raises(InvalidInput, match="must be an id from this stream"):
        parse_finding_position(given)

"""Deferred projections run one session at a time, below all other jobs; a paused team waits while others go on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest

from app import clock
from app.queue.jobs import LOW, NewJob
from app.sessions.deferred import DEFERRED, MAX_PAUSES, DeferredRuns
from app.sessions.projections import ProjectionPaused, Projections

ONE, OTHER = uuid4(), uuid4()
SLOW: Any = SimpleNamespace(name="slow", version="1", counted=(), result_field="slow")
FAST: Any = SimpleNamespace(name="fast", version="1", counted=(), result_field="fast")


class Queue:
    """`unfinished`: jobs that wait or run."""

    def __init__(self) -> None:
        self.enqueued: list[NewJob] = []
        self.unfinished = 0

    async def count_of(self, *, kind: str) -> int:
        assert kind == DEFERRED
        return self.unfinished

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[None]:
        yield

    async def enqueue(self, connection: Any, job: NewJob) -> None:
        self.enqueued.append(job)


class Checkpoints:
    """The settled (team, session) pairs that are due, the latest first."""

    def __init__(self, *due: tuple[UUID, UUID]) -> None:
        self.due_sessions = list(due)

    async def due(self, versions: Mapping[str, str], *, limit: int, settled: bool, without: Collection[UUID]) -> list[tuple[UUID, UUID]]:
        assert (versions, settled) == ({"slow": "1"}, True)
        return [each for each in self.due_sessions if not {*each}.intersection(without)][:limit]


class Runs(DeferredRuns):
    """Projecting takes a session off the list, or fails."""

    def __init__(self, *due: tuple[UUID, UUID], fails: Exception | None = None, registered: bool = True) -> None:
        self.queue, self.checkpoints, self.fails = Queue(), Checkpoints(*due), fails
        projections = Projections()
        if registered:
            projections.register(SLOW, deferred=True)
        super().__init__(
            database=None,  # type: ignore[arg-type]
            queue=self.queue,  # type: ignore[arg-type]
            journal=None,  # type: ignore[arg-type]
            checkpoints=self.checkpoints,  # type: ignore[arg-type]
            projections=projections,
        )

    async def project(self, projection: Any, team_id: UUID, session_id: UUID) -> dict[str, object]:
        if self.fails is not None:
            raise self.fails
        self.checkpoints.due_sessions.remove((team_id, session_id))
        return {"sessions": [str(session_id)], "slow": {"new": 1}}


async def progress(done: int, total: int) -> None: ...


def job_of(team: UUID, session: UUID) -> Any:
    return SimpleNamespace(team_id=team, payload={"projection": "slow", "session_id": str(session)})


def paused(until: timedelta, *, may_recur: bool = False) -> ProjectionPaused:
    return ProjectionPaused("used up", until=clock.now() + until, may_recur=may_recur)


async def test_the_latest_due_session_is_planned_in_one_lane_below_all_other_jobs() -> None:
    session = uuid4()
    runs = Runs((ONE, session), (ONE, uuid4()))
    await runs.plan()
    (job,) = runs.queue.enqueued
    assert (job.kind, job.team_id, job.lane, job.priority) == (DEFERRED, ONE, DEFERRED, LOW)
    assert job.payload == {"projection": "slow", "session_id": str(session)}


@pytest.mark.parametrize("runs", [Runs(), Runs((ONE, uuid4()), registered=False)], ids=["nothing is due", "nothing is deferred"])
async def test_nothing_is_planned_where_there_is_nothing_to_do(runs: Runs) -> None:
    await runs.plan()
    assert not runs.queue.enqueued


async def test_nothing_is_planned_while_a_job_of_any_worker_waits_or_runs() -> None:
    runs = Runs((ONE, uuid4()))
    runs.queue.unfinished = 1
    await runs.plan()
    assert not runs.queue.enqueued


async def test_a_job_enqueues_the_next_session_as_it_ends() -> None:
    first, second = uuid4(), uuid4()
    runs = Runs((ONE, first), (OTHER, second))
    done = await runs.job(job_of(ONE, first), progress)
    assert done.result == {"sessions": [str(first)], "slow": {"new": 1}}
    assert not runs.queue.enqueued
    assert done.closing is not None
    await done.closing(None)  # type: ignore[arg-type]
    assert [each.payload["session_id"] for each in runs.queue.enqueued] == [str(second)]


async def test_a_paused_team_waits_while_another_goes_on() -> None:
    first, second = uuid4(), uuid4()
    runs = Runs((ONE, first), (OTHER, second), fails=paused(timedelta(hours=1)))
    done = await runs.job(job_of(ONE, first), progress)
    assert done.result == {"sessions": [str(first)], "paused": "used up"}
    await runs.plan()
    assert [each.team_id for each in runs.queue.enqueued] == [OTHER]


async def test_a_team_goes_on_when_its_pause_is_over() -> None:
    first = uuid4()
    runs = Runs((ONE, first), fails=paused(timedelta()))
    await runs.job(job_of(ONE, first), progress)
    await runs.plan()
    assert [each.team_id for each in runs.queue.enqueued] == [ONE]


@pytest.mark.parametrize(("may_recur", "following"), [(True, 1), (False, 0)], ids=["its own", "the team's"])
async def test_a_session_that_pauses_its_team_again_and_again_is_left_alone(may_recur: bool, following: int) -> None:
    sessions = [uuid4(), uuid4()]
    runs = Runs(*((ONE, each) for each in sessions), fails=paused(timedelta(), may_recur=may_recur))
    for _ in range(MAX_PAUSES):
        await runs.plan()
        assert runs.queue.enqueued[-1].payload["session_id"] == str(sessions[0])
        await runs.job(job_of(ONE, sessions[0]), progress)
    await runs.plan()
    assert runs.queue.enqueued[-1].payload["session_id"] == str(sessions[following])


async def test_a_session_that_was_projected_at_last_may_pause_its_team_as_often_again() -> None:
    session = uuid4()
    runs = Runs((ONE, session))
    for pauses in (MAX_PAUSES - 1, MAX_PAUSES - 1):
        runs.fails = paused(timedelta(), may_recur=True)
        for _ in range(pauses):
            await runs.job(job_of(ONE, session), progress)
        await runs.plan()
        assert runs.queue.enqueued.pop().payload["session_id"] == str(session)
        runs.fails = None
        await runs.job(job_of(ONE, session), progress)
        runs.checkpoints.due_sessions.append((ONE, session))


async def test_an_error_is_the_jobs_and_planning_goes_on() -> None:
    first = uuid4()
    runs = Runs((ONE, first), fails=ValueError())
    with pytest.raises(ValueError):
        await runs.job(job_of(ONE, first), progress)
    await runs.plan()
    assert len(runs.queue.enqueued) == 1


async def test_a_job_of_a_projection_that_was_switched_off_ends_and_says_so() -> None:
    done = await Runs(registered=False).job(job_of(ONE, uuid4()), progress)
    assert "switched off" in str(done.result)
    assert done.closing is None


def test_a_deferred_projection_is_in_no_list_but_its_own() -> None:
    projections = Projections([FAST])
    projections.register(SLOW, deferred=True)
    assert ([each.name for each in projections], projections.versions, list(projections.deferred)) == (["fast"], {"fast": "1"}, ["slow"])
    assert projections.all_versions == {"fast": "1", "slow": "1"}
    for deferred in (True, False):
        with pytest.raises(ValueError, match="another name"):
            projections.register(SLOW, deferred=deferred)
        with pytest.raises(ValueError, match="another name"):
            projections.register(FAST, deferred=deferred)

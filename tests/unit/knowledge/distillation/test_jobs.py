"""One session's job at a time; a paused team waits while others go on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest

from app import clock
from app.knowledge.distillation.jobs import DISTIL, DistillationJobs
from app.knowledge.distillation.pausing import DistillationPaused
from app.queue.jobs import LOW, NewJob

ONE, OTHER = uuid4(), uuid4()


class Queue:
    def __init__(self) -> None:
        self.enqueued: list[NewJob] = []

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[None]:
        yield

    async def enqueue(self, connection: Any, job: NewJob) -> None:
        self.enqueued.append(job)


class Sessions:
    """Settled sessions that are due, in order, by team."""

    def __init__(self, *due: tuple[UUID, UUID], pauses: timedelta | None = None) -> None:
        self.due = list(due)
        self._pauses = pauses

    async def next_due(self, projection: Any, *, without: Collection[UUID]) -> tuple[UUID, UUID] | None:
        return next((each for each in self.due if each[0] not in without), None)

    async def project(self, projection: Any, team_id: UUID, session_id: UUID) -> dict[str, object]:
        if self._pauses is not None:
            raise DistillationPaused("used up", until=clock.now() + self._pauses)
        self.due.remove((team_id, session_id))
        return {"distilled": {"new": 1}}


async def progress(done: int, total: int) -> None: ...


def job_of(team: UUID, session: UUID) -> Any:
    return SimpleNamespace(team_id=team, payload={"session_id": str(session)})


def jobs(sessions: Sessions, *, enabled: bool = True) -> tuple[DistillationJobs, Queue]:
    queue = Queue()
    return DistillationJobs(queue, sessions, object() if enabled else None), queue  # type: ignore[arg-type]


async def test_the_latest_due_session_is_planned_in_one_lane_below_all_other_jobs() -> None:
    session = uuid4()
    made, queue = jobs(Sessions((ONE, session), (ONE, uuid4())))
    await made.plan()
    (job,) = queue.enqueued
    assert (job.kind, job.team_id, job.lane, job.priority, job.payload) == (DISTIL, ONE, DISTIL, LOW, {"session_id": str(session)})


async def test_nothing_is_planned_where_nothing_is_due() -> None:
    made, queue = jobs(Sessions())
    await made.plan()
    assert not queue.enqueued


async def test_a_job_enqueues_the_next_session_as_it_ends() -> None:
    first, second = uuid4(), uuid4()
    made, queue = jobs(Sessions((ONE, first), (OTHER, second)))
    done = await made.job(job_of(ONE, first), progress)
    assert done.result == {"session": str(first), "distilled": {"new": 1}}
    assert done.closing is not None
    await done.closing(None)  # type: ignore[arg-type]
    assert [each.payload["session_id"] for each in queue.enqueued] == [str(second)]


async def test_a_paused_team_waits_while_another_goes_on() -> None:
    first, second = uuid4(), uuid4()
    made, queue = jobs(Sessions((ONE, first), (OTHER, second), pauses=timedelta(hours=1)))
    done = await made.job(job_of(ONE, first), progress)
    assert done.result == {"session": str(first), "paused": "used up"}
    await made.plan()
    assert [each.team_id for each in queue.enqueued] == [OTHER]


async def test_a_team_goes_on_when_its_pause_is_over() -> None:
    first = uuid4()
    made, queue = jobs(Sessions((ONE, first), pauses=timedelta()))
    await made.job(job_of(ONE, first), progress)
    await made.plan()
    assert [each.team_id for each in queue.enqueued] == [ONE]


async def test_an_error_is_the_jobs_and_planning_goes_on() -> None:
    made, queue = jobs(Sessions((ONE, uuid4())))
    with pytest.raises(ValueError):
        await made.job(job_of(ONE, uuid4()), progress)
    await made.plan()
    assert len(queue.enqueued) == 1


async def test_switched_off_it_plans_nothing_and_ends_waiting_jobs() -> None:
    made, queue = jobs(Sessions((ONE, uuid4())), enabled=False)
    assert (made.loops(), list(made.jobs())) == ((), [DISTIL])
    done = await made.job(job_of(ONE, uuid4()), progress)
    assert "distillation.enabled" in str(done.result)
    await made.plan()
    assert (queue.enqueued, done.closing) == ([], None)

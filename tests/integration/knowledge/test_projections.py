"""Projections over a real journal: caught up in one transaction with their checkpoint, parked, backfilled, and forgotten by a purge."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import NotFound, VectorStoreUnavailable
from app.queue.jobs import NewJob, Queue
from app.sessions.catch_up import CatchUp, CatchUpResult
from app.sessions.event import Event, SessionHeader, ToolUse
from app.sessions.journal import CATCH_UP
from app.sessions.projections import MAX_ATTEMPTS, Checkpointed, Counts, Projected, Projections
from app.sessions.purge import Purge
from app.sessions.session import Session
from app.settings import Settings
from tests.integration.knowledge.conftest import Bench
from tests.waiting import patience

Hook = Callable[[Session], Awaitable[None]]


async def nothing(session: Session) -> None:
    del session


class Lines:
    """A projection of its own: each event's text as a row, in parts, from its checkpoint. What real ones do, and nothing else."""

    name = "lines"
    whole = False
    result_field = "passages"
    counted = ("lines",)

    def __init__(self, bench: Bench, *, version: str = "1", part: int = 1000) -> None:
        self.bench = bench
        self.version = version
        self.part = part
        self.seen: list[tuple[int, int]] = []
        self.before_write: Hook = nothing
        self.after_part: Hook = nothing

    async def make_table(self) -> None:
        async with self.bench.database.begin() as connection:
            await connection.execute(text("create table if not exists lines (session_id uuid, seq int, said text, version text)"))

    async def project(self, session: Session, after: int, checkpointed: Checkpointed) -> Projected:
        found = [each async for each in self.bench.journal.numbered(session.id, after=after, until=session.event_count)]
        self.seen.append((after, len(found)))
        await self.before_write(session)
        parts = [found[start : start + self.part] for start in range(0, len(found), self.part)] or [[]]
        for place, part in enumerate(parts, start=1):
            last = place == len(parts)
            async with self.bench.database.begin() as connection:
                values = {"session": session.id, "after": part[0][0] - 1 if part else after}
                await connection.execute(text("delete from lines where session_id = :session and seq > :after"), values)
                for seq, event in part:
                    row = {
                        "session": session.id,
                        "seq": seq,
                        "said": event.text + (event.tool.output if event.tool else ""),
                        "v": self.version,
                    }
                    await connection.execute(text("insert into lines values (:session, :seq, :said, :v)"), row)
                await checkpointed(connection, None if last else part[-1][0])
            await self.after_part(session)
        return Projected(counts={"lines": len(found)})

    async def unchanged(self, session_id: UUID) -> Counts:
        return {"lines": len(await self.stored(session_id))}

    async def drain(self, mark: int) -> None: ...

    async def move(self, connection: AsyncConnection, team_id: UUID, project_id: UUID, into: UUID) -> None: ...

    async def forget(self, connection: AsyncConnection, session: Session) -> int:
        gone = await connection.execute(text("delete from lines where session_id = :session"), {"session": session.id})
        return int(gone.rowcount)

    async def stored(self, session_id: UUID) -> list[tuple[int, str]]:
        async with self.bench.database.begin() as connection:
            rows = await connection.execute(
                text("select seq, said from lines where session_id = :session order by seq"), {"session": session_id}
            )
            return [(row.seq, row.said) for row in rows]


class Shop:
    """A bench with the projection of this file beside the real one."""

    def __init__(self, bench: Bench, lines: Lines, *, first: bool = False) -> None:
        self.bench, self.lines = bench, lines
        real = list(bench.projections)
        self.queue = Queue(bench.database, Settings().worker)
        self.projections = Projections([lines, *real] if first else [*real, lines])
        parts: dict[str, Any] = {
            "database": bench.database,
            "queue": self.queue,
            "journal": bench.journal,
            "checkpoints": bench.checkpoints,
        }
        self.catch_up = CatchUp(**parts, projections=self.projections)
        self.purge = Purge(bench.database, bench.journal, self.queue, self.projections)
        bench.projections, bench.catch_up = self.projections, self.catch_up

    async def bring_up(self, session: UUID, *, background: bool = False) -> CatchUpResult:
        done = CatchUpResult()
        await self.catch_up.bring_up_to_date(self.bench.team_id, session, done, background=background)
        return done

    async def run(self, kind: str) -> dict[str, Any] | None:
        """The next job of a kind, due or not, as the worker runs it. None: there is none."""
        async with self.bench.database.begin() as connection:
            await connection.execute(text("update jobs set run_at = now() where kind = :kind and state = 'queued'"), {"kind": kind})
        job = await self.queue.claim("w", (kind,))
        if job is None:
            return None

        async def progress(done: int, total: int) -> None:
            assert 0 <= done <= total

        handler = self.catch_up.job if kind == CATCH_UP else self.bench.backfill(self.queue, most=2).job
        done = await handler(job, progress)
        async with self.queue.begin() as connection:
            await self.queue.finish(connection, job, done.result)
            if done.closing is not None:
                await done.closing(connection)
        return done.result


@pytest.fixture
async def shop(bench: Bench) -> Shop:
    lines = Lines(bench)
    await lines.make_table()
    return Shop(bench, lines, first=True)


def said(*numbers: int) -> list[Event]:
    return [Event(f"e{n}", "assistant", "reply", f"text {n}", f"L{n}") for n in numbers]


async def rows(bench: Bench, query: str) -> list[Any]:
    async with bench.database.begin() as connection:
        return list((await connection.execute(text(query))).all())


async def test_what_is_appended_its_revision_and_its_job_come_in_one_transaction(shop: Shop) -> None:
    bench = shop.bench
    session = await bench.session("s")
    async with bench.database.begin() as reader:
        await bench.journal.append(session, said(1, 2))
        found = (
            (await reader.execute(text("select count(*) from events"))).scalar_one(),
            (await reader.execute(text("select count(*) from jobs"))).scalar_one(),
        )
    assert found == (2, 1)
    await bench.journal.append(session, said(1, 2))  # nothing new: neither revision nor job
    await bench.journal.append(session, said(3))
    assert await rows(bench, "select event_count, revision from sessions") == [(3, 2)]
    assert await rows(bench, "select kind, payload ->> 'session_id' from jobs") == [(CATCH_UP, str(session))]


async def test_an_append_that_fails_leaves_neither_events_nor_a_job(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    session = await shop.bench.session("s")

    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(Queue, "enqueue_once", broken)
    with pytest.raises(RuntimeError):
        await shop.bench.journal.append(session, said(1))
    assert await rows(shop.bench, "select (select count(*) from events), event_count, revision from sessions") == [(0, 0, 0)]


async def test_only_what_is_new_is_projected(shop: Shop) -> None:
    session = await shop.bench.session("s")
    await shop.bench.journal.append(session, said(1, 2, 3))
    await shop.bring_up(session)
    await shop.bench.journal.append(session, said(4))
    done = await shop.bring_up(session)
    assert shop.lines.seen == [(0, 3), (3, 1)]
    assert done.counts["lines"]["lines"] == 1
    assert [seq for seq, _ in await shop.lines.stored(session)] == [1, 2, 3, 4]
    assert (await shop.bring_up(session)).counts["lines"]["lines"] == 4  # nothing new: what there is
    assert len(shop.lines.seen) == 2


async def test_a_result_that_comes_later_is_projected_too(shop: Shop) -> None:
    session = await shop.bench.session("s")
    call = Event("c", "tool", "tool", "", "L2", tool=ToolUse("Bash", "make"))
    await shop.bench.journal.append(session, [*said(1), call, *said(3, 4)])
    await shop.bring_up(session)
    await shop.bench.journal.append(session, [Event("c", "tool", "tool", "", "L2", tool=ToolUse("Bash", "make", "all well"))])
    await shop.bring_up(session)
    assert shop.lines.seen == [(0, 4), (1, 3)]
    assert (2, "all well") in await shop.lines.stored(session)


async def test_a_change_made_while_a_projection_runs_is_not_lost(shop: Shop) -> None:
    session = await shop.bench.session("s")
    await shop.bench.journal.append(session, [Event("c", "tool", "tool", "", "L1", tool=ToolUse("Bash", "make")), *said(2)])

    async def meanwhile(_: Session) -> None:
        shop.lines.before_write = nothing
        await shop.bench.journal.append(session, [Event("c", "tool", "tool", "", "L1", tool=ToolUse("Bash", "make", "late"))])

    shop.lines.before_write = meanwhile
    await shop.bring_up(session)
    assert await shop.lines.stored(session) == [(1, "late"), (2, "text 2")]


async def test_two_processes_at_one_session_project_it_once(shop: Shop) -> None:
    session = await shop.bench.session("s")
    await shop.bench.journal.append(session, said(*range(50)))
    both = asyncio.Barrier(2)

    async def together(_: Session) -> None:
        async with patience():
            await both.wait()
        shop.lines.before_write = nothing

    shop.lines.before_write = together
    await asyncio.gather(shop.bring_up(session), shop.bring_up(session))
    assert [seq for seq, _ in await shop.lines.stored(session)] == list(range(1, 51))


async def test_a_long_session_goes_on_from_its_last_part_after_a_crash(shop: Shop) -> None:
    session = await shop.bench.session("s")
    await shop.bench.journal.append(session, said(*range(10)))
    shop.lines.part = 3

    async def killed(_: Session) -> None:
        raise asyncio.CancelledError

    shop.lines.after_part = killed
    with pytest.raises(asyncio.CancelledError):
        await shop.bring_up(session)
    shop.lines.after_part = nothing
    await shop.bring_up(session)
    assert shop.lines.seen == [(0, 10), (3, 7)]
    assert [seq for seq, _ in await shop.lines.stored(session)] == list(range(1, 11))


async def test_a_projection_that_fails_is_parked_and_the_others_go_on(shop: Shop) -> None:
    bench = shop.bench
    session, other = await bench.session("s"), await bench.session("t")
    reason = "We chose NATS over Kafka because one binary without ZooKeeper is all that the on-call team can run."
    await bench.journal.append(session, [Event("1", "user", "prompt", "Write the ADR", "1"), Event("2", "assistant", "reply", reason, "2")])
    await bench.journal.append(other, said(1))

    async def broken(found: Session) -> None:
        if found.id == session:
            raise KeyError(reason)

    shop.lines.before_write = broken
    done = await shop.bring_up(session)
    await shop.bring_up(other)
    assert done.parked == {"lines": "The projection failed with KeyError. See the worker's log."}
    assert len(await bench.items()) == 1
    assert len(await shop.lines.stored(other)) == 1
    versions = shop.projections.versions
    assert {name: (each.behind, each.parked) for name, each in (await bench.checkpoints.backlog(versions)).items()} == {
        "lines": (0, 1),
        "passages": (0, 0),
        "items": (0, 0),
        "uses": (0, 0),
    }
    (parked,) = await bench.checkpoints.parked(versions, team_id=bench.team_id)
    assert (parked.projection, parked.session_id, parked.attempts) == ("lines", session, 1)
    assert await bench.checkpoints.parked(versions, team_id=uuid4()) == []


async def test_a_parked_session_is_tried_again_a_few_times_and_once_more_in_a_new_version(shop: Shop) -> None:
    bench = shop.bench
    session = await bench.session("s")
    await bench.journal.append(session, said(1))

    async def broken(_: Session) -> None:
        raise ValueError

    shop.lines.before_write = broken
    for _ in range(MAX_ATTEMPTS + 3):
        async with bench.database.begin() as connection:
            await connection.execute(text("update projection_checkpoints set retry_at = now() where retry_at is not null"))
        await shop.run(CATCH_UP)
    assert len(shop.lines.seen) == MAX_ATTEMPTS
    assert await rows(bench, "select count(*) from jobs where state = 'queued'") == [(0,)]
    shop.lines.version, shop.lines.before_write = "2", nothing
    assert await bench.backfill(shop.queue).plan()
    assert (await shop.run("backfill") or {})["backfilled"] == 1
    assert await bench.checkpoints.parked(shop.projections.versions) == []
    assert len(await shop.lines.stored(session)) == 1


async def test_a_part_that_is_away_parks_nothing(shop: Shop) -> None:
    session = await shop.bench.session("s")
    await shop.bench.journal.append(session, said(1))

    async def away(_: Session) -> None:
        raise VectorStoreUnavailable("away")

    shop.lines.before_write = away
    with pytest.raises(VectorStoreUnavailable):
        await shop.bring_up(session)
    assert await shop.bench.checkpoints.parked(shop.projections.versions) == []


async def test_a_raised_version_is_backfilled_by_itself_in_bounded_jobs(shop: Shop) -> None:
    bench = shop.bench
    sessions = [await bench.session(f"s{n}") for n in range(5)]
    for session in sessions:
        await bench.journal.append(session, said(1, 2))
        await shop.bring_up(session)
    assert not await bench.backfill(shop.queue).plan()
    shop.lines.version = "2"
    assert (await bench.checkpoints.backlog(shop.projections.versions))["lines"].behind == 5
    assert await bench.backfill(shop.queue).plan()
    assert await bench.backfill(shop.queue).plan()  # one job waits at a time
    async with bench.database.begin() as connection:
        await connection.execute(text("delete from jobs where kind = 'catch_up'"))
    counts = []
    while (ran := await shop.run("backfill")) is not None:
        counts.append(ran["backfilled"])
    assert counts == [2, 2, 1]
    assert {version for (version,) in await rows(bench, "select version from lines")} == {"2"}
    assert (await bench.checkpoints.backlog(shop.projections.versions))["lines"].behind == 0


async def test_a_backfill_lets_others_pass_and_goes_on_later(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.sessions.backfill.YIELDED", timedelta(hours=1))
    bench = shop.bench
    for n in range(3):
        session = await bench.session(f"s{n}")
        await bench.journal.append(session, said(1))
        await shop.bring_up(session)
    shop.lines.version = "2"
    await bench.backfill(shop.queue).plan()
    async with bench.database.begin() as connection:
        await connection.execute(text("update jobs set run_at = now() where kind = 'catch_up'"))  # these wait
    assert (await shop.run("backfill") or {})["backfilled"] == 1
    (later,) = await rows(bench, "select run_at > now(), priority from jobs where kind = 'backfill' and state = 'queued'")
    assert tuple(later) == (True, 2)


async def test_a_session_whose_job_was_lost_is_found_by_the_backfill(shop: Shop) -> None:
    session = await shop.bench.session("s")
    await shop.bench.journal.append(session, said(1))
    async with shop.bench.database.begin() as connection:
        await connection.execute(text("delete from jobs"))
    assert not await shop.bench.backfill(shop.queue).plan()  # its job may be under way
    async with shop.bench.database.begin() as connection:
        await connection.execute(text("update sessions set updated_at = now() - interval '1 hour'"))
    assert await shop.bench.backfill(shop.queue).plan()
    await shop.run("backfill")
    assert len(await shop.lines.stored(session)) == 1


@pytest.mark.parametrize("moment", ["while it reads", "between two parts"])
async def test_a_purge_while_a_projection_catches_up_leaves_nothing(shop: Shop, moment: str) -> None:
    bench = shop.bench
    session = await bench.session("s")
    await bench.journal.append(session, said(*range(6)))
    shop.lines.part = 2

    async def purge(_: Session) -> None:
        shop.lines.before_write = shop.lines.after_part = nothing
        await shop.purge.delete_session(bench.requester(), session)

    setattr(shop.lines, "before_write" if moment == "while it reads" else "after_part", purge)
    assert await shop.catch_up.bring_up_to_date(bench.team_id, session, CatchUpResult(), background=False) is False
    for table in ("lines", "events", "projection_checkpoints", "sessions"):
        assert await rows(bench, f"select count(*) from {table}") == [(0,)], table
    assert await rows(bench, "select count(*) from jobs") == [(0,)]


async def test_a_purge_waits_for_what_a_projection_is_just_writing_and_takes_it_too(shop: Shop) -> None:
    bench = shop.bench
    session = await bench.session("s")
    await bench.journal.append(session, said(1))
    async with bench.database.begin() as connection:
        await bench.journal.lock_against_deletion(connection, session)
        await connection.execute(text("insert into lines values (:session, 1, 'x', '1')"), {"session": session})
        purging = asyncio.create_task(shop.purge.delete_session(bench.requester(), session))
        done, _ = await asyncio.wait([purging], timeout=0.5)
        assert not done
    assert (await purging).removed["lines"] == 1
    assert await shop.lines.stored(session) == []


async def test_appends_go_on_while_a_projection_holds_the_session(shop: Shop) -> None:
    session = await shop.bench.session("s")
    async with shop.bench.database.begin() as connection, patience():
        await shop.bench.journal.lock_against_deletion(connection, session)
        assert (await shop.bench.journal.append(session, said(1))).new == 1


async def test_the_job_of_a_session_that_was_purged_meanwhile_ends_well(shop: Shop) -> None:
    session = await shop.bench.session("s")
    await shop.bench.journal.append(session, said(1))
    async with shop.bench.database.begin() as connection:
        await shop.bench.journal.delete(connection, shop.bench.team_id, session)
    result = await shop.run(CATCH_UP)
    assert result is not None
    assert result["sessions"] == []
    with pytest.raises(NotFound):
        await shop.bench.journal.get(shop.bench.team_id, session)


async def test_what_a_live_session_says_goes_before_uploads_and_both_before_a_backfill(shop: Shop) -> None:
    bench, queue = shop.bench, shop.queue
    async with bench.database.begin() as connection:
        await queue.enqueue(connection, NewJob(kind="backfill", payload={}, priority=2))
        await queue.enqueue(connection, NewJob(kind="ingest", payload={}))
    live = bench.live()
    await live.append(team_id=bench.team_id, developer_id=None, session=SessionHeader("generic", "l"), project=None, events=said(1))
    async with bench.database.begin() as connection:
        await connection.execute(text("update jobs set run_at = now() where kind = 'catch_up'"))
    taken = [await queue.claim("w", ("backfill", "ingest", CATCH_UP)) for _ in range(3)]
    assert [job.kind for job in taken if job] == [CATCH_UP, "ingest", "backfill"]


async def test_a_live_event_brings_a_waiting_bulk_job_forward(shop: Shop) -> None:
    bench = shop.bench
    session = await bench.session("live-1")
    await bench.journal.append(session, said(1))
    (before,) = await rows(bench, "select run_at - now() > interval '5 minutes', priority from jobs")
    await bench.live().append(
        team_id=bench.team_id, developer_id=None, session=SessionHeader("generic", "live-1"), project=None, events=said(2)
    )
    (after,) = await rows(bench, "select run_at - now() < interval '1 minute', priority from jobs")
    assert (tuple(before), tuple(after)) == ((True, 1), (True, 0))

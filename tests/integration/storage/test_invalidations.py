"""What one process says is out of date the others hear, and after a lost connection they forget everything. On a real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field

import asyncpg
import pytest
from sqlalchemy import text

from app import supervision
from app.storage import notify_listener as notices_room
from app.storage.database import Database
from app.storage.invalidations import CHANNEL, Invalidations
from app.storage.notify_listener import NotifyListener
from tests.waiting import patience, patient_database


@dataclass(slots=True)
class Process:
    """One of two, and what it was told to forget."""

    bus: Invalidations
    notices: NotifyListener
    told: list[tuple[str, str | None]] = field(default_factory=list)

    def note(self, topic: str) -> Callable[[str | None], None]:
        return lambda what: self.told.append((topic, what))

    async def heard(self, *wanted: tuple[str, str | None]) -> None:
        async with patience():
            while self.told != list(wanted):
                await asyncio.sleep(0.01)
        self.told.clear()


@pytest.fixture
async def processes(database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Process, Process]]:
    monkeypatch.setattr(notices_room, "PAUSE_SECONDS", 0.05)
    async with AsyncExitStack() as stack:
        made = []
        for name in ("one", "two"):
            notices = NotifyListener(patient_database(), database_url, name=name, channel=CHANNEL)
            process = Process(Invalidations(notices), notices)
            for topic in ("keys", "cache"):
                process.bus.subscribe(topic, process.note(topic))
            task = asyncio.create_task(supervision.run(*process.bus.loops()))
            stack.push_async_callback(_ended, task)
            made.append(process)
        for process in made:
            await process.heard(("keys", None), ("cache", None))  # it has just begun to listen
        yield made[0], made[1]


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_the_others_hear_what_to_forget_and_the_one_who_says_it_does_not(processes: tuple[Process, Process]) -> None:
    one, two = processes
    one.bus.publish("keys", "3f2a")
    one.bus.publish("cache", "a name with spaces: café")
    one.bus.publish("unheard", "of")
    one.bus.publish("cache")
    await two.heard(("keys", "3f2a"), ("cache", "a name with spaces: café"), ("cache", None))
    two.bus.publish("keys", "last")
    await one.heard(("keys", "last"))  # and nothing of its own


@pytest.mark.parametrize("what", ["x" * 10_000, "NUL \x00", "\ud800", "two\nlines"])
async def test_what_no_notice_can_carry_is_said_as_all_of_it(processes: tuple[Process, Process], what: str) -> None:
    one, two = processes
    one.bus.publish("cache", what)
    one.bus.publish("keys", "after it")
    await two.heard(("cache", None), ("keys", "after it"))


async def test_too_much_at_once_is_said_as_all_of_it(processes: tuple[Process, Process]) -> None:
    one, two = processes
    for number in range(notices_room.MAX_QUEUED + 100):
        one.bus.publish("keys", str(number))
    await two.heard(*(("keys", str(number)) for number in range(notices_room.MAX_QUEUED)), ("keys", None))


async def test_who_was_cut_off_forgets_everything_when_it_listens_again(processes: tuple[Process, Process], database: Database) -> None:
    one, two = processes
    async with database.begin() as connection:
        await connection.execute(text("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'two'"))
    async with patience():
        while two.notices.listening:
            await asyncio.sleep(0.005)
    one.bus.publish("keys", "missed")
    await two.heard(("keys", None), ("cache", None))
    one.bus.publish("keys", "heard")
    await two.heard(("keys", "heard"))
    assert one.told == []


async def test_what_was_published_without_a_connection_goes_out_with_the_next_one(
    processes: tuple[Process, Process], database: Database
) -> None:
    one, two = processes
    async with database.begin() as connection:
        await connection.execute(text("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'one'"))
    async with patience():
        while one.notices.listening:
            await asyncio.sleep(0.005)
    one.bus.publish("keys", "meanwhile")
    await two.heard(("keys", "meanwhile"))


async def test_what_a_breaking_connection_did_not_take_goes_out_with_the_next_one(
    processes: tuple[Process, Process], database: Database
) -> None:
    one, two = processes
    one.notices._queued["keys in the moment it broke"] = None  # not stirred: the real connection has yet to hear of it
    one.notices._wake.set()
    with pytest.raises(asyncpg.InterfaceError):
        await one.notices._send_queued(Breaking())  # type: ignore[arg-type]
    await two.heard(("keys", "in the moment it broke"))


class Breaking:
    async def execute(self, *_: object) -> None:
        raise asyncpg.InterfaceError("connection is closed")


async def test_without_notices_nobody_is_told() -> None:
    bus, told = Invalidations(), []
    bus.subscribe("keys", told.append)
    bus.publish("keys", "x")
    assert bus.loops() == ()
    assert told == []

"""Minutes of several servers in a real PostgreSQL: merged right, written once however often, aged into hours, pruned."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from math import ceil

import pytest
from sqlalchemy import text

from app import clock
from app.alerts import downsampling
from app.alerts.recorder import Recorder
from app.alerts.rollups import Rollups
from app.errors import DatabaseUnavailable, InvalidInput
from app.storage.database import Database
from app.telemetry.registry import FastCounter, Timing

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


class Server:
    """A process with measures of its own, and a clock that the test moves."""

    def __init__(self, database: Database, at: datetime = NOON) -> None:
        self.seconds = Timing("x", "x", ("provider",), (1.0,))
        self.calls = FastCounter("y", "y", ("class", "status"))
        self.full = 0.0
        self.recorder = Recorder(database, role="serve", lag=Timing("z", "z", ("role",), (1.0,)))
        self.recorder._minute = at
        self.recorder.add_timing("inference.seconds", self.seconds)
        self.recorder.add_counter("http.requests", lambda: self.calls.totals)
        self.recorder.add_levels(self._look)

    async def _look(self) -> dict[str, dict[tuple[str, ...], float]]:
        return {"machine.memory": {(): self.full}}


@pytest.fixture
def rollups(database: Database) -> Rollups:
    return Rollups(database)


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    now = [NOON]
    monkeypatch.setattr(clock, "now", lambda: now[0])
    return now


async def test_a_percentile_of_three_servers_is_that_of_all_their_calls(database: Database, rollups: Rollups) -> None:
    dice, servers, every = random.Random(7), [Server(database) for _ in range(3)], []
    for place, server in enumerate(servers):
        for _ in range(200 * (1 + 3 * place)):
            value = dice.lognormvariate(-2 + place, 1)
            server.seconds.observe(value, ("groq",))
            every.append(value)
        await server.recorder.write(NOON + 30 * timedelta(seconds=1))
    (point,) = await rollups.series("inference.seconds", {"provider": "groq"}, since=NOON, until=NOON + MINUTE)
    assert point.count == len(every)
    assert point.sum == pytest.approx(sum(every))
    for share, found in ((0.5, point.p50), (0.95, point.p95), (0.99, point.p99)):
        assert found == pytest.approx(sorted(every)[ceil(share * len(every)) - 1], rel=0.025)


async def test_a_minute_written_again_counts_once_and_goes_on(database: Database, rollups: Rollups) -> None:
    server = Server(database)
    for second in (15, 30, 30, 45):
        server.calls.add(("knowledge", "200"))
        await server.recorder.write(NOON + timedelta(seconds=second))
    (point,) = await rollups.series("http.requests", since=NOON, until=NOON + MINUTE)
    assert point.sum == 4


async def test_each_minute_holds_what_it_brought(database: Database, rollups: Rollups) -> None:
    server = Server(database)
    for minute in range(3):
        server.calls.add(("knowledge", "200"), minute + 1)
        await server.recorder.write(NOON + (minute + 1) * MINUTE)
    points = await rollups.series("http.requests", {"class": "knowledge"}, since=NOON, until=NOON + 4 * MINUTE)
    assert [point.sum for point in points] == [1, 2, 3, 0]
    assert [point.at for point in points] == [NOON + number * MINUTE for number in range(4)]
    assert points[3].p95 is None


async def test_minutes_wait_while_the_database_is_away_and_are_written_once(database: Database, rollups: Rollups, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    server, begin = Server(database), database.begin

    def away() -> None:
        raise DatabaseUnavailable("away")

    monkeypatch.setattr(database, "begin", away)
    for minute in range(1, 4):
        server.calls.add(("knowledge", "200"))
        with pytest.raises(DatabaseUnavailable):
            await server.recorder.write(NOON + minute * MINUTE)
    monkeypatch.setattr(database, "begin", begin)
    await server.recorder.write(NOON + 3 * MINUTE + timedelta(seconds=15))
    points = await rollups.series("http.requests", since=NOON, until=NOON + 4 * MINUTE)
    assert [point.sum for point in points] == [1, 1, 1, 0]


async def test_a_clean_stop_writes_the_running_minute(database: Database, rollups: Rollups, at: list[datetime]) -> None:
    server = Server(database)
    server.calls.add(("knowledge", "200"))
    at[0] = NOON + timedelta(seconds=7)
    await server.recorder.close()
    (point,) = await rollups.series("http.requests", since=NOON, until=NOON + MINUTE)
    assert point.sum == 1


async def test_a_process_that_starts_in_the_same_minute_adds_to_it(database: Database, rollups: Rollups) -> None:
    for _ in range(2):
        server = Server(database)
        server.calls.add(("knowledge", "200"))
        await server.recorder.write(NOON + timedelta(seconds=20))
    (point,) = await rollups.series("http.requests", since=NOON, until=NOON + MINUTE)
    assert point.sum == 2


async def test_a_clock_set_back_replaces_no_minute(database: Database, rollups: Rollups) -> None:
    server = Server(database)
    server.calls.add(("knowledge", "200"), 5)
    await server.recorder.write(NOON + MINUTE)
    server.calls.add(("knowledge", "200"))
    await server.recorder.write(NOON + timedelta(seconds=59))
    points = await rollups.series("http.requests", since=NOON, until=NOON + 2 * MINUTE)
    assert [point.sum for point in points] == [5, 1]


async def test_a_level_over_servers_is_the_fullest_and_over_time_the_latest(database: Database, rollups: Rollups) -> None:
    for shares in ((0.2, 0.9, 0.4), (0.5, 0.5, 0.3)):
        server = Server(database)
        for minute, share in enumerate(shares):
            server.full = share
            await server.recorder.sample()
            await server.recorder.write(NOON + (minute + 1) * MINUTE)
    (whole,) = await rollups.series("machine.memory", since=NOON, until=NOON + 3 * MINUTE, step=3 * MINUTE)
    assert (whole.last, whole.max, whole.count) == (0.4, 0.9, 6)
    assert whole.mean == pytest.approx(2.8 / 6)


async def test_hours_are_the_minutes_merged_and_read_as_one_with_them(database: Database, rollups: Rollups) -> None:
    servers = [Server(database, NOON - 2 * HOUR) for _ in range(2)]
    for minute in range(150):
        for server in servers:
            server.calls.add(("knowledge", "200"))
            server.seconds.observe(0.1 + minute / 100, ("groq",))
            await server.recorder.write(NOON - 2 * HOUR + (minute + 1) * MINUTE)
    wanted = await rollups.series("inference.seconds", since=NOON - 2 * HOUR, until=NOON + HOUR, step=30 * MINUTE)
    now = NOON + 31 * MINUTE
    assert await downsampling.downsample(database, now) == 15 + 2
    hours = await rollups.series("inference.seconds", since=NOON - 2 * HOUR, until=now, step=HOUR)
    assert [point.count for point in hours] == [120, 120, 60]
    assert sum(point.sum for point in hours) == pytest.approx(sum(point.sum for point in wanted))
    assert hours[0].p95 == pytest.approx(0.1 + 56 / 100, rel=0.05)
    whole = (await rollups.read(["http.requests"], since=NOON - 2 * HOUR, until=now, step=HOUR)).whole("http.requests")
    assert whole.sum == 300


async def test_making_an_hour_again_changes_nothing_and_a_late_minute_is_taken_in(database: Database, rollups: Rollups) -> None:
    first = Server(database)
    first.calls.add(("knowledge", "200"))
    await first.recorder.write(NOON + MINUTE)
    now = NOON + HOUR + 10 * MINUTE
    for _ in range(2):
        await downsampling.downsample(database, now)
        (hour,) = await rollups.series("http.requests", since=NOON, until=NOON + HOUR, step=HOUR)
        assert hour.sum == 1
    late = Server(database)
    late.calls.add(("knowledge", "200"), 10)
    await late.recorder.write(NOON + 2 * MINUTE)
    await downsampling.downsample(database, now)
    (hour,) = await rollups.series("http.requests", since=NOON, until=NOON + HOUR, step=HOUR)
    assert hour.sum == 11


async def test_minutes_go_after_thirty_days_and_hours_after_a_year(database: Database, rollups: Rollups) -> None:
    for days in (400, 40, 1):
        start = NOON - timedelta(days=days)
        server = Server(database, start)
        server.calls.add(("knowledge", "200"))
        await server.recorder.write(start + timedelta(seconds=1))
    for days in (399, 39):
        await downsampling.downsample(database, NOON - timedelta(days=days))
    await downsampling.downsample(database, NOON)
    async with database.begin() as connection:
        minutes = await connection.scalar(text("select count(*) from rollup_minutes"))
        hours = (await connection.scalars(text("select at from rollup_spans where seconds = 3600 order by at"))).all()
    assert minutes == 1
    assert hours == [NOON - timedelta(days=40), NOON - timedelta(days=1)]
    old = await rollups.series("http.requests", since=NOON - timedelta(days=41), until=NOON, step=timedelta(days=1))
    assert sum(point.sum for point in old) == 2


async def test_what_cannot_be_asked_says_why(rollups: Rollups) -> None:
    with pytest.raises(InvalidInput, match="no series nothing"):
        await rollups.series("nothing", since=NOON, until=NOON + MINUTE)
    with pytest.raises(InvalidInput, match="time zone"):
        await rollups.series("http.requests", since=NOON.replace(tzinfo=None), until=NOON + MINUTE)
    with pytest.raises(InvalidInput, match="longer steps"):
        await rollups.series("http.requests", since=NOON - timedelta(days=30), until=NOON)
    with pytest.raises(InvalidInput, match="no label colour"):
        await rollups.series("http.requests", {"colour": "red"}, since=NOON, until=NOON + MINUTE)
    with pytest.raises(InvalidInput, match="whole"):
        await rollups.series("http.requests", since=NOON, until=NOON + MINUTE, step=timedelta(seconds=90))

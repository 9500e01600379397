"""The weekly digest over a real PostgreSQL: once a week, whichever server is first, in the webhook's outbox."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from app import clock
from app.alerts.digest import Digest, WeeklyDigest
from app.queue.outbox import Outbox
from app.storage.database import Database

FRIDAY = datetime(2026, 11, 27, 12, tzinfo=UTC)
MONDAY = datetime(2026, 11, 30, 9, 1, tzinfo=UTC)


class World:
    """Time that the test moves, and as many servers as it wants."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.now = FRIDAY

    def server(self) -> WeeklyDigest:
        async def digests() -> Sequence[Digest]:
            return [Digest("core", {"new": 2}, ["Cache keys hold the tenant"], [], None), Digest("empty", {"new": 0}, [], [], None)]

        outbox = Outbox(self.database, "http://127.0.0.1:9/hook")
        return WeeklyDigest(self.database, outbox, digests, weekday="monday", zone=ZoneInfo("UTC"))

    async def notices(self) -> list[str]:
        async with self.database.begin() as connection:
            return list(await connection.scalars(text("select body ->> 'team' from notices order by created_at")))


@pytest.fixture
def world(database: Database, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(database)
    monkeypatch.setattr(clock, "now", lambda: made.now)
    return made


async def test_the_first_digest_comes_when_a_week_is_due_and_a_team_without_items_gets_none(world: World) -> None:
    assert await world.server().post_if_due() == 0
    world.now = MONDAY
    assert await world.server().post_if_due() == 1
    assert await world.notices() == ["core"]


async def test_of_four_servers_one_posts_and_none_again_in_that_week(world: World) -> None:
    await world.server().post_if_due()
    world.now = MONDAY
    assert sum(await asyncio.gather(*(world.server().post_if_due() for _ in range(4)))) == 1
    world.now += timedelta(days=6)
    assert await world.server().post_if_due() == 0
    world.now += timedelta(days=1)
    assert await world.server().post_if_due() == 1
    assert await world.notices() == ["core", "core"]


async def test_a_digest_that_was_due_while_no_server_ran_is_posted_once(world: World) -> None:
    await world.server().post_if_due()
    world.now = MONDAY + timedelta(days=17)
    assert await world.server().post_if_due() == 1
    assert await world.server().post_if_due() == 0

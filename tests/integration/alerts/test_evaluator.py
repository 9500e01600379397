"""Rules over real roll-ups in a real PostgreSQL: told once however many servers, kept over a restart, delivered when the webhook is back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web
from sqlalchemy import text

from app import clock
from app.alerts.evaluator import Evaluator
from app.alerts.notifications import Notifications
from app.alerts.recorder import Recorder
from app.alerts.rollups import Rollups
from app.alerts.rules import Rules, load
from app.alerts.series_alerts import SeriesAlerts
from app.queue import outbox as posting
from app.queue.outbox import Outbox
from app.settings import Settings
from app.storage.database import Database
from app.telemetry.registry import FastCounter, Timing

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
EVERY = 15


class World:
    """Time that the test moves, one machine that measures, and as many servers that evaluate as it wants."""

    def __init__(self, database: Database, url: str | None) -> None:
        self.database = database
        self.now = NOON
        self.rules = load(Settings().alerts.rules)
        self.url = url
        self.memory = 0.2
        self.budgets: dict[tuple[str, ...], float] = {}
        self.inference = Timing("x", "x", ("provider",), (1.0,))
        self.hits = FastCounter("y", "y", ("cache", "tier"))
        self.lookups = FastCounter("w", "w", ("cache",))
        self.recorder = Recorder(database, role="serve", lag=Timing("z", "z", ("role",), (1.0,)))
        self.recorder._minute = NOON
        self.recorder.add_timing("inference.seconds", self.inference)
        self.recorder.add_counter("cache.hits", lambda: self.hits.totals)
        self.recorder.add_counter("cache.lookups", lambda: self.lookups.totals)
        self.recorder.add_levels(self._look)

    def server(self) -> Evaluator:
        async def probe() -> Mapping[tuple[str, ...], float]:
            return self.budgets

        told = Notifications(Outbox(self.database, self.url))
        probes = {"budget.used_early": probe}
        return Evaluator(self.database, Rollups(self.database), told, self.rules, every_seconds=EVERY, probes=probes)

    async def passes(self, seconds: int, *servers: Evaluator) -> list[tuple[str, str]]:
        """(rule, state) of what changed meanwhile."""
        told = []
        for _ in range(seconds // EVERY):
            self.now += timedelta(seconds=EVERY)
            await self.recorder.sample()
            await self.recorder.write(self.now)
            for changes in await asyncio.gather(*(each.evaluate() for each in servers)):
                told += [(each.rule, each.state) for each in changes]
        return told

    async def firing(self) -> list[str]:
        return [each.rule for each in await SeriesAlerts(self.database).firing()]

    async def notices(self) -> list[str]:
        async with self.database.begin() as connection:
            return list(await connection.scalars(text("select body ->> 'text' from notices order by created_at")))

    async def _look(self) -> dict[str, dict[tuple[str, ...], float]]:
        return {"machine.memory": {(): self.memory}}


@pytest.fixture
def world(database: Database, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(database, "http://127.0.0.1:9/hook")
    monkeypatch.setattr(clock, "now", lambda: made.now)
    return made


async def test_memory_above_the_threshold_for_five_minutes_fires_and_ends(world: World) -> None:
    server = world.server()
    assert await world.passes(60, server) == []
    world.memory = 0.9
    assert await world.passes(300, server) == []
    assert await world.passes(15, server) == [("memory_full", "firing")]
    world.memory = 0.95
    assert await world.passes(60, server) == []
    world.memory = 0.77  # between the two edges
    assert await world.passes(300, server) == []
    (alert,) = await SeriesAlerts(world.database).firing()
    assert (alert.rule, alert.first, alert.peak, alert.value) == ("memory_full", 0.9, 0.95, 0.77)
    assert alert.summary == (
        "Memory is nearly full: 77 % now, 90 % when it began to fire, 95 % at its peak (fires above 80 %)."
        " Ends once it was at most 75 % for 2 minutes."
    )
    world.memory = 0.5
    assert await world.passes(180, server) == [("memory_full", "resolved")]
    assert await world.firing() == []
    assert await world.notices() == [
        "Cairn WARNING: Memory is nearly full: 90 % (fires above 80 %). Ends once it was at most 75 % for 2 minutes.",
        "Cairn resolved: Memory is nearly full: over; it fired for 8 minutes, at its peak 95 % (fires above 80 %)",
    ]
    resolved = await SeriesAlerts(world.database).resolved()
    assert [each.rule for each in resolved] == ["memory_full"]
    assert resolved[0].until > resolved[0].since
    assert resolved[0].peak == 0.95


async def test_a_spike_of_a_minute_is_no_alert(world: World) -> None:
    server = world.server()
    for share in (0.95, 0.2, 0.95, 0.2):
        world.memory = share
        assert await world.passes(60, server) == []


async def test_of_four_servers_that_evaluate_at_once_one_tells(world: World) -> None:
    servers = [world.server() for _ in range(4)]
    world.memory = 0.9
    assert await world.passes(330, *servers) == [("memory_full", "firing")]
    assert len(await world.notices()) == 1


async def test_a_restart_in_the_middle_changes_nothing(world: World) -> None:
    world.memory = 0.9
    assert await world.passes(150, world.server()) == []
    assert await world.passes(165, world.server()) == [("memory_full", "firing")]
    assert await world.passes(60, world.server()) == []
    assert await world.firing() == ["memory_full"]
    assert len(await world.notices()) == 1


async def test_what_was_pending_while_no_server_ran_begins_anew(world: World) -> None:
    world.memory = 0.9
    assert await world.passes(240, world.server()) == []
    await world.passes(3600)
    assert await world.passes(285, world.server()) == []
    assert await world.passes(60, world.server()) == [("memory_full", "firing")]


async def test_slow_answers_need_several_calls_and_five_minutes(world: World) -> None:
    server = world.server()
    for minute in range(8):
        for _ in range(4):
            world.inference.observe(5.0 if minute < 7 else 0.1, ("groq",))
        told = await world.passes(60, server)
        assert told == ([("inference_slow", "firing")] if minute == 6 else []), minute
    assert "p95" in (await world.notices())[0]


async def test_a_low_hit_rate_is_told_by_cache(world: World) -> None:
    server = world.server()
    told = []
    for _ in range(14):
        for name, hits in (("completions", 2), ("embeddings", 18)):
            world.hits.add((name, "memory"), hits)
            world.lookups.add((name,), 20)
        told += await world.passes(60, server)
    assert told == [("hit_rate_low", "firing")]
    (alert,) = await SeriesAlerts(world.database).firing()
    assert alert.labels == {"cache": "completions"}
    assert alert.value == pytest.approx(0.1)


async def test_a_budget_is_shown_and_not_posted_twice(world: World) -> None:
    """The rule that is met once a month posts it."""
    world.budgets = {("ada",): 0.93, ("bob",): 0.2}
    assert await world.passes(15, world.server()) == [("budget_early", "firing")]
    (alert,) = await SeriesAlerts(world.database).firing()
    assert alert.labels == {"developer": "ada"}
    assert await world.notices() == []


async def test_a_rule_that_is_gone_from_the_file_ends_silently(world: World) -> None:
    world.memory = 0.9
    assert await world.passes(330, world.server()) == [("memory_full", "firing")]
    world.rules = Rules({name: rule for name, rule in world.rules.series.items() if name != "memory_full"})
    assert await world.passes(15, world.server()) == []
    assert await world.firing() == []


async def test_without_a_webhook_it_fires_and_nothing_waits(world: World) -> None:
    world.url, world.memory = None, 0.9
    assert await world.passes(330, world.server()) == [("memory_full", "firing")]
    assert await world.notices() == []


async def test_one_look_says_what_each_rule_says_now(world: World) -> None:
    world.memory = 0.9
    await world.passes(15)
    found = {each.rule: (each.value, each.breached) for each in await world.server().measure()}
    assert found["memory_full"] == (0.9, True)
    assert found["inference_slow"] == (None, False)


@pytest.fixture
async def slack() -> AsyncIterator[tuple[list[dict[str, Any]], list[int], str]]:
    """A webhook as Slack's: takes what has a text. The list of its next statuses, then 200."""
    got: list[dict[str, Any]] = []
    answers: list[int] = []

    async def take(request: web.Request) -> web.Response:
        status = answers.pop(0) if answers else 200
        body = await request.json()
        if not isinstance(body.get("text"), str):
            return web.Response(status=400, text="no_text")
        if status == 200:
            got.append(body)
        return web.Response(status=status)

    application = web.Application()
    application.router.add_post("/hook", take)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    yield got, answers, f"http://{host}:{port}/hook"
    await runner.cleanup()


async def test_a_webhook_that_is_down_is_told_when_it_is_back_once(
    world: World, slack: tuple[list[dict[str, Any]], list[int], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posting, "FIRST_PAUSE_SECONDS", 0)
    got, answers, url = slack
    world.memory = 0.9
    await world.passes(330, world.server())
    assert await world.notices() != []
    answers += [503, 503]
    for _ in range(2):
        assert await Outbox(world.database, url).deliver() == 0
    monkeypatch.setattr(posting, "FIRST_PAUSE_SECONDS", 15)  # what keeps two processes from posting the same
    assert sum(await asyncio.gather(*(Outbox(world.database, url).deliver() for _ in range(3)))) == 1
    assert await Outbox(world.database, url).deliver() == 0
    assert [(each["rule"], each["state"], each["severity"]) for each in got] == [("memory_full", "firing", "warning")]

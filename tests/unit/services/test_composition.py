"""What a room hands over takes effect, through nothing but one line in the composition: opened, run, asked, measured, maintained, closed."""

from __future__ import annotations

import ast
import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from app import supervision
from app.alerts.recorder import Recorder
from app.errors import DatabaseUnavailable, Unavailable
from app.part import Condition, Forget, Levels, Loop, Maintenance, Opened, Part, ReadinessCheck
from app.queue.jobs import Done
from app.services import opening
from app.services.composition import caches_of, composed, jobs_of
from app.services.gauges import set_gauges
from app.services.maintenance import maintain, maintenance
from app.services.monitoring import record
from app.services.readiness import readiness
from app.supervision import MAX_FAILURES
from app.telemetry import measures, metrics
from tests.waiting import patience


@dataclass(slots=True)
class Shelf:
    """A cache that only counts."""

    name: str = "zoo"
    saved_nanousd: int = 0
    saved_seconds: float = 0.0
    entries: int = 3

    def figures(self) -> Mapping[str, Mapping[str, int]]:
        return {"memory": {"hits": 4, "misses": 1, "entries": self.entries, "bytes": 77, "evictions": 2}}

    async def clear(self) -> int:
        cleared, self.entries = self.entries, 0
        return cleared


@dataclass(slots=True)
class Zoo:
    """A room that came new: what its part says, and what became of it."""

    said: list[str] = field(default_factory=list)
    fails: bool = True
    fed: asyncio.Event = field(default_factory=asyncio.Event)
    batches: list[int] = field(default_factory=lambda: [40, 2, 0])
    shelf: Shelf = field(default_factory=Shelf)

    async def feed(self) -> None:
        if self.fails:
            raise DatabaseUnavailable("The keeper is away.")
        self.fed.set()

    async def count(self, job: object, progress: object) -> Done:
        return Done({"animals": 7})

    async def condition(self) -> Condition:
        return Condition("degraded", "A cage stands open: close it.")

    async def gauge(self) -> None:
        metrics.set_replica("zoo", usable=True, lag=None)

    async def levels(self) -> Levels:
        return {"queue.waiting": {(): 5.0}}

    async def clean(self) -> int:
        return self.batches.pop(0)

    async def forget(self, connection: object, session: object) -> int:
        return 1


@asynccontextmanager
async def open_zoo(zoo: Zoo, *, name: str = "zoo") -> AsyncIterator[Opened[Zoo]]:
    zoo.said.append(f"{name} opened")
    part = Part(
        name=name,
        jobs={"count": zoo.count},
        loops=[Loop(name=f"{name}.feeding", step=zoo.feed, pause=0.0, max_backoff_seconds=0.0, meanwhile="The animals are hungry.")],
        ready=[ReadinessCheck("cages", zoo.condition)],
        gauges=[zoo.gauge],
        levels=[zoo.levels],
        samples={"pool.used": lambda: 0.5},
        caches=[zoo.shelf],
        maintenance=[Maintenance("cleaned", zoo.clean, batched=True)],
        forgets=[Forget("animals", zoo.forget)],
    )
    try:
        yield zoo, part
    finally:
        zoo.said.append(f"{name} closed")


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "MIN_BACKOFF_SECONDS", 0.0)


def test_the_composition_root_reads_nothing_of_a_room_but_its_part() -> None:
    """Beside what is given to rooms: the team's secrets, the index's schema, the data folder, the reader of told alerts."""
    given = {"app.accounts.secrets", "app.alerts.budget_evaluator", "app.knowledge.points", "app.storage.folder"}
    tree = ast.parse(Path(opening.__file__).read_text())
    modules = {each.module for each in ast.walk(tree) if isinstance(each, ast.ImportFrom) and (each.module or "").startswith("app.")}
    of_rooms = {name for name in modules if name.count(".") > 1 and name.split(".")[1] not in {"services", "telemetry", "settings"}}
    assert {name for name in of_rooms if not name.endswith(".part")} == given


async def test_one_line_opens_a_room_and_its_end_closes_it() -> None:
    async with composed() as rooms:
        made = await rooms.open(open_zoo(Zoo()))
        assert made.said == ["zoo opened"]
    assert made.said == ["zoo opened", "zoo closed"]


async def test_its_job_is_a_workers() -> None:
    async with composed() as rooms:
        await rooms.open(open_zoo(Zoo()))
        done = await jobs_of(rooms.parts)["count"](None, None)
        assert done.result == {"animals": 7}


async def test_its_failing_loop_is_told_in_readiness_and_as_a_metric_until_it_recovers() -> None:
    async with composed() as rooms:
        zoo = await rooms.open(open_zoo(Zoo()))
        rooms.begin()
        async with patience():
            while not rooms.supervisor.degraded:
                await asyncio.sleep(0.001)
        found = await readiness(rooms.parts)
        assert found.states["loops"] == "degraded"
        assert "zoo.feeding" in found.reasons["loops"]
        assert "The animals are hungry." in found.reasons["loops"]
        assert metrics.REGISTRY.get_sample_value("cairn_loop_up", {"loop": "zoo.feeding"}) == 0
        assert (metrics.REGISTRY.get_sample_value("cairn_loop_restarts_total", {"loop": "zoo.feeding"}) or 0) >= MAX_FAILURES
        zoo.fails = False
        async with patience():
            await zoo.fed.wait()
            while (await readiness(rooms.parts)).states["loops"] != "ok":
                await asyncio.sleep(0.001)


async def test_its_readiness_check_is_a_line_with_its_reason_and_a_metric() -> None:
    async with composed() as rooms:
        await rooms.open(open_zoo(Zoo()))
        found = await readiness(rooms.parts)
        assert (found.status, found.states["cages"], found.reasons["cages"]) == ("degraded", "degraded", "A cage stands open: close it.")
        await set_gauges(rooms.parts)
        assert metrics.REGISTRY.get_sample_value("cairn_up", {"dependency": "cages"}) == 0.5


@pytest.mark.parametrize(
    ("raised", "reason"), [(Unavailable("The gate is shut."), "The gate is shut."), (RuntimeError("secret words"), "readiness.failed")]
)
async def test_a_check_that_raises_is_degraded_and_keeps_none_of_the_others(raised: Exception, reason: str) -> None:
    async def broken() -> Condition:
        raise raised

    async with composed() as rooms:
        await rooms.add(Part(name="gate", ready=[ReadinessCheck("gate", broken)]))
        await rooms.open(open_zoo(Zoo()))
        found = await readiness(rooms.parts)
    assert found.states["gate"] == "degraded"
    assert reason in found.reasons["gate"]
    assert "secret" not in found.reasons["gate"]
    assert "cages" in found.states


async def test_only_what_is_down_makes_the_whole_down() -> None:
    async def down() -> Condition:
        return Condition("down")

    async with composed() as rooms:
        assert (await readiness(rooms.parts)).status == "ok"
        await rooms.add(Part(name="ground", ready=[ReadinessCheck("ground", down)]))
        await rooms.open(open_zoo(Zoo()))
        assert (await readiness(rooms.parts)).status == "down"


async def test_its_gauge_is_set_also_where_another_part_is_away() -> None:
    async def away() -> None:
        raise DatabaseUnavailable("away")

    async with composed() as rooms:
        await rooms.add(Part(name="away", gauges=[away]))
        await rooms.open(open_zoo(Zoo()))
        await set_gauges(rooms.parts)
    assert metrics.REGISTRY.get_sample_value("cairn_replica_up", {"replica": "zoo"}) == 1


async def test_its_cache_is_found_by_name_and_measured() -> None:
    async with composed() as rooms:
        await rooms.open(open_zoo(Zoo()))
        await set_gauges(rooms.parts)
        assert metrics.REGISTRY.get_sample_value("cairn_cache_hit_ratio", {"cache": "zoo"}) == 0.8
        assert await caches_of(rooms.parts)["zoo"].clear() == 3


async def test_its_levels_and_samples_are_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    registered = Counter[str]()
    monkeypatch.setattr(Recorder, "add_fast_level", lambda self, series, look: registered.update([series]))
    monkeypatch.setattr(Recorder, "add_levels", lambda self, look: registered.update([look.__qualname__]))
    async with composed() as rooms:
        zoo = await rooms.open(open_zoo(Zoo()))
        made = record(Recorder(None, role="worker", lag=measures.loop_lag), rooms.parts, _Folder(), "worker")  # type: ignore[arg-type]
    assert registered["pool.used"] == 1
    assert registered[zoo.levels.__qualname__] == 1
    assert [each.name for each in made.loops] == ["alerts.samples", "alerts.rollups"]


class _Folder:
    path = "."


async def test_its_maintenance_is_done_in_batches_whatever_another_step_does() -> None:
    async def away() -> int:
        raise DatabaseUnavailable("away")

    async def broken() -> int:
        raise RuntimeError("a bug")

    async with composed() as rooms:
        await rooms.add(Part(name="others", maintenance=[Maintenance("away", away), Maintenance("broken", broken)]))
        zoo = await rooms.open(open_zoo(Zoo()))
        with capture_logs() as said, pytest.raises(Unavailable, match=r"away .*broken .RuntimeError"):
            await maintain(rooms.parts)
    assert zoo.batches == []
    (done,) = (each for each in said if each["event"] == "maintenance.done")
    assert done["cleaned"] == 42


async def test_maintenance_looks_at_parts_that_came_after_it() -> None:
    async with composed() as rooms:
        loop = maintenance(rooms.parts)
        zoo = await rooms.open(open_zoo(Zoo()))
        await loop.step()
        assert zoo.batches == []


async def test_rooms_close_in_reverse_each_after_its_loops() -> None:
    said: list[str] = []

    async def lasting(name: str) -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            said.append(f"{name} loop ended")

    @asynccontextmanager
    async def room(name: str) -> AsyncIterator[Opened[str]]:
        async def step() -> None:
            await lasting(name)

        try:
            yield name, Part(name=name, loops=[Loop(name=name, step=step, pause=0.0)])
        finally:
            said.append(f"{name} closed")

    async with composed() as rooms:
        for name in ("ledger", "door"):
            await rooms.open(room(name))
        rooms.begin()
        await asyncio.sleep(0.01)
    assert said == ["door loop ended", "door closed", "ledger loop ended", "ledger closed"]


async def test_no_loop_begins_before_every_room_is_open() -> None:
    said: list[str] = []

    async def step() -> None:
        said.append("round")

    loop = Loop(name="early", step=step, pause=3600.0)
    async with composed() as rooms:
        await rooms.add(Part(name="first", loops=[loop]))
        await asyncio.sleep(0.01)
        assert metrics.REGISTRY.get_sample_value("cairn_loop_up", {"loop": "early"}) is None
        said.append("the last room is open")
        rooms.begin()
        await asyncio.sleep(0.01)
        assert metrics.REGISTRY.get_sample_value("cairn_loop_up", {"loop": "early"}) == 1
    assert said == ["the last room is open", "round"]


async def test_what_was_never_begun_closes_all_the_same() -> None:
    zoo = Zoo()
    async with composed() as rooms:
        await rooms.open(open_zoo(zoo))
        await asyncio.sleep(0.01)
    assert zoo.said == ["zoo opened", "zoo closed"]


async def test_a_room_that_cannot_be_opened_closes_those_before_it() -> None:
    @asynccontextmanager
    async def broken() -> AsyncIterator[Opened[None]]:
        raise DatabaseUnavailable("away")
        yield None, Part(name="broken")

    zoo = Zoo()
    with pytest.raises(DatabaseUnavailable):
        async with composed() as rooms:
            await rooms.open(open_zoo(zoo))
            await rooms.open(broken())
    assert zoo.said == ["zoo opened", "zoo closed"]


@pytest.mark.parametrize(
    ("second", "what"),
    [
        ({"name": "first"}, "part"),
        ({"jobs": {"count": None}}, "kind of job"),
        ({"ready": [ReadinessCheck("cages", Zoo().condition)]}, "readiness check"),
        ({"caches": [Shelf()]}, "cache"),
        ({"forgets": [Forget("animals", Zoo().forget)]}, "purge"),
        ({"loops": [Loop(name="zoo.feeding", step=Zoo().feed, pause=1.0)]}, "loop"),
    ],
)
async def test_two_parts_that_bring_one_name_are_refused(second: dict[str, Any], what: str) -> None:
    async with composed() as rooms:
        await rooms.open(open_zoo(Zoo(), name="zoo"))
        with pytest.raises(ValueError, match=what):
            await rooms.add(replace(Part(name="zoo" if what == "part" else "second"), **({} if what == "part" else second)))

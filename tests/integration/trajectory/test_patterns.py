"""Pattern memory over a real PostgreSQL: it follows the journal however it grows, and nobody is told what isn't theirs to see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from app.accounts.requester import Requester
from app.errors import InvalidInput, NotFound
from app.sessions.catch_up import CatchUp, CatchUpResult
from app.sessions.event import Event, SessionHeader
from app.trajectory.analysis.projection import TrajectoryProjection
from app.trajectory.analysis.session_analysis import made_by
from app.trajectory.analysis.step_reading import StepReader
from app.trajectory.analysis.storage import AnalysisStore
from app.trajectory.analyzers.analyzer import Analyzer
from app.trajectory.analyzers.health import HealthAnalyzer
from app.trajectory.patterns.reader import PatternReader, ShownPattern
from app.trajectory.patterns.records import OccurrenceRecords
from tests.integration.trajectory.conftest import TrajectoryBench
from tests.unit.trajectory.sessions import call, prompt

MIGRATE, LOCKED = "alembic upgrade head", "OperationalError: database is locked"
NOW = datetime.now(UTC).replace(microsecond=0)


def at(events: Sequence[Event], *, days_ago: float = 1) -> list[Event]:
    begun = NOW - timedelta(days=days_ago)
    return [replace(each, id=str(seq), locator=str(seq), at=begun + timedelta(seconds=seq)) for seq, each in enumerate(events)]


def locked(*, table: str = "orders", ends: bool = True, days_ago: float = 1) -> list[Event]:
    """A migration that fails three times; with `ends` an edit, a migration that works, and a commit follow."""
    failing = [prompt(1, "Migrate it."), *(call(1, MIGRATE, f"{LOCKED} '{table}'", code=1) for _ in range(3))]
    ending = [
        call(1, f"{table}.py\n- a\n+ b", "updated", tool="Edit"),
        call(1, MIGRATE, "ok"),
        call(1, "git commit -am x", "1 file changed"),
    ]
    return at([*failing, *(ending if ends else [])], days_ago=days_ago)


@dataclass(slots=True)
class PatternBench:
    """The journal with the projection of the analysis, and the reader of patterns."""

    bench: TrajectoryBench
    reader: PatternReader
    closed: frozenset[UUID] = frozenset()

    def requester(self, team_id: UUID | None = None) -> Requester:
        return Requester(team_id or self.bench.team_id, "team", role="admin", closed=self.closed)

    async def session(self, events: Sequence[Event], *, project: str = "shop", team_id: UUID | None = None) -> UUID:
        bench, team, name = self.bench, team_id or self.bench.team_id, uuid4().hex
        async with bench.database.begin() as connection:
            project_id = await bench.accounts.project_id(connection, team, project)
            header = SessionHeader("generic", name)
            session_id = await bench.journal.open(
                connection, team_id=team, project_id=project_id, developer_id=None, header=header, transcript=f"{name}.jsonl"
            )
        await self.append(session_id, events, team_id=team)
        return session_id

    async def append(self, session_id: UUID, events: Sequence[Event], *, team_id: UUID | None = None) -> None:
        bench, done = self.bench, CatchUpResult()
        await bench.journal.append(session_id, events)
        catch_up = CatchUp(
            database=bench.database, queue=bench.queue, journal=bench.journal, checkpoints=bench.checkpoints, projections=bench.projections
        )
        await catch_up.bring_up_to_date(team_id or bench.team_id, session_id, done, background=False)
        assert not done.parked

    async def shown(self, *, project: str | None = None, min_sessions: int = 2, team_id: UUID | None = None) -> Sequence[ShownPattern]:
        found = await self.reader.show(self.requester(team_id), project=project, min_sessions=min_sessions, after=None, limit=50)
        return found.patterns

    async def words(self, session_id: UUID) -> str:
        return await self.reader.sentence(self.requester(), session_id, first=1, last=100)

    async def known(self, session_id: UUID) -> list[tuple[int, int, int, bool]]:
        found = await self.reader.of_session(self.requester(), session_id, first=1, last=100)
        return [(each.first, each.pattern.times, each.pattern.sessions, each.tells) for each in found]


@pytest.fixture
async def patterns(bench: TrajectoryBench) -> PatternBench:
    async def analyzers(project_id: UUID) -> Sequence[Analyzer]:
        return [HealthAnalyzer()]

    projection = TrajectoryProjection(
        steps=StepReader(bench.journal), store=AnalysisStore(bench.database), analyzers=analyzers, version=made_by([HealthAnalyzer()])
    )
    bench.projections = type(bench.projections)([projection])
    return PatternBench(bench, PatternReader(OccurrenceRecords(bench.database), bench.accounts))


async def test_a_trouble_that_recurs_is_told_with_what_followed(patterns: PatternBench) -> None:
    first, second = await patterns.session(locked(days_ago=3)), await patterns.session(locked(table="bills", ends=False, days_ago=2))
    (found,) = await patterns.shown()
    assert (found.project, found.family, list(found.failing)) == ("shop", "a lock", ["a migration fails"])
    assert (found.times, found.sessions, list(found.troubles)) == (2, 2, ["error"])
    assert [(each.outcome, each.times, each.deeds) for each in found.outcomes] == [
        ("call_worked", 1, ("editing",)),
        ("unresolved", 1, ()),
    ]
    assert [(each.session_id, each.first, each.last) for each in found.occurrences] == [(second, 2, 4), (first, 2, 6)]
    live = await patterns.session(locked(table="till", ends=False))
    assert await patterns.known(live) == [(2, 2, 2, True)]
    said = await patterns.words(live)
    assert said.startswith("Seen in 2 other sessions of this project, ")
    assert said.endswith(": once followed by the same kind of call with success, after editing; once with no end that shows.")
    assert "bills" not in said


async def test_one_session_is_no_pattern_and_is_told_to_nobody_unasked(patterns: PatternBench) -> None:
    only = await patterns.session(locked())
    assert await patterns.shown() == []
    assert len(await patterns.shown(min_sessions=1)) == 1
    assert await patterns.known(only) == []
    live = await patterns.session(locked(ends=False))
    assert await patterns.known(live) == [(2, 1, 1, False)]
    assert await patterns.words(live) == ""


async def test_old_evidence_is_shown_and_told_to_nobody_unasked(patterns: PatternBench) -> None:
    for _ in range(2):
        await patterns.session(locked(days_ago=400))
    live = await patterns.session(locked(ends=False))
    assert await patterns.known(live) == [(2, 2, 2, False)]
    for _ in range(2):
        await patterns.session(locked(days_ago=800))
    assert await patterns.known(live) == [(2, 2, 2, False)]


@pytest.mark.parametrize("part", [1, 2, 5])
async def test_a_live_session_has_the_episodes_of_an_uploaded_one(patterns: PatternBench, part: int) -> None:
    events = at([*locked(), prompt(1, "And again."), *locked(ends=False)[1:], call(1, "ls", "a"), call(1, MIGRATE, "ok")])
    whole, live = await patterns.session(events), await patterns.session(events[:part])
    for start in range(part, len(events), part):
        await patterns.append(live, events[start : start + part])
    stored = (await patterns.bench.stored(whole))["episodes"]
    assert len(stored) == 2
    assert (await patterns.bench.stored(live))["episodes"] == stored


@pytest.mark.parametrize("place", [3, 5, 40])
async def test_a_result_that_comes_late_changes_the_episode(patterns: PatternBench, place: int) -> None:
    calm = [call(1, f"cat {number}", f"line {number} of a text") for number in range(50)]
    events = at([*calm[:30], *locked(), *calm[30:]])
    place = 30 + place if place < 10 else 2
    late = events[place]
    assert late.tool is not None
    waiting = replace(late, tool=replace(late.tool, output="", exit_code=None), outcome=None)
    whole = await patterns.session(events)
    live = await patterns.session([*events[:place], waiting, *events[place + 1 :]])
    await patterns.append(live, [late])
    assert (await patterns.bench.stored(live))["episodes"] == (await patterns.bench.stored(whole))["episodes"] != []


async def test_analysing_anew_gives_the_same_rows(patterns: PatternBench) -> None:
    session_id = await patterns.session(locked())
    before = (await patterns.bench.stored(session_id))["episodes"]
    async with patterns.bench.database.begin() as connection:
        await connection.execute(text("update projection_checkpoints set version = 'other' where session_id = :id"), {"id": session_id})
    await patterns.append(session_id, [])
    assert (await patterns.bench.stored(session_id))["episodes"] == before
    assert [each.times for each in await patterns.shown(min_sessions=1)] == [1]


async def test_a_failed_write_leaves_neither_half_nor_double(patterns: PatternBench, monkeypatch: pytest.MonkeyPatch) -> None:
    events = locked()
    session_id = await patterns.session(events[:4])

    async def dies(*given: object) -> None:
        raise OSError("the process is killed after the undoing, before the writing")

    with monkeypatch.context() as patched:
        patched.setattr("app.trajectory.analysis.storage.write_part", dies)
        with pytest.raises((OSError, AssertionError)):
            await patterns.append(session_id, events[4:])
    assert [row[10] for row in (await patterns.bench.stored(session_id))["episodes"]] == [None]
    async with patterns.bench.database.begin() as connection:
        await connection.execute(
            text("update projection_checkpoints set parked = null, retry_at = null where session_id = :id"), {"id": session_id}
        )
    await patterns.append(session_id, events[4:])
    assert [row[10] for row in (await patterns.bench.stored(session_id))["episodes"]] == ["call_worked"]


async def test_a_purge_takes_what_came_from_the_session(patterns: PatternBench) -> None:
    gone, *_ = [await patterns.session(locked()) for _ in range(3)]
    live = await patterns.session(locked(ends=False))
    assert await patterns.known(live) == [(2, 3, 3, True)]
    await patterns.bench.purge().delete_session(patterns.requester(), gone)
    assert await patterns.bench.rows("trouble_episodes", gone) == 0
    assert await patterns.known(live) == [(2, 2, 2, True)]
    (found,) = await patterns.shown()
    assert gone not in {each.session_id for each in found.occurrences}


async def test_nothing_crosses_teams_projects_or_into_closed_ones(patterns: PatternBench) -> None:
    accounts = patterns.bench.accounts
    team = (await accounts.create_team("elsewhere")).id
    for _ in range(2):
        await patterns.session(locked(), team_id=team)
        await patterns.session(locked(), project="vault")
    live = await patterns.session(locked(ends=False))
    assert await patterns.known(live) == []
    assert [each.project for each in await patterns.shown()] == ["vault"]
    foreign = await patterns.reader.of_session(patterns.requester(team), live, first=1, last=100)
    assert foreign == []
    hidden = await patterns.session(locked(), project="vault")
    patterns.closed = frozenset({await accounts.open_project(patterns.bench.team_id, "vault")})
    assert await patterns.shown() == []
    assert await patterns.known(hidden) == []
    for name in ("vault", "unknown"):
        with pytest.raises(NotFound, match="There is no project"):
            await patterns.shown(project=name)
    assert len(await patterns.shown(team_id=team)) == 1


async def test_a_merged_projects_patterns_are_the_others(patterns: PatternBench) -> None:
    await patterns.session(locked())
    await patterns.session(locked(), project="old")
    live = await patterns.session(locked(ends=False))
    assert await patterns.known(live) == [(2, 1, 1, False)]
    accounts, team_id = patterns.bench.accounts, patterns.bench.team_id
    old, shop = await accounts.open_project(team_id, "old"), await accounts.open_project(team_id, "shop")
    await patterns.bench.merging().merge(team_id, old, shop)
    assert await patterns.known(live) == [(2, 2, 2, True)]
    assert [(each.project, each.times) for each in await patterns.shown()] == [("shop", 3)]


async def test_pages_follow_one_another_and_a_foreign_place_is_refused(patterns: PatternBench) -> None:
    errors = [f"{word}Error: it is {word.lower()}" for word in ("Alpha", "Beta", "Gamma")]
    for error in errors:
        for _ in range(2):
            await patterns.session(at([prompt(1), *(call(1, "./go --all", error, code=1) for _ in range(3))]))
    seen, place = [], None
    for _ in range(3):
        page = await patterns.reader.show(patterns.requester(), project="shop", min_sessions=2, after=place, limit=1)
        seen += [each.id for each in page.patterns]
        place = page.next
    assert (len(set(seen)), place) == (3, None)
    with pytest.raises(InvalidInput, match="names no place"):
        await patterns.reader.show(patterns.requester(), project=None, min_sessions=2, after="x", limit=1)


async def test_sessions_without_tools_or_times_and_clocks_that_jump_back_are_read(patterns: PatternBench) -> None:
    assert await patterns.known(await patterns.session(at([prompt(1, "你好"), prompt(1, "Weiter.")]))) == []
    timeless = [replace(each, at=None) for each in locked()]
    back = [replace(each, at=NOW - timedelta(seconds=seq)) for seq, each in enumerate(locked())]
    await patterns.session(timeless)
    await patterns.session(back)
    (found,) = await patterns.shown()
    assert (found.times, [each.seconds for each in found.outcomes]) == (2, [0.0])

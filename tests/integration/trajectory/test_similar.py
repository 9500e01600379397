"""Sessions like one, over a real PostgreSQL: shapes follow the journal however it grows, and nobody finds what isn't theirs to see."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from app.accounts.accounts import Accounts
from app.accounts.requester import Requester
from app.errors import NotFound
from app.queue.jobs import Queue
from app.sessions.catch_up import CatchUp, CatchUpResult
from app.sessions.checkpoints import Checkpoints
from app.sessions.event import Event, Outcome, SessionHeader, ToolUse
from app.sessions.journal import Journal
from app.sessions.merging import ProjectMerge
from app.sessions.projections import Projections
from app.sessions.purge import Purge
from app.settings import Settings
from app.storage.database import Database
from app.trajectory.analysis.step_reading import StepReader
from app.trajectory.similar.finder import SimilarSessionFinder
from app.trajectory.similar.part import make_similar
from app.trajectory.similar.projection import UNSETTLED_EVENTS
from app.trajectory.similar.records import ShapeRecords


@dataclass(slots=True)
class ShapeBench:
    """A journal with the projection `shapes` alone, and the finder over it."""

    database: Database
    accounts: Accounts
    journal: Journal
    projections: Projections
    catch_up: CatchUp
    purge: Purge
    finder: SimilarSessionFinder
    team_id: UUID

    def requester(self, *closed: UUID, team_id: UUID | None = None) -> Requester:
        return Requester(team_id or self.team_id, "team", role="admin", closed=frozenset(closed))

    async def session(self, events: Sequence[Event], *, project: str = "shop", team_id: UUID | None = None) -> UUID:
        """A new session with these events, analysed."""
        team, name = team_id or self.team_id, uuid4().hex
        async with self.database.begin() as connection:
            session_id = await self.journal.open(
                connection,
                team_id=team,
                project_id=await self.accounts.project_id(connection, team, project),
                developer_id=None,
                header=SessionHeader("generic", name),
                transcript=f"{name}.jsonl",
            )
        await self.append(session_id, events, team_id=team)
        return session_id

    async def append(self, session_id: UUID, events: Sequence[Event], *, team_id: UUID | None = None) -> None:
        await self.journal.append(session_id, events)
        done = CatchUpResult()
        await self.catch_up.bring_up_to_date(team_id or self.team_id, session_id, done, background=False)
        assert not done.parked

    async def shape(self, session_id: UUID) -> dict[str, object]:
        """What is stored of a session, but where its state was taken."""
        query = text("select symbols, firsts, dropped, vector from session_shapes where session_id = :id")
        async with self.database.begin() as connection:
            return dict((await connection.execute(query, {"id": session_id})).one()._mapping)

    async def found(self, session_id: UUID, *closed: UUID, limit: int = 10) -> list[UUID]:
        result = await self.finder.find(self.requester(*closed), session_id, limit=limit)
        return [each.session.id for each in result.found]

    async def project(self, name: str) -> UUID:
        async with self.database.begin() as connection:
            return await self.accounts.project_id(connection, self.team_id, name)


@pytest.fixture
async def bench(database: Database) -> AsyncIterator[ShapeBench]:
    accounts = Accounts(database, admin_key="a" * 40, secret_key="s" * 40, default_limit_nanousd=1)
    await accounts.ensure_defaults()
    async with database.begin() as connection:
        team_id = (await connection.execute(text("select id from teams"))).scalar_one()
    queue, projections, checkpoints = Queue(database, Settings().worker), Projections(), Checkpoints(database)
    journal = Journal(database, Settings().sessions, queue)
    catch_up = CatchUp(database=database, queue=queue, journal=journal, checkpoints=checkpoints, projections=projections)
    purge = Purge(database, journal, queue, projections)
    finder = make_similar(database=database, accounts=accounts, journal=journal, steps=StepReader(journal), projections=projections)
    return ShapeBench(database, accounts, journal, projections, catch_up, purge, finder, team_id)


class Script:
    """Builds the events of a session, one after another."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def prompt(self, said: str = "Go on.") -> Script:
        return self._add("user", "prompt", said)

    def call(self, tool: str, given: str, output: str = "done", outcome: Outcome | None = "ok") -> Script:
        number = len(self.events) + 1
        use = ToolUse(tool, given, output)
        self.events.append(Event(f"e{number}", "tool", "tool", "", f"L{number}", tool=use, outcome=outcome))
        return self

    def fails(self, command: str, error: str = "Error: it is locked") -> Script:
        return self.call("Bash", command, error, "failed")

    def _add(self, role: str, kind: str, said: str) -> Script:
        number = len(self.events) + 1
        self.events.append(Event(f"e{number}", role, kind, said, f"L{number}"))  # type: ignore[arg-type]
        return self


def migration(file: str = "orders.py") -> list[Event]:
    """A migration that fails, is rolled back and retried."""
    script = Script().prompt("Migrate it.").call("Read", file, f"class {file}").fails("alembic upgrade head")
    script.call("Bash", "alembic downgrade -1").call("Edit", file).call("Bash", "alembic upgrade head")
    return script.call("Bash", "git commit -am x").events


def calm() -> list[Event]:
    return Script().prompt("Name it well.").call("Read", "a.py", "a").call("Edit", "a.py").call("Bash", "pytest", "ok").events


def long_session(times: int) -> list[Event]:
    script = Script()
    for number in range(times):
        script.prompt(f"Step {number}.").call("Read", f"f{number}.py", f"text {number}").call("Edit", f"f{number}.py")
        script.fails("pytest", f"AssertionError: {number % 7}").call("Bash", "pytest", f"passed {number}")
    return script.events


async def test_a_session_with_the_same_trouble_is_found_with_why(bench: ShapeBench) -> None:
    asked, like = await bench.session(migration()), await bench.session(migration("invoices.py"), project="bills")
    other = await bench.session(calm())
    result = await bench.finder.find(bench.requester(), asked, limit=10)
    assert [each.session.id for each in result.found] == [like, other]
    assert (result.state, result.reason, result.compared, result.left_out) == ("compared", None, 2, 0)
    first = result.found[0]
    assert (first.project, first.score, first.course) == ("bills", 1.0, 1.0)
    assert first.because == (
        "Both: a prompt, exploring, a migration fails, a rollback, editing, a migration. Then, there: editing, a migration, committing."
    )
    assert [(each.here, each.there) for each in first.shared] == [(number, number) for number in range(1, 8)]
    assert result.found[1].score < 0.6
    assert await bench.found(asked, limit=1) == [like]


async def test_nothing_of_another_team_or_of_a_closed_project_is_found(bench: ShapeBench) -> None:
    team = (await bench.accounts.create_team("elsewhere")).id
    asked = await bench.session(migration())
    await bench.session(migration(), team_id=team)
    hidden = await bench.session(migration(), project="vault")
    vault = await bench.project("vault")
    assert await bench.found(asked) == [hidden]
    assert await bench.found(asked, vault) == []
    with pytest.raises(NotFound, match="There is no session"):
        await bench.found(hidden, vault)
    with pytest.raises(NotFound, match="There is no session"):
        await bench.finder.find(bench.requester(team_id=team), asked, limit=10)
    with pytest.raises(NotFound, match="There is no session"):
        await bench.found(uuid4())


async def test_what_cannot_be_compared_says_why(bench: ShapeBench) -> None:
    await bench.session(migration())
    single = await bench.session(Script().prompt("Hello").events)
    talk = await bench.session(Script().prompt("Why?").prompt("And how?").prompt("Hm.").events)  # no tool at all
    for session_id in (single, talk):
        result = await bench.finder.find(bench.requester(), session_id, limit=10)
        assert (result.state, result.phases, result.compared, list(result.found)) == ("too_short", 1, 0, [])
        assert "1 of at least 3" in (result.reason or "")
    async with bench.database.begin() as connection:
        await connection.execute(text("delete from session_shapes where session_id = :id"), {"id": single})
    result = await bench.finder.find(bench.requester(), single, limit=10)
    assert (result.state, "ask again" in (result.reason or "")) == ("not_analysed", True)
    assert single not in await bench.found(await bench.session(migration()))


@pytest.mark.parametrize("part", [1, 7, UNSETTLED_EVENTS, UNSETTLED_EVENTS + 1, 90])
async def test_a_session_that_grows_has_the_shape_of_one_that_was_uploaded(bench: ShapeBench, part: int) -> None:
    events = long_session(30)
    whole, live = await bench.session(events), await bench.session(events[:part])
    for start in range(part, len(events), part):
        await bench.append(live, events[start : start + part])
    assert await bench.shape(live) == await bench.shape(whole)


@pytest.mark.parametrize("place", [3, 141])
async def test_a_result_that_comes_late_is_in_the_shape(bench: ShapeBench, place: int) -> None:
    events = long_session(30)
    late = events[place]
    assert late.tool is not None
    waiting = replace(late, tool=replace(late.tool, output=""), outcome=None)
    live = await bench.session([*events[:place], waiting, *events[place + 1 :]])
    whole = await bench.session(events)
    assert await bench.shape(live) != await bench.shape(whole)
    await bench.append(live, [late])
    assert await bench.shape(live) == await bench.shape(whole)


@pytest.mark.parametrize("state", [b"", b"\xc1", b"\x81\xa7symbols\x01"])
async def test_a_state_that_cannot_be_read_is_not_needed(bench: ShapeBench, state: bytes) -> None:
    events = long_session(12)
    whole = await bench.session(events)
    session_id = await bench.session(events[:-5])
    async with bench.database.begin() as connection:
        await connection.execute(
            text("update session_shapes set state = :state where session_id = :id"), {"state": state, "id": session_id}
        )
    await bench.append(session_id, events[-5:])
    assert await bench.shape(session_id) == await bench.shape(whole)


async def test_reading_again_what_is_known_changes_nothing(bench: ShapeBench) -> None:
    session_id = await bench.session(migration())
    before = await bench.shape(session_id)
    await bench.append(session_id, migration())
    assert await bench.shape(session_id) == before


async def test_a_purged_session_is_found_no_more(bench: ShapeBench) -> None:
    asked, gone = await bench.session(migration()), await bench.session(migration())
    assert await bench.found(asked) == [gone]
    purged = await bench.purge.delete_session(bench.requester(), gone)
    assert purged.removed == {"shapes": 1}
    assert await bench.found(asked) == []
    with pytest.raises(NotFound):
        await bench.found(gone)


async def test_a_merged_projects_sessions_are_found_in_the_other(bench: ShapeBench) -> None:
    asked, moved = await bench.session(migration()), await bench.session(migration(), project="old")
    old, shop = await bench.project("old"), await bench.project("shop")
    merging = ProjectMerge(bench.database, bench.accounts, bench.journal, bench.projections)
    await merging.merge(bench.team_id, old, shop)
    result = await bench.finder.find(bench.requester(old), asked, limit=10)
    assert [(each.session.id, each.project) for each in result.found] == [(moved, "shop")]


async def test_another_server_finds_the_same_after_each_change(bench: ShapeBench) -> None:
    """Each server holds shapes in memory: none shows what another one changed, purged or closed as it was."""
    other = SimilarSessionFinder(bench.accounts, bench.journal, ShapeRecords(bench.database))
    asked, grows = await bench.session(migration()), await bench.session(calm())
    hidden, gone = await bench.session(migration(), project="safe"), await bench.session(migration())
    safe = await bench.project("safe")

    async def both(*closed: UUID) -> list[tuple[UUID, float]]:
        results = [await finder.find(bench.requester(*closed), asked, limit=10) for finder in (bench.finder, other)]
        (here, there) = [[(each.session.id, each.score) for each in result.found] for result in results]
        assert here == there
        return here

    assert {each for each, _ in await both()} == {grows, hidden, gone}
    assert {each for each, _ in await both(safe)} == {grows, gone}
    before = dict(await both())[grows]
    await bench.append(grows, [replace(each, id=f"later{each.id}") for each in migration()])
    assert dict(await both(safe))[grows] > before
    await bench.purge.delete_session(bench.requester(), gone)
    assert {each for each, _ in await both()} == {grows, hidden}
    new = await bench.session(migration())
    assert {each for each, _ in await both(safe)} == {grows, new}

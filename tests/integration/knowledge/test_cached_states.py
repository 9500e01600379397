"""Hypothesis writes and asks in any order, on two servers with small memories: each answer is what a search that keeps nothing says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import text

from app.knowledge.points import SCHEMA
from app.knowledge.results import Query
from app.settings import QueriesCacheSettings, Settings
from app.storage.database import Database
from app.storage.vectors import open_store
from app.storage.vectors.store import VectorStore
from tests.integration.knowledge.conftest import Bench, lesson, make_bench
from tests.integration.knowledge.servers import server
from tests.waiting import patient_database

TOPICS = ("retries of the order queue", "keepalive of the proxy", "timeouts of the payment pool")
PROJECTS = ("shop", "blog")
SESSIONS = st.sampled_from([f"{project}-{number}" for project in PROJECTS for number in range(2)])
QUESTIONS = st.builds(Query, st.sampled_from(TOPICS), project=st.sampled_from([None, *PROJECTS, "nowhere"]), limit=st.sampled_from([1, 10]))


class Servers(RuleBasedStateMachine):
    """Two servers, a worker and a feed over one PostgreSQL and one vector store; a team of its own for each run."""

    url: str
    database: Database
    vectors: VectorStore
    runner: asyncio.Runner

    def do(self, work: Any) -> Any:
        return self.runner.run(work)

    @initialize()
    def opened(self) -> None:
        self.do(self._open())

    async def _open(self) -> None:
        self.stack = AsyncExitStack()
        self.bench: Bench = await make_bench(self.database, self.vectors)
        self.bench.team_id = (await self.bench.accounts.create_team(f"t-{uuid4().hex[:12]}")).id
        options = QueriesCacheSettings(entries=4)
        self.servers = [await self.stack.enter_async_context(server(self.bench, self.url, options=options)) for _ in range(2)]
        self.asked: dict[Query, None] = {}

    @rule(session=SESSIONS, topics=st.sets(st.sampled_from(TOPICS)), edition=st.integers(0, 2), fed=st.booleans())
    def learn(self, session: str, topics: set[str], edition: int, fed: bool) -> None:
        """From now on the session teaches exactly this: what is new is stored or merged, what is reworded updated, the rest withdrawn."""
        lessons = [lesson(topic, f"{topic}: setting {edition} is right for the {session}") for topic in sorted(topics)]
        self.do(self.bench.teach(session, lessons, project=session.partition("-")[0], drain=fed))

    @rule()
    def feed(self) -> None:
        self.do(self.bench.index.drain())

    @rule(place=st.integers(0, 3))
    def delete(self, place: int) -> None:
        if ids := self.do(self._ids()):
            self.do(self.bench.store.delete(self.bench.team_id, ids[place % len(ids)], developer_id=None))

    async def _ids(self) -> list[Any]:
        query = text("select id from knowledge where team_id = :team order by text, id")
        async with self.database.begin() as connection:
            return list((await connection.execute(query, {"team": self.bench.team_id})).scalars())

    @rule(session=SESSIONS)
    def purge(self, session: str) -> None:
        known = self.bench.sessions.pop(session, None)
        if known is not None:
            self.do(self.bench.purge.delete_session(self.bench.requester(), known))

    @rule(query=QUESTIONS)
    def ask(self, query: Query) -> None:
        self.asked[query] = None

    @invariant()
    def no_server_says_what_was_so_before(self) -> None:
        if hasattr(self, "asked"):
            self.do(self._compare())

    async def _compare(self) -> None:
        for query in self.asked:
            new = await self.bench.search.query(self.bench.team_id, query)
            for each in self.servers:
                assert (await each.query(self.bench.team_id, query)).results == new.results

    def teardown(self) -> None:
        if hasattr(self, "stack"):
            self.do(self.stack.aclose())


@pytest.fixture
def machine(database_url: str, short_folder: Path) -> Iterator[type[Servers]]:
    async def opened() -> tuple[Database, VectorStore]:
        database = await stack.enter_async_context(_database(database_url))
        folder = short_folder / uuid4().hex[:8]
        return database, await stack.enter_async_context(open_store(Settings(data_dir=folder), SCHEMA, folder=folder, owner=True))

    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        database, vectors = runner.run(opened())
        yield type("Machine", (Servers,), {"url": database_url, "database": database, "vectors": vectors, "runner": runner})
        runner.run(stack.aclose())


@asynccontextmanager
async def _database(url: str) -> AsyncIterator[Database]:
    database = await Database.open(patient_database(), url, name="states", pool_size=4, max_overflow=4)
    yield database
    await database.close()


def test_no_order_of_writes_and_questions_shows_what_was_so_before(machine: type[Servers]) -> None:
    profile = settings(max_examples=20, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(machine, settings=profile)

"""A project, a vector store and the rooms of knowledge over a real PostgreSQL and Qdrant's real engine; words for vectors."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from app.accounts.accounts import Accounts
from app.accounts.requester import Requester
from app.knowledge.index import Index
from app.knowledge.item import ItemCandidate
from app.knowledge.items_projection import ItemsProjection
from app.knowledge.neighbours import item_text
from app.knowledge.passage_store import PassageStore
from app.knowledge.passages_projection import PassagesProjection
from app.knowledge.points import SCHEMA
from app.knowledge.reads import Reads
from app.knowledge.reconciliation import EmbeddedCandidate, ReconcileCounts, Source
from app.knowledge.search import Search
from app.knowledge.search_backend import SearchBackend
from app.knowledge.store import KnowledgeStore
from app.knowledge.use_records import UseRecords
from app.knowledge.uses_projection import UsesProjection
from app.queue.jobs import Queue
from app.sessions.backfill import Backfill
from app.sessions.browsing import SessionBrowsing
from app.sessions.captures import Captures
from app.sessions.catch_up import CatchUp, CatchUpResult
from app.sessions.checkpoints import Checkpoints
from app.sessions.event import SessionHeader
from app.sessions.intake import Intake
from app.sessions.journal import Journal
from app.sessions.live import LiveIntake
from app.sessions.merging import ProjectMerge
from app.sessions.projections import Projections
from app.sessions.purge import Purge
from app.sessions.session import Session, SessionFilter
from app.sessions.uploads import Uploads
from app.settings import Settings, VectorsSettings
from app.storage.database import Database
from app.storage.vectors import open_store
from app.storage.vectors.store import VectorStore
from tests.fakes.embedder import WordsEmbedder, WordsLongForm

AT = datetime(2026, 10, 1, tzinfo=UTC)


def lesson(
    key: str, body: str, *, title: str = "Lesson", confidence: float = 0.7, type: str = "gotcha", at: datetime | None = AT
) -> ItemCandidate:
    return ItemCandidate(key, type, title, body, confidence, f"e-{key}", f"L{key}", body[:400], at)  # type: ignore[arg-type]


@dataclass(slots=True)
class Bench:
    """The rooms under test, and short ways to teach and to look."""

    database: Database
    vectors: VectorStore
    embedder: WordsEmbedder
    accounts: Accounts
    journal: Journal
    store: KnowledgeStore
    index: Index
    search: Search
    purge: Purge
    projections: Projections
    checkpoints: Checkpoints
    catch_up: CatchUp
    team_id: UUID
    project_id: UUID
    long_form: WordsLongForm = field(default_factory=WordsLongForm)
    knows_long: bool = True
    """False: as a Cairn from before there were 1536 dims stored it."""
    sessions: dict[str, UUID] = field(default_factory=dict)

    def requester(self, developer_id: UUID | None = None) -> Requester:
        """A developer of the team; without an id the admin."""
        if developer_id is None:
            return Requester(self.team_id, "team", role="admin")
        return Requester(self.team_id, "team", developer_id, "ada", uuid4())

    async def listed(self, team_id: UUID | None = None) -> Sequence[Session]:
        """The sessions of a team, ours by default."""
        return await SessionBrowsing(self.database).page(team_id or self.team_id, SessionFilter(), limit=50)

    def intake(self, queue: Queue) -> Intake:
        return Intake(
            limits=Settings().sessions,
            database=self.database,
            accounts=self.accounts,
            queue=queue,
            uploads=Uploads(self.database),
            journal=self.journal,
            catch_up=self.catch_up,
        )

    def live(self) -> LiveIntake:
        captures = Captures(self.database, self.accounts)
        return LiveIntake(
            limits=Settings().sessions, database=self.database, accounts=self.accounts, journal=self.journal, captures=captures
        )

    def merging(self) -> ProjectMerge:
        return ProjectMerge(self.database, self.accounts, self.journal, self.projections)

    def backfill(self, queue: Queue, *, most: int = 20) -> Backfill:
        return Backfill(queue=queue, checkpoints=self.checkpoints, catch_up=self.catch_up, projections=self.projections, max_sessions=most)

    async def session(self, name: str, *, project: str = "shop", developer_id: UUID | None = None) -> UUID:
        if name not in self.sessions:
            async with self.database.begin() as connection:
                project_id = await self.accounts.project_id(connection, self.team_id, project)
                self.sessions[name] = await self.journal.open(
                    connection,
                    team_id=self.team_id,
                    project_id=project_id,
                    developer_id=developer_id,
                    header=SessionHeader("generic", name),
                    transcript=f"{name}.jsonl",
                )
        return self.sessions[name]

    async def teach(
        self,
        name: str,
        candidates: Sequence[ItemCandidate],
        *,
        drain: bool = True,
        project: str = "shop",
        developer_id: UUID | None = None,
    ) -> ReconcileCounts:
        """What intake does after extraction: embed what is unknown, reconcile, and (unless told otherwise) index."""
        session_id = await self.session(name, project=project, developer_id=developer_id)
        known = await self.store.known(session_id)
        unknown = [each for each in candidates if known.get(each.key) != (each.title, each.text)]
        words = [item_text(each.title, each.text) for each in unknown]
        vectors = await self.embedder.embed(words) if unknown else []
        embedded = {
            each.key: EmbeddedCandidate(each, vector, "words", *((long, self.long_form.model) if self.knows_long else ()))
            for each, vector, long in zip(unknown, vectors, await self.long_form.embed(words), strict=True)
        }
        async with self.database.begin() as connection:
            project_id = await self.accounts.project_id(connection, self.team_id, project)
        source = Source(session_id, self.team_id, project_id, developer_id, f"{name}.jsonl", AT)
        learnt = await self.store.reconcile(source, candidates=candidates, embedded=embedded)
        if drain:
            await self.index.drain_to(learnt.mark)
        return learnt

    async def passages(self) -> list[tuple[str, int]]:
        """(text, number of places) of all passages, in order of their text."""
        query = "select p.text, count(*) as places from passages p join passage_places on passage_id = p.id group by p.id order by p.text"
        async with self.database.begin() as connection:
            return [(row.text, row.places) for row in await connection.execute(text(query))]

    async def bring_up(self, session_id: UUID) -> CatchUpResult:
        """Bring all projections up to date with a session, and the index with them."""
        done = CatchUpResult()
        await self.catch_up.bring_up_to_date(self.team_id, session_id, done, background=False)
        await self.catch_up.drain(done)
        return done

    async def items(self) -> list[tuple[str, str, int]]:
        """(title, text, evidence count) of all items, in order of their text."""
        async with self.database.begin() as connection:
            rows = await connection.execute(text("select title, text, evidence_count from knowledge order by text"))
            return [(row.title, row.text, row.evidence_count) for row in rows]

    async def item_id(self, body: str) -> UUID:
        async with self.database.begin() as connection:
            found: UUID = (await connection.execute(text("select id from knowledge where text = :body"), {"body": body})).scalar_one()
            return found


@pytest.fixture
async def vectors(tmp_path: Path) -> AsyncIterator[VectorStore]:
    async with open_store(
        Settings(data_dir=tmp_path, vectors=VectorsSettings(timeout_seconds=60)), SCHEMA, folder=tmp_path / "vectors", owner=True
    ) as store:
        yield store


@pytest.fixture
async def bench(database: Database, vectors: VectorStore) -> Bench:
    return await make_bench(database, vectors)


async def make_bench(database: Database, vectors: VectorStore) -> Bench:
    settings = Settings()
    accounts = Accounts(database, admin_key="a" * 40, secret_key="s" * 40, default_limit_nanousd=1)
    await accounts.ensure_defaults()
    queue = Queue(database, settings.worker)
    journal = Journal(database, settings.sessions, queue)
    store = KnowledgeStore(database, vectors, journal, merge_threshold=settings.knowledge.merge_threshold)
    embedder, long_form = WordsEmbedder(), WordsLongForm()
    async with database.begin() as connection:
        team_id = (await connection.execute(text("select id from teams where name = 'default'"))).scalar_one()
        project_id = await accounts.project_id(connection, team_id, "shop")
    index = Index(database, vectors)
    projections = Projections(
        [
            PassagesProjection(journal=journal, embedder=embedder, store=PassageStore(database, journal), index=index),
            ItemsProjection(journal=journal, embedder=embedder, long_form=long_form, store=store, index=index),
            UsesProjection(journal=journal, records=UseRecords(database, journal)),
        ]
    )
    checkpoints = Checkpoints(database)
    catch_up = CatchUp(database=database, queue=queue, journal=journal, checkpoints=checkpoints, projections=projections)
    purge = Purge(database, journal, queue, projections)
    backend = SearchBackend(Reads(database), accounts, index, vectors, settings.knowledge)
    search = Search(backend, journal=journal, embedder=embedder)
    return Bench(
        database=database,
        vectors=vectors,
        embedder=embedder,
        long_form=long_form,
        accounts=accounts,
        journal=journal,
        store=store,
        index=index,
        search=search,
        purge=purge,
        projections=projections,
        checkpoints=checkpoints,
        catch_up=catch_up,
        team_id=team_id,
        project_id=project_id,
    )

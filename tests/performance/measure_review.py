"""Times the lists of a review over a large team, on an embedded PostgreSQL of its own: `python tests/performance/measure_review.py [ITEMS]`.

Of every ten items four were learnt lately, one is out of date by people, by its code and by a later item, two are useful, some were served;
of every hundred one contradicts another, and one was merged.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import UUID

from sqlalchemy import text

from app.clock import now
from app.knowledge.item import REVIEW_LISTS
from app.knowledge.review_lists import ReviewLists, ReviewScope
from app.sessions.journal import Journal
from app.settings import DatabaseSettings
from app.storage.database import Database
from app.storage.postgres import embedded_postgres

ROOT = Path(__file__).resolve().parents[2]
ROUNDS, PAGE = 7, 20
FILL = r"""
insert into teams (id, name) values (md5('team')::uuid, 'big');
insert into projects (id, team_id, name) select md5('project' || n)::uuid, md5('team')::uuid, 'p' ||
  n from generate_series(0, 49) n;
insert into sessions (id, team_id, project_id, provider, external_id, transcript) select md5('session'
  || n)::uuid, md5('team')::uuid, md5('project' || n % 50)::uuid, 'generic', 's' || n, 't' from generate_series(0,
  :items / 20) n;
insert into knowledge (id, team_id, project_id, type, title, text, confidence, embedding, embedding_model,
  created_at, updated_at, stale, helpful, code_verdict) select md5('item' || n)::uuid, md5('team')::uuid,
  md5('project' || n % 50)::uuid, 'gotcha', 'title ' || n, 'the worker number ' || n || ' waits', 0.7,
  '\x00', 'm', now() - n * interval '1 minute', now() - case when n % 10 < 4 then interval '1 day' else
  interval '60 days' end, case when n % 30 = 4 then 1 else 0 end, case when n % 20 = 6 then 1 else 0 end,
  case when n % 30 = 14 then 'changed' end from generate_series(1, :items) n;
insert into knowledge_evidence (id, knowledge_id, session_id, candidate_key, event_id, locator, transcript,
  excerpt, type, title, text, confidence, embedding, embedding_model, created_at) select md5('evidence'
  || n)::uuid, md5('item' || n)::uuid, md5('session' || n % (:items / 20))::uuid, 'k' || n, 'e', 'L1',
  't', 'x', 'gotcha', 't', 'x', 0.7, '\x00', 'm', now() - case when n % 10 < 4 then interval '1 day' else
  interval '60 days' end from generate_series(1, :items) n;
insert into knowledge_feedback (id, knowledge_id, by_admin, verdict, note) select md5('verdict' || n)::uuid,
  md5('item' || n)::uuid, true, case when n % 30 = 4 then 'stale' else 'helpful' end, '' from generate_series(1,
  :items) n where n % 30 = 4 or n % 20 = 6;
insert into knowledge_code_marks (knowledge_id, repository, verdict, head) select md5('item' || n)::uuid,
  'r', 'changed', 'a' from generate_series(1, :items) n where n % 30 = 14;
insert into knowledge_supersessions (older_id, newer_id, words, said_at) select md5('item' || n)::uuid,
  md5('item' || n - 1)::uuid, 'w', now() from generate_series(1, :items) n where n % 30 = 24;
insert into knowledge_supersessions (older_id, newer_id, words, said_at, cause, made_by_admin) select md5('item'
  || n)::uuid, md5('item' || n - 1)::uuid, '', now(), 'merged', true from generate_series(1, :items) n where n % 100 = 49;
insert into knowledge_contradictions (one_id, other_id, team_id, words, other_words) select least(a, b), greatest(a, b),
  md5('team')::uuid, 'w', 'x' from (select md5('item' || n)::uuid a, md5('item' || n + 50)::uuid b from
  generate_series(1, :items - 50) n where n % 100 = 11) pairs;
insert into knowledge_uses (knowledge_id, session_id, accepted, act, transcript, locator, at) select
  md5('item' || n)::uuid, md5('session' || (n + s) % (:items / 20))::uuid, true, 'change', 't', 'L1', now()
  from generate_series(1, :items) n, generate_series(1, 3) s where n % 20 = 16;
insert into session_served_knowledge (session_id, knowledge_id, seq) select md5('session' || (n + s)
  % (:items / 20))::uuid, md5('item' || n)::uuid, 1 from generate_series(1, :items) n, generate_series(1,
  3) s where n % 5 < 3 and s <= 1 + n % 3;
analyze
"""
"""Statements, one after the other; `:items` is their number."""


async def measure(url: str, items: int) -> None:
    database = await Database.open(DatabaseSettings(), url, name="measure", pool_size=2, max_overflow=0)
    async with database.begin() as connection:
        for statement in FILL.replace(":items", str(items)).split(";"):
            await connection.exec_driver_sql(statement)
    lists = ReviewLists(database, Journal.__new__(Journal))  # it only builds a part of the query
    team, project = await _ids(database)
    for name, scope in (("team", ReviewScope(team, now())), ("one of 50 projects", ReviewScope(team, now(), project))):
        counts = await lists.counts(scope)
        print(f"{name}: counts {await _median(lambda: lists.counts(scope)):.0f} ms  {dict(counts)}")  # noqa: B023 - called at once
        for each in REVIEW_LISTS:
            print(f"{name}: {each} {await _median(lambda: lists.page(each, scope, limit=PAGE)):.0f} ms")  # noqa: B023 - called at once
    await database.close()


async def _ids(database: Database) -> tuple[UUID, UUID]:
    async with database.begin() as connection:
        row = (await connection.execute(text("select md5('team')::uuid as team, md5('project7')::uuid as project"))).one()
        return UUID(str(row.team)), UUID(str(row.project))


async def _median(work: Callable[[], Awaitable[object]]) -> float:
    taken = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        await work()
        taken.append((time.perf_counter() - begun) * 1000)
    return statistics.median(taken)


async def main(items: int) -> None:
    with tempfile.TemporaryDirectory(prefix="cairn-review-", dir="/tmp") as scratch:
        async with embedded_postgres(Path(scratch) / "postgres", max_connections=20) as url:
            alembic = [str(Path(sys.executable).parent / "alembic"), "upgrade", "head"]
            subprocess.run(alembic, cwd=ROOT, env={**os.environ, "CAIRN_DATABASE__URL": url}, check=True, capture_output=True)
            await measure(url, items)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000))

"""An installation of the version before projections: what it had learnt is not learnt again, what it hadn't seen is backfilled."""

from __future__ import annotations

import re
from uuid import uuid4

from sqlalchemy import text

from app.sessions.checkpoints import Checkpoints
from app.storage.database import Database
from tests.integration.storage.test_migrations import ROOT, alembic
from tests.waiting import patient_database

MIGRATION = ROOT / "migrations" / "versions" / "0012_projections.py"
BEFORE = re.findall(r'^down_revision = "(\d+)"$', MIGRATION.read_text(), re.MULTILINE)[0]
LEARNT, GROWN, UNSEEN, EMPTY = (uuid4() for _ in range(4))


async def test_learnt_sessions_become_checkpoints_and_jobs_keep_waiting(empty_database_url: str) -> None:
    assert (await alembic(empty_database_url, "upgrade", BEFORE)).returncode == 0
    database = await Database.open(patient_database(), empty_database_url, name="test")
    team, project = uuid4(), uuid4()
    async with database.begin() as connection:
        await connection.execute(text("insert into teams (id, name) values (:t, 't')"), {"t": team})
        await connection.execute(text("insert into projects (id, team_id, name) values (:p, :t, 'p')"), {"p": project, "t": team})
        for session, events in ((LEARNT, 4), (GROWN, 4), (UNSEEN, 2), (EMPTY, 0)):
            row = {"s": session, "t": team, "p": project, "name": str(session), "n": events}
            await connection.execute(
                text(
                    "insert into sessions (id, team_id, project_id, provider, external_id, transcript, event_count, updated_at)"
                    " values (:s, :t, :p, 'generic', :name, 't.jsonl', :n, now() - interval '1 hour')"
                ),
                row,
            )
        for session, count, at in ((LEARNT, 4, "0 hours"), (GROWN, 3, "1 hour")):
            moment = await connection.scalar(
                text(f"select updated_at - interval '{at}' from sessions where id = :s"),
                {"s": session},
            )
            assert moment is not None
            row = {"s": session, "f": f"1:{count}:{moment.isoformat()}"}
            await connection.execute(text("insert into knowledge_learnt_sessions (session_id, fingerprint) values (:s, :f)"), row)
        await connection.execute(
            text(
                "insert into jobs (id, kind, idempotency_key, payload, max_attempts)"
                " values (gen_random_uuid(), 'learn', 'learn:team:session', '{}', 5)"
            )
        )
    assert (await alembic(empty_database_url, "upgrade", "head")).returncode == 0
    due = {session for _, session in await Checkpoints(database).due({"items": "1"}, limit=10)}
    assert due == {GROWN, UNSEEN}
    async with database.begin() as connection:
        (job,) = await connection.execute(text("select kind, idempotency_key from jobs"))
    assert tuple(job) == ("catch_up", "catch_up:team:session")
    assert (await alembic(empty_database_url, "downgrade", BEFORE)).returncode == 0
    async with database.begin() as connection:
        kept = list(await connection.scalars(text("select session_id from knowledge_learnt_sessions")))
        (job,) = await connection.execute(text("select kind, idempotency_key from jobs"))
    assert (kept, tuple(job)) == ([LEARNT], ("learn", "learn:team:session"))
    await database.close()

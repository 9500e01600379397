"""The evidence for docs/database/README.md: every index with its query, on 30,000 synthetic rows, as EXPLAIN shows it.

.venv/bin/python docs/database/explain.py            prints the section that stands in README.md
.venv/bin/python docs/database/explain.py --write    puts it there
"""

from __future__ import annotations

import argparse
import asyncio
import re
import tempfile
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app import settings as config
from app.storage import migrations
from app.storage.database import Database
from app.storage.postgres import embedded_postgres

PAGE = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- explain: begin -->", "<!-- explain: end -->"

FILL = """
insert into teams (id, name) select md5('team' || n)::uuid, 'team' || n from generate_series(1, 5) n;
insert into projects (id, team_id, name)
  select md5('project' || n)::uuid, md5('team' || (1 + n % 5))::uuid, 'project' || n from generate_series(1, 50) n;
insert into developers (id, team_id, name, monthly_limit_nanousd)
  select md5('developer' || n)::uuid, md5('team' || (1 + n % 5))::uuid, 'developer' || n, 8330000000 from generate_series(1, 100) n;
insert into api_keys (id, developer_id, lookup, digest)
  select md5('key' || n)::uuid, md5('developer' || (1 + n % 100))::uuid, lpad(n::text, 12, '0'), '\\x00' from generate_series(1, 1000) n;
insert into sessions (id, team_id, project_id, provider, external_id, transcript, started_at, created_at)
  select md5('session' || n)::uuid, md5('team' || (1 + n % 5))::uuid, md5('project' || (1 + n % 50))::uuid, 'claude-code', 's' || n, 't.jsonl',
         now() - n * interval '1 hour', now() - n * interval '1 hour' from generate_series(1, 3000) n;
insert into events (session_id, seq, event_id, role, kind, text, locator)
  select md5('session' || (1 + n / 20))::uuid, 1 + n % 20, 'e' || n, 'user', 'prompt', 'text ' || n, 'L' || n from generate_series(0, 30000) n;
insert into knowledge (id, team_id, project_id, type, intent, title, text, confidence, freshness, embedding, embedding_model, created_at, last_seen_at)
  select md5('item' || n)::uuid, md5('team' || (1 + n % 5))::uuid, md5('project' || (1 + n % 50))::uuid,
         (array['gotcha','bug_solution','tool_usage','coding_pattern'])[1 + n % 4], (array['debugging','testing','feature-dev'])[1 + n % 3],
         'title ' || n, 'the worker number ' || n || ' waits for port ' || (n % 900), random(), (array['fresh','aging','stale','deprecated'])[1 + (n / 50) % 4],
         decode(repeat('00', 1536), 'hex'), 'synthetic', now() - n * interval '10 minutes', now() - n * interval '10 minutes'
  from generate_series(1, 30000) n;
insert into knowledge_evidence (id, knowledge_id, session_id, candidate_key, event_id, locator, transcript, excerpt, type, title, text, confidence,
                                embedding, embedding_model)
  select md5('evidence' || n)::uuid, md5('item' || n)::uuid, md5('session' || (1 + n % 3000))::uuid, 'k' || n, 'e' || n, 'L1', 't.jsonl', 'x', 'gotcha',
         't', 'x', 0.5, '\\x00', 'synthetic' from generate_series(1, 30000) n;
insert into index_outbox (knowledge_id, drained_at)
  select md5('item' || n)::uuid, case when n > 29900 then null else now() - n * interval '1 second' end from generate_series(1, 30000) n;
insert into jobs (id, kind, team_id, lane, payload, state, max_attempts, created_at)
  select md5('job' || n)::uuid, 'ingest', md5('team' || (1 + n % 5))::uuid, 'lane' || (n % 40), '{}',
         case when n > 29900 then 'queued' else 'done' end, 5, now() - n * interval '1 second' from generate_series(1, 30000) n;
insert into uploads (id, team_id, transcript, format, created_at)
  select md5('upload' || n)::uuid, md5('team1')::uuid, 't', 'generic', now() - n * interval '1 minute' from generate_series(1, 3000) n;
insert into upload_chunks (upload_id, seq, data) select md5('upload' || n)::uuid, 0, '\\x00' from generate_series(1, 3000) n;
"""

TEAM, PROJECT = "md5('team1')::uuid", "md5('project10')::uuid"
QUERIES: dict[str, tuple[str, str]] = {
    "ix_knowledge_team_type_created": (
        "The newest items of a type.",
        f"select created_at, title from knowledge where team_id = {TEAM} and type = 'gotcha' order by created_at desc limit 20",
    ),
    "ix_knowledge_project_freshness": (
        "How fresh a project's knowledge is, by type: from the index alone.",
        f"select type, count(*) from knowledge where project_id = {PROJECT} and freshness = 'fresh' group by type",
    ),
    "ix_knowledge_team_intent_confidence": (
        "The surest items for what someone is about to do.",
        f"select confidence, title from knowledge where team_id = {TEAM} and intent = 'debugging' order by confidence desc limit 20",
    ),
    "ix_knowledge_not_stale": (
        "What a project learnt or confirmed lately, without the stale (partial).",
        f"select id from knowledge where team_id = {TEAM} and project_id = {PROJECT} and freshness in ('fresh', 'aging')"
        " order by last_seen_at desc limit 20",
    ),
    "ix_knowledge_search": (
        "Full text: search while the vector store or the embedder is away (GIN).",
        "select id from knowledge where search @@ to_tsquery('simple', '1234 & worker')",
    ),
    "ix_knowledge_evidence_knowledge_id": (
        "An item's citations; the newest one of each result.",
        "select locator, excerpt from knowledge_evidence where knowledge_id = md5('item77')::uuid",
    ),
    "uq_knowledge_evidence_key": (
        "What a session has taught already; each candidate once.",
        "select candidate_key from knowledge_evidence where session_id = md5('session7')::uuid",
    ),
    "ix_index_outbox_pending": (
        "What the index has yet to hear of (partial).",
        "select id, knowledge_id from index_outbox where drained_at is null order by id limit 256",
    ),
    "ix_index_outbox_drained": (
        "What a rebuild catches up from; the sweep (partial).",
        "select knowledge_id from index_outbox where drained_at >= now() - interval '1 minute'",
    ),
    "ix_jobs_ready": (
        "The next job to run (partial).",
        "select id from jobs where state in ('queued', 'running') and run_at <= now() order by run_at limit 1",
    ),
    "ix_jobs_lane": (
        "Whether something of a lane is under way or due before (partial).",
        "select 1 from jobs where lane = 'lane7' and state in ('queued', 'running') and created_at < now()",
    ),
    "ix_jobs_finished_at": (
        "Finished jobs whose time has passed (partial): the sweep, every ten minutes.",
        "delete from jobs where finished_at < now() - interval '7 days'",
    ),
    "uq_jobs_idempotency_key": ("A job enqueued again under its key.", "select id from jobs where idempotency_key = 'k'"),
    "ix_sessions_team_started": (
        "A page of a team's sessions, the latest first.",
        f"select id from sessions where team_id = {TEAM} order by started_at desc nulls last, id limit 50",
    ),
    "ix_sessions_project_id": (
        "A project's sessions; the foreign key's cascade.",
        f"select id from sessions where project_id = {PROJECT}",
    ),
    "uq_sessions_team_id_provider_external_id": (
        "A session's identity, at each ingest.",
        f"select id from sessions where team_id = {TEAM} and provider = 'claude-code' and external_id = 's5'",
    ),
    "pk_sessions_purged": (
        "Whether a session was purged while its transcript waited, at each ingest.",
        f"select purged_at from sessions_purged where team_id = {TEAM} and provider = 'claude-code' and external_id = 's5'",
    ),
    "pk_events": (
        "A session's journal in order, page by page.",
        "select seq, text from events where session_id = md5('session7')::uuid and seq > 5 order by seq limit 200",
    ),
    "uq_events_session_id_event_id": (
        "Is this event known?",
        "select seq from events where session_id = md5('session7')::uuid and event_id in ('e121', 'e122')",
    ),
    "ix_uploads_created_at": (
        "The sweep of what waited too long.",
        "select id from uploads where created_at < now() - interval '49 hours'",
    ),
    "pk_upload_chunks": (
        "The next chunk of an upload.",
        "select data from upload_chunks where upload_id = md5('upload7')::uuid and seq = 0",
    ),
    "uq_api_keys_lookup": (
        "Who is behind a key.",
        "select digest from api_keys where lookup = '000000000007' and revoked_at is null",
    ),
    "ix_api_keys_developer_id": (
        "How many keys a developer has.",
        "select count(*) from api_keys where developer_id = md5('developer7')::uuid",
    ),
    "uq_developers_name": ("A developer by name: names are unique over all teams.", "select id from developers where name = 'developer7'"),
    "ix_developers_team_id": ("A team's developers.", f"select name from developers where team_id = {TEAM}"),
    "uq_teams_name": ("A team by name.", "select id from teams where name = 'team3'"),
    "uq_projects_team_id_name": (
        "A project by name, at each ingest and query.",
        f"select id from projects where team_id = {TEAM} and name = 'project10'",
    ),
}


async def evidence(connection: AsyncConnection) -> str:
    parts = []
    for index, (why, query) in QUERIES.items():
        plan = "\n".join(row[0] for row in await connection.execute(text(f"explain (costs off) {query}")))
        parts.append(f"**`{index}`** {why}\n\n```sql\n{query};\n```\n\n```\n{plan}\n```\n")
    return "\n".join(parts)


async def main(write: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="cairn-explain-", dir="/tmp") as scratch:
        async with embedded_postgres(Path(scratch) / "postgres", max_connections=20) as url:
            await migrations.upgrade(url)
            database = await Database.open(config.Database(statement_timeout_seconds=300), url, name="explain", pool_size=1, max_overflow=0)
            for statement in filter(str.strip, FILL.split(";\n")):
                async with database.begin() as connection:
                    await connection.exec_driver_sql(statement)
            async with database.begin() as connection:
                await connection.exec_driver_sql("analyze")
                # The small tables are small in a test too: what matters is whether the index serves the query.
                await connection.exec_driver_sql("set local enable_seqscan = off")
                found = await evidence(connection)
            await database.close()
    if write:
        page = PAGE.read_text()
        PAGE.write_text(re.sub(f"{BEGIN}.*{END}", lambda _: f"{BEGIN}\n{found}{END}", page, flags=re.DOTALL))
    else:
        print(found)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true")
    asyncio.run(main(parser.parse_args().write))

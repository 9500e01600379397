"""The evidence for docs/database/README.md: every index with its query, on synthetic rows, as EXPLAIN shows it.

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
from app.storage.direct import DedicatedConnection
from app.storage.postgres import embedded_postgres

PAGE = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- explain: begin -->", "<!-- explain: end -->"

FILL = """
insert into teams (id, name) select md5('team' || n)::uuid, 'team' || n from generate_series(1, 5) n;
insert into projects (id, team_id, name)
  select md5('project' || n)::uuid, md5('team' || (1 + n % 5))::uuid, 'project' || n from generate_series(1, 50) n;
update projects set identity = 'folder:' || name;
insert into projects (id, team_id, name, open)
  select md5('closed' || n)::uuid, md5('team' || (1 + n % 5))::uuid, 'closed' || n, 'members' from generate_series(1, 500) n;
insert into developers (id, team_id, name, monthly_limit_nanousd)
  select md5('developer' || n)::uuid, md5('team' || (1 + n % 5))::uuid, 'developer' || n, 8330000000 from generate_series(1, 100) n;
insert into project_members (project_id, developer_id)
  select md5('closed' || n)::uuid, md5('developer' || (1 + (n * 7 + k * 5) % 100))::uuid from generate_series(1, 500) n, generate_series(0, 3) k
  on conflict do nothing;
insert into prompt_audit (team_id, action, by_id)
  select team_id, 'read', id from developers, generate_series(1, case when team_id = md5('team2')::uuid then 1000 else 5 end);
insert into api_keys (id, developer_id, lookup, digest, name)
  select md5('key' || n)::uuid, md5('developer' || (1 + n % 100))::uuid, lpad(n::text, 12, '0'), '\\x00', 'key' || n from generate_series(1, 1000) n;
insert into invitations (id, developer_id, digest, created_by, expires_at, used_at, key_id)
  select md5('invitation' || n)::uuid, md5('developer' || (1 + n % 100))::uuid, decode(md5('invitation' || n), 'hex'), 'admin', now(), now(),
         md5('key' || n)::uuid from generate_series(1, 1000) n;
insert into sessions (id, team_id, project_id, provider, external_id, transcript, started_at, created_at, updated_at)
  select md5('session' || n)::uuid, md5('team' || (1 + n % 5))::uuid, md5('project' || (1 + n % 50))::uuid, 'claude-code', 's' || n, 't.jsonl',
         now() - n * interval '1 hour', now() - n * interval '1 hour', now() - n * interval '1 hour' from generate_series(1, 3000) n;
update sessions set developer_id = md5('developer' || (1 + length(external_id)))::uuid;
insert into events (session_id, seq, event_id, role, kind, text, locator)
  select md5('session' || (1 + n / 20))::uuid, 1 + n % 20, 'e' || n, 'user', 'prompt', 'text ' || n, 'L' || n from generate_series(0, 30000) n;
update events set changed = 2 where seq = 7;
update events set text_hash = hashtext(text), provisional = case when seq = 9 then event_id end;
insert into followed_transcripts (owner_id, source, team_id, "offset", tail, ended, updated_at)
  select md5('developer' || n % 20)::uuid, 'f' || n, md5('team1')::uuid, n, 't', true, now() - n * interval '1 hour' from generate_series(1, 3000) n;
insert into captures (team_id, owner_id, developer_id, agent, way)
  select team_id, id, id, agent, way from developers, unnest(array['claude-code', 'codex']) agent, unnest(array['hook', 'watch']) way;
insert into projection_checkpoints (session_id, projection, version, seq, revision, parked)
  select md5('session' || n)::uuid, 'items', '1', 20, 1, case when n % 300 = 0 then 'It failed.' end from generate_series(1, 3000) n;
insert into knowledge (id, team_id, project_id, type, intent, title, text, confidence, embedding, embedding_model, created_at, last_seen_at)
  select md5('item' || n)::uuid, md5('team' || (1 + n % 5))::uuid, md5('project' || (1 + n % 50))::uuid,
         (array['gotcha','bug_solution','tool_usage','coding_pattern'])[1 + n % 4], (array['debugging','testing','feature-dev'])[1 + n % 3],
         'title ' || n, 'the worker number ' || n || ' waits for port ' || (n % 900), random(),
         decode(repeat('00', 1536), 'hex'), 'synthetic', now() - n * interval '10 minutes', now() - n * interval '10 minutes'
  from generate_series(1, 30000) n;
insert into knowledge_evidence (id, knowledge_id, session_id, candidate_key, event_id, locator, transcript, excerpt, type, title, text, confidence,
                                embedding, embedding_model)
  select md5('evidence' || n)::uuid, md5('item' || n)::uuid, md5('session' || (1 + n % 3000))::uuid, 'k' || n, 'e' || n, 'L1', 't.jsonl', 'x', 'gotcha',
         't', 'x', 0.5, '\\x00', 'synthetic' from generate_series(1, 30000) n;
update knowledge set recorded_key = decode(md5(replace(title, 'title ', 'record')), 'hex'), origin = 'recorded'
  where id in (select md5('item' || n * 10)::uuid from generate_series(1, 1000) n);
update knowledge set corrected_at = now() where id in (select md5('item' || n * 50)::uuid from generate_series(1, 300) n);
insert into knowledge_subjects (knowledge_id, kind, name, team_id)
  select md5('item' || n)::uuid, kind, kind || (n % 900), md5('team' || (1 + n % 5))::uuid
  from generate_series(1, 30000) n, unnest(array['file', 'service']) kind;
insert into knowledge_supersessions (older_id, newer_id, words, said_at)
  select md5('item' || n)::uuid, md5('item' || (n + 1))::uuid, 'from a to b', now() from generate_series(1, 9000) n;
insert into knowledge_supersessions (older_id, newer_id, words, said_at, cause, made_by_admin)
  select md5('item' || n)::uuid, md5('item' || (n + 1))::uuid, '', now(), 'merged', true from generate_series(9001, 9090) n;
insert into knowledge_contradictions (one_id, other_id, team_id, words, other_words)
  select least(a, b), greatest(a, b), md5('team' || (1 + n % 5))::uuid, 'through a', 'through b'
  from (select n, md5('item' || n)::uuid a, md5('item' || (n + 50))::uuid b from generate_series(1, 9000) n) pairs;
update knowledge set wording = decode(md5(id::text), 'hex');
update knowledge set gives_up = array['kafka'] where id in (select md5('item' || n * 60)::uuid from generate_series(1, 400) n);
insert into knowledge_forgotten (session_id, candidate_key, project_id, event_id)
  select md5('session' || (1 + n % 3000))::uuid, 'f' || n, md5('project' || (1 + n % 50))::uuid, 'e' || n from generate_series(1, 3000) n;
insert into knowledge_revisions (knowledge_id, by_admin, action, text)
  select md5('item' || (1 + n % 3000))::uuid, true, 'corrected', 'text' from generate_series(1, 9000) n;
insert into knowledge_feedback (id, knowledge_id, developer_id, by_admin, verdict, note)
  select md5('verdict' || n)::uuid, md5('item' || (1 + n % 900))::uuid, md5('developer' || (1 + n / 900))::uuid, false, 'helpful', ''
  from generate_series(1, 9000) n;
insert into knowledge_feedback (id, knowledge_id, by_admin, verdict, note)
  select md5('admin verdict' || n)::uuid, md5('item' || n)::uuid, true, 'stale', '' from generate_series(1, 3000) n;
insert into session_served_knowledge (session_id, knowledge_id, seq)
  select md5('session' || (1 + n % 3000))::uuid, md5('item' || n)::uuid, 1 from generate_series(1, 20000) n;
insert into session_shapes (session_id, symbols, firsts, dropped, vector, settled_seq, state)
  select md5('session' || n)::uuid, repeat('abcdefgh', 5), array[1, 2, 3], 0, decode(repeat('7f', 384), 'hex'), 0, '\\x00'
  from generate_series(1, 3000) n;
insert into knowledge_code_marks (knowledge_id, repository, verdict, head, checked_at)
  select md5('item' || n)::uuid, 'github.com/acme/shop', 'fresh', 'c1', now() - n % 80 * interval '1 day' from generate_series(1, 10000) n;
insert into knowledge_uses (knowledge_id, session_id, accepted, act, transcript, locator, at)
  select md5('item' || (1 + n % 900))::uuid, md5('session' || (1 + n % 2999))::uuid, n % 9 > 0, 'change', 't.jsonl', 'L1', now()
  from generate_series(1, 9000) n on conflict do nothing;
insert into prompt_intents (session_id, seq, intent, confidence, second, second_confidence, made_by)
  select session_id, seq, 'debugging', 0.8, 'testing', 0.1, 'shipped' from events;
insert into intent_corrections (team_id, session_id, seq, intent, developer_id, corrected_by)
  select md5('team' || (1 + n % 5))::uuid, md5('session' || (1 + n % 1500))::uuid, 1 + n % 20, 'testing', md5('developer' || (1 + n % 100))::uuid, 'ada'
  from generate_series(1, 20000) n;
insert into intent_heads (team_id, base, corrections, members, before, after, harm, reason, tried_at)
  select id, 'digest', 20, 2, 0.5, 0.9, 0, 'better', now() from teams;
insert into passages (id, team_id, project_id, key, text, heading, tokens, terms, embedding, made_by, late)
  select md5('passage' || n)::uuid, md5('team' || (1 + n % 5))::uuid, md5('project' || (1 + n % 50))::uuid, decode(md5('passage' || n), 'hex'),
         'passage ' || n, '', 20, array[n % 700, 1000 + n % 900, 2000 + n], '\\x00', 'synthetic', '\\x00' from generate_series(1, 30000) n;
insert into passage_places (session_id, seq, number, ordinal, passage_id, exchange, locator, role, kind, sidechain, prompt, files)
  select md5('session' || (1 + n / 20))::uuid, 1 + n % 20, 0, n % 20, md5('passage' || n)::uuid, 1 + (n % 20) / 5, 'L' || n, 'user', 'said', false, '', '{}'
  from generate_series(1, 30000) n;
insert into passage_cuts (session_id, seq, state)
  select md5('session' || n)::uuid, seq, '{}' from generate_series(1, 3000) n, unnest(array[10, 20]) seq;
insert into session_analyses (session_id, made_by, seq, left_out) select md5('session' || n)::uuid, '1', 20, 0 from generate_series(1, 3000) n;
insert into session_analysis_states (session_id, seq, made_by, state, created_at)
  select md5('session' || n)::uuid, seq, '1', '\\x00', now() - n * interval '1 hour' from generate_series(1, 3000) n, unnest(array[16, 32]) seq;
insert into session_findings (session_id, kind, name, first, team_id, project_id, last, evidence, because, open, told, revision, tool, began_at)
  select s.id, kind, 'stuck', first, s.team_id, s.project_id, first + 3, '{1}', 'x', false, first + 3, 1, 'bash', s.created_at
  from sessions s, unnest(array['activity', 'health', 'loop', 'policy']) kind, generate_series(1, 20, 4) first;
insert into trouble_episodes (session_id, told, team_id, project_id, first, last, trouble, family, signature, tool, failing, ended, outcome, began_at)
  select s.id, told, s.team_id, s.project_id, told - 2, told + 3, 'error', 'a lock', (abs(hashtext(s.external_id)) + told) % 40, 'bash', 'x', 'y',
         'committed', s.created_at from sessions s, generate_series(3, 18, 5) told;
insert into session_exchanges (session_id, number, first, last, phases, failed, checks_passed, checks_failed, files, input_tokens, output_tokens)
  select md5('session' || n)::uuid, number, number, number, '{}', 0, 0, 0, '{}', 0, 0 from generate_series(1, 3000) n, generate_series(1, 8) number;
insert into session_step_blocks (session_id, number, phases, symbols)
  select md5('session' || n)::uuid, number, 'xer', '\\x00' from generate_series(1, 3000) n, generate_series(0, 4) number;
update session_findings set open = true, ended_at = began_at where kind = 'loop' and first = 1 and md5(session_id::text) < '1';
insert into session_policy_violations (session_id, policy, seq, team_id, project_id, at_end, recent, due_at, counted_at)
  select s.id, 'tests-stay', seq, s.team_id, s.project_id, false, true, now() - seq * interval '1 minute', case when seq > 1 then now() end
  from sessions s, unnest(array[1, 5, 9]) seq;
update session_policy_violations set counted_at = now() where md5(session_id::text) > '1';
insert into session_nudges (session_id, kind, name, first, upto)
  select md5('session' || n)::uuid, 'loop', 'exact', first, first + 3 from generate_series(1, 3000) n, generate_series(1, 3) first;
insert into index_outbox (point_id, drained_at)
  select md5('item' || n)::uuid, case when n > 29900 then null else now() - n * interval '1 second' end from generate_series(1, 30000) n;
insert into knowledge_versions (project_id, team_id) select id, team_id from projects;
insert into jobs (id, kind, team_id, lane, payload, state, max_attempts, created_at)
  select md5('job' || n)::uuid, 'ingest', md5('team' || (1 + n % 5))::uuid, 'lane' || (n % 40), '{}',
         case when n > 29900 then 'queued' else 'done' end, 5, now() - n * interval '1 second' from generate_series(1, 30000) n;
insert into uploads (id, team_id, transcript, format, created_at)
  select md5('upload' || n)::uuid, md5('team1')::uuid, 't', 'generic', now() - n * interval '1 minute' from generate_series(1, 3000) n;
insert into upload_chunks (upload_id, seq, data) select md5('upload' || n)::uuid, 0, '\\x00' from generate_series(1, 3000) n;
insert into teams (id, name) select md5('quiet team')::uuid, 'quiet team';
insert into developers (id, team_id, name, monthly_limit_nanousd)
  select md5('quiet developer')::uuid, md5('quiet team')::uuid, 'quiet developer', 8330000000;
insert into budget_limits (subject_id, unit, amount)
  select id, 'nanousd', 25000000000 from developers union all select id, unit, 500000000000 from teams, unnest(array['nanousd','tokens']) unit;
insert into budget_balances (subject_id, subject, period_start, period_end, limit_nanousd)
  select id, subject, month, month + interval '1 month', 25000000000
  from (select id, 'developer' as subject from developers union all select id, 'team' from teams) each_subject,
       generate_series(date_trunc('month', now()) - interval '11 months', now(), interval '1 month') month;
insert into budget_processes (id) select md5('process' || n)::uuid from generate_series(0, 7) n;
insert into budget_holds (id, request_id, attempt, developer_id, team_id, period_start, day, process_id, provider, model, nanousd, tokens, state,
                          created_at, ended_at)
  select md5('hold' || n)::uuid, 'request' || n, 1, d.id, d.team_id, date_trunc('month', at), at::date, md5('process' || n % 8)::uuid,
         'anthropic', 'claude-sonnet-4-5', 40000000, 6000,
         case when n <= 40 then 'held' when n % 97 = 0 then 'unreconciled' when n % 19 = 0 then 'released' else 'settled' end,
         at, case when n > 40 then at + interval '9 seconds' end
  from generate_series(1, 30000) n, lateral (select now() - n * interval '10 minutes' as at) moment, developers d
  where d.name = case when n % 101 = 0 then 'quiet developer' else 'developer' || (1 + n % 100) end;
insert into budget_movements (at, kind, mark, developer_id, team_id, period_start, hold_id, request_id, attempt, provider, model, input_tokens,
                              output_tokens, held_nanousd, nanousd, tokens, price)
  select ended_at, case state when 'settled' then 'settle' else state end, 'usage', developer_id, team_id, period_start, id, request_id, attempt,
         provider, model, 3000, 500, nanousd, 16500000, 3500, '{"input": 3000000000, "output": 15000000000}'
  from budget_holds where state in ('settled', 'unreconciled') order by created_at;
insert into budget_days (subject_id, day, nanousd, tokens)
  select developer_id, day, sum(nanousd), sum(tokens) from budget_holds group by developer_id, day
  union all select team_id, day, sum(nanousd), sum(tokens) from budget_holds group by team_id, day;
insert into budget_spend_days (team_id, day, developer_id, provider, model, purpose, project, session, attempts, nanousd, input_tokens,
                               output_tokens, cached_input_tokens)
  select team_id, day, developer_id, provider, model, 'chat', 'project' || (nanousd % 3), 's' || day, count(*), sum(nanousd), 0, 0, 0
  from budget_holds group by 1, 2, 3, 4, 5, 6, 7, 8;
insert into budget_spend_parts (team_id, dimension, day, developer_id, key, provider, attempts, nanousd, input_tokens, output_tokens,
                                cached_input_tokens)
  select team_id, dimension, day, developer_id, key, '', sum(attempts), sum(nanousd), 0, 0, 0 from budget_spend_days,
         lateral (values ('model', model), ('project', project), ('purpose', purpose), ('session', session)) d(dimension, key) group by 1, 2, 3, 4, 5;
insert into budget_rollups (name, upto) values ('spend_days', 0) on conflict do nothing;
insert into budget_alerts (id, subject, subject_id, period_start, rule, data, created_at)
  select md5('alert' || row_number() over ())::uuid, subject, subject_id, period_start, rule, '{}', period_start + interval '20 days'
  from budget_balances, unnest(array['50%','80%','90%','100%']) rule;
insert into request_log (at, request_id, developer_id, team_id, purpose, model_asked, provider, model_answered, attempts, cache, nanousd,
                         saved_nanousd, milliseconds, status, session, agent, input_tokens, output_tokens, cached_input_tokens)
  select created_at, request_id, developer_id, team_id, 'chat', model, provider, model, 1, 'miss', nanousd, 0, 9000, 200,
         's' || (extract(epoch from created_at)::bigint / 30000)::text, case when id::text < '2' then 'a' || id::text end, 3000, 500, 0
  from budget_holds order by created_at;
insert into hook_sessions (id, team_id, agent, session, registered_at)
  select md5('hooked' || n)::uuid, md5('team' || (1 + n % 5))::uuid, 'claude-code', 's' || n, now() - n * interval '15 minutes' from generate_series(1, 3000) n;
insert into project_policies (id, project_id, content, changed_at)
  select md5('policies' || n)::uuid, md5('project' || (1 + n % 50))::uuid, '{"switches": [], "own": []}', now() - n * interval '1 hour'
  from generate_series(1, 2000) n;
insert into served_knowledge (hook_session_id, knowledge_id, way, at)
  select md5('hooked' || (1 + n % 3000))::uuid, md5('item' || n)::uuid, 'prompt', now() from generate_series(1, 20000) n;
insert into sign_ins (id, key_id, ends_at)
  select md5('sign-in' || n)::uuid, md5('key' || (1 + n % 1000))::uuid, now() + (n - 100) * interval '1 minute' from generate_series(1, 3000) n;
insert into openid_accounts (id, developer_id, issuer, subject, email)
  select md5('account' || row_number() over ())::uuid, id, 'https://login.example.com', case when row_number() over () % 2 = 0 then id::text end,
  id || '@example.com' from developers;
insert into sign_ins (id, openid_account_id, ends_at)
  select md5('openid' || id)::uuid, id, now() + interval '1 hour' from openid_accounts;
insert into knowledge_unanswered (team_id, question, times) select md5('team' || (1 + n % 5))::uuid, 'question ' || n, 1 + n % 9 from generate_series(1, 1000) n;
insert into budget_movements (kind, developer_id, team_id, period_start, unit, amount, actor)
  select 'limit', id, team_id, date_trunc('month', now()), 'nanousd', 25000000000, 'admin' from developers;
insert into cache_entries (cache, key, value, ends_at)
  select 'completions', decode(md5('entry' || n), 'hex'), repeat('x', 500)::bytea, now() + n * interval '1 second' from generate_series(-500, 20000) n;
insert into idempotency_keys (team_id, owner, key_digest, request_digest, claim, claimed_at, created_at, status, body)
  select md5('team' || (1 + n % 5))::uuid, 'admin', decode(md5('key' || n), 'hex'), decode(md5('request' || n), 'hex'), gen_random_uuid(), now(),
  now() - n * interval '10 seconds', 201, '{}'::bytea from generate_series(1, 10000) n;
insert into notices (id, body, delivered_at, next_at)
  select md5('notice' || n)::uuid, '{}', case when n > 50 then now() end, case when n <= 50 then now() end from generate_series(1, 20000) n;
insert into rollup_minutes (minute, source, role, data)
  select date_trunc('minute', now()) - n * interval '1 minute', md5('process' || p)::uuid, 'serve', repeat('x', 800)::bytea
  from generate_series(1, 10000) n, generate_series(1, 3) p;
insert into rollup_spans (seconds, at, data)
  select seconds, date_trunc('hour', now()) - n * seconds * interval '1 second', repeat('x', 800)::bytea
  from generate_series(1, 4000) n, unnest(array[600, 3600]) seconds;
insert into alert_states (rule, key, labels, state, since, value, severity, summary)
  select 'rule' || n, '', '{}', 'firing', now(), 1, 'warning', 'x' from generate_series(1, 1000) n;
insert into alert_turns (name, at) select 'name' || n, now() from generate_series(1, 1000) n;
insert into alert_history (rule, labels, severity, summary, fired_at, resolved_at)
  select 'rule', '{}', 'warning', 'x', now(), now() - n * interval '1 minute' from generate_series(1, 5000) n;
insert into messages (team_id, channel, sender, type, payload, at)
  select md5('team' || (1 + n % 5))::uuid, 'channel' || (n % 40), 'ada', 'task', '{}', now() - n * interval '20 seconds'
  from generate_series(30000, 1, -1) n;
insert into message_groups (team_id, channel, name)
  select distinct team_id, channel, 'group' || g from messages, generate_series(1, 3) g;
insert into message_deliveries (group_id, message_id, visible_at, consumer, deliveries)
  select g.id, m.id, m.at + interval '1 minute', 'agent', 1 from messages m join message_groups g using (team_id, channel) where m.id % 7 = 0;
insert into message_dead_letters (message_id, team_id, channel, group_name, consumer, deliveries, sender, type, payload, at, died_at)
  select id, team_id, channel, 'group1', 'agent', 5, sender, type, payload, at, at + interval '5 minutes' from messages where id % 9 = 0;
"""

TEAM, PROJECT = "md5('team1')::uuid", "md5('project10')::uuid"
DEVELOPER, MONTH = "md5('developer7')::uuid", "date_trunc('month', now())"
QUERIES: dict[str, tuple[str, str]] = {
    "ix_knowledge_team_type_created": (
        "The newest items of a type; the dashboard asks it for each type, and counts the week's.",
        f"select created_at, title from knowledge where team_id = {TEAM} and type = 'gotcha' order by created_at desc limit 20",
    ),
    "ix_knowledge_team_created": (
        "A team's items listed, the newest first, page by page.",
        f"select id from knowledge where team_id = {TEAM} and not hidden and (created_at, id) < (now() - interval '3 days', {PROJECT})"
        " order by created_at desc, id desc limit 51",
    ),
    "ix_knowledge_project_created": (
        "The same of one project.",
        f"select id from knowledge where project_id = {PROJECT} and not hidden order by created_at desc, id desc limit 51",
    ),
    "uq_knowledge_recorded": (
        "A text that a person records: the same one again is the same item (partial).",
        f"select id from knowledge where project_id = {PROJECT} and recorded_key = decode(md5('record500'), 'hex')",
    ),
    "ix_knowledge_pinned": (
        "What people corrected, hid or found helpful in a project: a session that is read anew must not undo it (partial).",
        f"select id from knowledge where project_id = {PROJECT} and (corrected_at is not null or hidden or helpful > 0)",
    ),
    "ix_knowledge_forgotten_project_id": (
        "The tombstones of a project, held against what a session is found to teach.",
        f"select candidate_key from knowledge_forgotten where project_id = {PROJECT} and event_id in ('e1', 'e2')",
    ),
    "ix_knowledge_revisions_knowledge_id": (
        "What people wrote of an item, the latest first.",
        "select action, at from knowledge_revisions where knowledge_id = md5('item77')::uuid order by id desc limit 200",
    ),
    "uq_knowledge_feedback_developer": (
        "One verdict a developer and item; an item's verdicts, counted.",
        "select verdict from knowledge_feedback where not by_admin and knowledge_id = md5('item77')::uuid",
    ),
    "uq_knowledge_feedback_admin": (
        "One verdict of the admins.",
        "select verdict from knowledge_feedback where by_admin and knowledge_id = md5('item77')::uuid",
    ),
    "pk_session_served_knowledge": (
        "What a session was served; of most sessions nothing, and then they are not read for uses.",
        "select knowledge_id, seq from session_served_knowledge where session_id = md5('session7')::uuid",
    ),
    "pk_session_shapes": (
        "A session's own shape, before those of its team's other sessions are read along with it.",
        "select symbols, firsts, dropped, vector from session_shapes where session_id = md5('session7')::uuid",
    ),
    "pk_prompt_intents": (
        "The intent of the exchange that a place of a session belongs to: its prompt's, the last before it. For each result of a query by intent.",
        "select intent from prompt_intents where session_id = md5('session7')::uuid and seq <= 9 and not sidechain order by seq desc limit 1",
    ),
    "pk_intent_corrections": (
        "The order of corrections: a prompt's latest one holds.",
        "select intent from intent_corrections where id = 77",
    ),
    "ix_intent_corrections_prompt": (
        "The correction that holds for a prompt; all of a session's, when it is purged.",
        "select intent from intent_corrections where session_id = md5('session7')::uuid and seq = 9 order by id desc limit 1",
    ),
    "ix_intent_corrections_team_id": (
        "A team's corrections, which its head is fitted on.",
        "select session_id, seq, intent from intent_corrections where team_id = md5('team1')::uuid order by id desc limit 100",
    ),
    "ix_intent_corrections_developer_id": (
        "A developer's corrections, whose author is forgotten when they are removed.",
        "select id from intent_corrections where developer_id = md5('developer7')::uuid",
    ),
    "pk_intent_heads": (
        "A team's head.",
        "select head from intent_heads where team_id = md5('team1')::uuid",
    ),
    "pk_knowledge_uses": (
        "How many sessions used an item, with each candidate of a search.",
        "select count(*) filter (where accepted) from knowledge_uses where knowledge_id = md5('item77')::uuid",
    ),
    "ix_knowledge_uses_session_id": (
        "What a session used: compared when it is read again, withdrawn when it is purged.",
        "select knowledge_id, accepted from knowledge_uses where session_id = md5('session7')::uuid",
    ),
    "ix_knowledge_code_marks_checked_at": (
        "The marks that no check has confirmed for 90 days, every ten minutes.",
        "select knowledge_id from knowledge_code_marks where checked_at < now() - interval '90 days' limit 1",
    ),
    "ix_knowledge_project_last_seen": (
        "How old a project's knowledge is, by type: from the index alone.",
        f"select type, count(*) from knowledge where project_id = {PROJECT} and last_seen_at >= now() - interval '30 days' group by type",
    ),
    "ix_knowledge_team_intent_confidence": (
        "The surest items for what someone is about to do.",
        f"select confidence, title from knowledge where team_id = {TEAM} and intent = 'debugging' order by confidence desc limit 20",
    ),
    "ix_knowledge_search": (
        "Full text: search while the vector store or the embedder is away (GIN).",
        "select id from knowledge where search @@ to_tsquery('simple', '1234 & worker')",
    ),
    "pk_knowledge_subjects": (
        "What an item is about, on its page; the rows that a change of its words replaces.",
        "select kind, name from knowledge_subjects where knowledge_id = md5('item77')::uuid order by kind, name",
    ),
    "ix_knowledge_subjects_name": (
        "A team's items about a file, a symbol, a setting, a tool, a service or a ticket: the filter `subject` of lists and queries.",
        f"select knowledge_id from knowledge_subjects where team_id = {TEAM} and name = 'file77'",
    ),
    "pk_knowledge_supersessions": (
        "What replaces an item, with each candidate of a search.",
        "select newer_id, said_at from knowledge_supersessions where older_id = md5('item77')::uuid and undone_at is null",
    ),
    "ix_knowledge_supersessions_newer_id": (
        "What an item replaces, on its page; the links that are judged anew when it is reworded.",
        "select older_id from knowledge_supersessions where newer_id = md5('item77')::uuid and undone_at is null",
    ),
    "ix_knowledge_supersessions_people": (
        "The links that people made or undid, at every ingest that finds something new: their items outlive another version of extraction.",
        "select older_id, newer_id from knowledge_supersessions where cause <> 'said' or undone_at is not null",
    ),
    "pk_knowledge_contradictions": (
        "What contradicts an item, where its id is the smaller one: on its page, and with each candidate of a search.",
        "select other_id from knowledge_contradictions where one_id = md5('item77')::uuid and decision is null",
    ),
    "ix_knowledge_contradictions_other_id": (
        "The same where its id is the larger one.",
        "select one_id from knowledge_contradictions where other_id = md5('item77')::uuid and decision is null",
    ),
    "ix_knowledge_contradictions_team_id": (
        "A page of the contradictions that nobody has decided, the one found last first.",
        f"select one_id, other_id from knowledge_contradictions where team_id = {TEAM} and decision is null order by number desc limit 51",
    ),
    "ix_knowledge_wording": (
        "Whether another of the team's projects holds an item that says the same, with each candidate of a search.",
        f"select project_id from knowledge where team_id = {TEAM} and wording = decode(md5('77'), 'hex') and not hidden",
    ),
    "ix_knowledge_gives_up": (
        "A project's items that say that a value is given up, with which a new item is compared: few.",
        f"select id, text from knowledge where project_id = {PROJECT} and gives_up <> '{{}}'",
    ),
    "ix_knowledge_evidence_knowledge_id": (
        "An item's citations; the newest one of each result.",
        "select locator, excerpt from knowledge_evidence where knowledge_id = md5('item77')::uuid",
    ),
    "uq_knowledge_evidence_key": (
        "What a session has taught already; each candidate once.",
        "select candidate_key from knowledge_evidence where session_id = md5('session7')::uuid",
    ),
    "uq_passages_key": (
        "Whether a project knows a passage already; its passages, when it is merged into another.",
        f"select id from passages where project_id = {PROJECT} and key = decode(md5('passage9'), 'hex')",
    ),
    "ix_passages_terms": (
        "The passages that hold a question's terms, while the vector store is away (GIN).",
        "select id from passages where terms && array[77, 2077]",
    ),
    "pk_passage_places": (
        "What was cut from a session's events.",
        "select number, passage_id from passage_places where session_id = md5('session7')::uuid and seq between 4 and 10",
    ),
    "ix_passage_places_ordinal": (
        "What stands around a passage in its session.",
        "select passage_id, exchange from passage_places where session_id = md5('session7')::uuid and ordinal between 4 and 10",
    ),
    "ix_passage_places_newest": (
        "Where a passage was said, its newest place first: a search reads that one, however often it was said.",
        "select session_id, locator from passage_places where passage_id = md5('passage77')::uuid order by at desc nulls last limit 1",
    ),
    "pk_passage_cuts": (
        "Where the cutting of a session goes on after an event.",
        "select seq, state from passage_cuts where session_id = md5('session7')::uuid and seq <= 15 order by seq desc limit 1",
    ),
    "pk_session_analyses": (
        "Which analyzers a session was analysed by, and up to which event.",
        "select made_by, seq from session_analyses where session_id = md5('session7')::uuid",
    ),
    "pk_session_analysis_states": (
        "The state that a session's analysis goes on from.",
        "select seq, state from session_analysis_states where session_id = md5('session7')::uuid and seq <= 20 and made_by = '1'"
        " order by seq desc limit 1",
    ),
    "ix_session_analysis_states_created_at": (
        "The sweep of states of sessions that stand still.",
        "select session_id, seq from session_analysis_states where created_at < now() - interval '7 days' limit 1000",
    ),
    "pk_session_findings": (
        "A finding that is told again.",
        "select last from session_findings where session_id = md5('session7')::uuid and kind = 'loop' and name = 'stuck' and first = 5",
    ),
    "ix_session_findings_told": (
        "What was told last of a session, with each hook of it; what was told after a state that is gone back to. All of a session's.",
        "select kind, name, first from session_findings where session_id = md5('session7')::uuid and told > 16 order by told desc limit 20",
    ),
    "ix_session_findings_project_id": (
        "What was found in a project's sessions, when it is merged into another.",
        f"select session_id from session_findings where project_id = {PROJECT}",
    ),
    "ix_session_findings_trouble": (
        "Where a team's sessions got stuck: the latest, and by week.",
        f"select kind, name, session_id from session_findings where team_id = {TEAM} and kind in ('health', 'loop')"
        " and began_at >= now() - interval '5 days' order by began_at desc limit 100",
    ),
    "pk_trouble_episodes": (
        "A session's troubles in a stretch, with its analysis and each finding of its stream; what was told after a state that is gone back to.",
        "select told, signature from trouble_episodes where session_id = md5('session7')::uuid and first <= 9 and last >= 2 order by told limit 20",
    ),
    "ix_trouble_episodes_project_id_signature": (
        "What other sessions of a project show of a class of failure, with each nudge; a project's, when it is merged into another.",
        f"select session_id, told from trouble_episodes where project_id = {PROJECT} and signature = any(array[7, 9]::bigint[])",
    ),
    "ix_trouble_episodes_team_id": (
        "What recurs in a team's sessions, whatever the project.",
        f"select session_id, told from trouble_episodes where team_id = {TEAM}",
    ),
    "ix_session_findings_open": (
        "The trouble that sessions are in now, for a metric (partial).",
        "select kind, name, count(*) from session_findings where open and kind in ('health', 'loop') and ended_at > now() - interval '1 hour'"
        " group by kind, name",
    ),
    "pk_session_policy_violations": (
        "A violation that is noted again; whether people were told of a session and policy.",
        "select alerted from session_policy_violations where session_id = md5('session7')::uuid and policy = 'tests-stay'",
    ),
    "ix_session_policy_violations_due": (
        "What counts now (partial).",
        "select session_id, policy, seq from session_policy_violations where counted_at is null and due_at <= now() order by due_at limit 2000",
    ),
    "ix_session_policy_violations_project_id": (
        "The violations in a project's sessions, when it is merged into another.",
        f"select session_id from session_policy_violations where project_id = {PROJECT}",
    ),
    "pk_session_exchanges": (
        "A page of a session's exchanges.",
        "select number, first, last from session_exchanges where session_id = md5('session7')::uuid and number > 2 order by number limit 51",
    ),
    "pk_session_step_blocks": (
        "The steps of a stretch.",
        "select number, phases from session_step_blocks where session_id = md5('session7')::uuid and number between 1 and 3 order by number",
    ),
    "pk_session_nudges": (
        "What a session was told of already, before it is told of something.",
        "select kind, name, first, upto from session_nudges where session_id = md5('session7')::uuid",
    ),
    "ix_index_outbox_pending": (
        "What the index has yet to hear of (partial).",
        "select id, point_id from index_outbox where drained_at is null order by id limit 256",
    ),
    "ix_index_outbox_drained": (
        "What a rebuild catches up from; the sweep (partial).",
        "select point_id from index_outbox where drained_at >= now() - interval '1 minute'",
    ),
    "pk_knowledge_versions": (
        "The state of a project's knowledge, with each question that names the project.",
        f"select version from knowledge_versions where project_id = {PROJECT}",
    ),
    "ix_knowledge_versions_team_id": (
        "The state of all that a team knows, with each question that names no project.",
        "select encode(sha256(convert_to(string_agg(version::text, ',' order by project_id), 'UTF8')), 'hex')"
        f" from knowledge_versions where team_id = {TEAM}",
    ),
    "ix_jobs_ready": (
        "The oldest job that may run, whatever its priority (partial): every fourth claim.",
        "select id from jobs where state in ('queued', 'running') and run_at <= now() order by run_at limit 1",
    ),
    "ix_jobs_priority": (
        "The next job to run (partial).",
        "select id from jobs where state in ('queued', 'running') and run_at <= now() order by priority, run_at limit 1",
    ),
    "ix_jobs_lane": (
        "Whether something of a lane is under way or due before (partial).",
        "select 1 from jobs where lane = 'lane7' and state in ('queued', 'running') and created_at < now()",
    ),
    "ix_jobs_team_created": (
        "A page of a team's jobs, the newest first.",
        f"select id from jobs where team_id = {TEAM} and (created_at, id) < (now(), {TEAM}) order by created_at desc, id desc limit 200",
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
    "ix_sessions_team_updated": (
        "A team's sessions of which something came of late: those under way, and whose are captured. Of 100,000 sessions 0.2 ms, by a scan"
        " 50 ms; an append to a session takes 25 µs and 480 bytes of WAL more, as its row's update is no longer HOT.",
        f"select id from sessions where team_id = {TEAM} and updated_at >= now() - interval '15 minutes' order by updated_at desc limit 31",
    ),
    "ix_events_changed": (
        "The first event of a session that was changed since a checkpoint (partial): a projection begins there.",
        "select min(seq) from events where session_id = md5('session10')::uuid and changed > 1",
    ),
    "ix_projection_checkpoints_parked": (
        "Sessions that a projection failed on, latest first (partial).",
        "select session_id from projection_checkpoints where parked is not null order by updated_at desc limit 20",
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
    "uq_events_provisional": (
        "Did a hook tell this event before (partial)?",
        "select seq from events where session_id = md5('session7')::uuid and provisional in ('e128', 'e129') and provisional is not null",
    ),
    "ix_events_text_hash": (
        "A prompt or reply of the same words, which a hook or a transcript told before (partial).",
        "select seq from events where session_id = md5('session7')::uuid and text_hash in (hashtext('text 121'), hashtext('text 122'))",
    ),
    "pk_followed_transcripts": (
        "How far a developer's growing transcripts are journalled.",
        "select source, \"offset\" from followed_transcripts where owner_id = md5('developer7')::uuid and source > '' order by source limit 9",
    ),
    "ix_followed_transcripts_updated_at": (
        "The sweep of the offsets of files that have long not grown.",
        "delete from followed_transcripts where updated_at < now() - interval '400 days'",
    ),
    "pk_captures": (
        "By which ways a team's sessions come, of whom.",
        f"select owner_id, agent, way, last_at from captures where team_id = {TEAM}",
    ),
    "ix_uploads_created_at": (
        "The sweep of what waited too long.",
        "select id from uploads where created_at < now() - interval '49 hours'",
    ),
    "pk_upload_chunks": (
        "The next chunk of an upload.",
        "select data from upload_chunks where upload_id = md5('upload7')::uuid and seq = 0",
    ),
    "ix_sessions_developer_id": (
        "A page of a developer's sessions, to export or to erase them.",
        f"select id from sessions where developer_id = {DEVELOPER} and id > md5('session1')::uuid order by id limit 100",
    ),
    "uq_invitations_digest": (
        "An invitation by its token.",
        "select developer_id from invitations where digest = decode(md5('invitation7'), 'hex')",
    ),
    "ix_invitations_developer_id": (
        "A developer's open invitations, revoked when they are removed.",
        f"update invitations set revoked_at = now() where developer_id = {DEVELOPER} and revoked_at is null",
    ),
    "ix_invitations_key_id": (
        "The invitation that a key came from, which forgets the key with it.",
        "update invitations set key_id = null where key_id = md5('key7')::uuid",
    ),
    "uq_api_keys_lookup": (
        "Who is behind a key.",
        "select digest from api_keys where lookup = '000000000007' and revoked_at is null",
    ),
    "ix_api_keys_developer_id": (
        "How many keys a developer has.",
        f"select count(*) from api_keys where developer_id = {DEVELOPER}",
    ),
    "uq_developers_name": ("A developer by name: names are unique over all teams.", "select id from developers where name = 'developer7'"),
    "ix_developers_team_id": ("A team's developers.", f"select name from developers where team_id = {TEAM}"),
    "uq_teams_name": ("A team by name.", "select id from teams where name = 'team3'"),
    "ix_projects_closed": (
        "A team's closed projects (partial): which of them a key's developer may not see.",
        f"select id from projects p where team_id = {TEAM} and open = 'members' and merged_into is null and not exists"
        " (select from project_members where project_id = p.id and developer_id = md5('developer1')::uuid)",
    ),
    "ix_prompt_audit_team_id": (
        "A page of a team's audit of prompts, the latest first.",
        f"select action, at from prompt_audit where team_id = {TEAM} order by id desc limit 50",
    ),
    "pk_prompt_audit": ("The order of its entries, in which pages go on.", "select team_id, action from prompt_audit where id = 700"),
    "pk_project_members": (
        "Whether a developer is a member of a project.",
        "select 1 from project_members where project_id = md5('closed1')::uuid and developer_id = md5('developer1')::uuid",
    ),
    "ix_project_members_developer_id": (
        "A developer's memberships: the foreign key's cascade.",
        "select project_id from project_members where developer_id = md5('developer1')::uuid",
    ),
    "ix_projects_merged_into": (
        "What was merged into a project (partial): it follows when that one is merged in its turn; the foreign key's cascade.",
        "select id from projects where merged_into = md5('project10')::uuid",
    ),
    "uq_projects_team_id_identity": (
        "The project of a session, by its repository or folder.",
        "select id from projects where team_id = md5('team1')::uuid and identity = 'folder:shop'",
    ),
    "uq_projects_team_id_name": (
        "A project by name, at each ingest and query.",
        f"select id from projects where team_id = {TEAM} and name = 'project10'",
    ),
    "pk_budget_limits": (
        "What was set for a subject, when its month is opened.",
        f"select unit, amount from budget_limits where subject_id = {DEVELOPER}",
    ),
    "pk_budget_balances": (
        "The two balances that a hold locks, in order. A subject's month is read the same way.",
        f"select 1 from budget_balances where (subject_id, period_start) in (values ({DEVELOPER}, {MONTH}), (md5('team3')::uuid, {MONTH}))"
        " order by subject_id, period_start for update",
    ),
    "pk_budget_holds": (
        "The holds that end, locked by id.",
        "select 1 from budget_holds where id in (md5('hold7')::uuid, md5('hold8')::uuid) order by id for update",
    ),
    "uq_budget_holds_request_id_attempt": (
        "Whether an attempt has its hold already: an attempt has one.",
        "select 1 from budget_holds where request_id = 'request7' and attempt = 1",
    ),
    "ix_budget_holds_open": (
        "A process's holds that are open for longer than an answer takes (partial). Also the sweep of the dead's, and the recount.",
        "select id from budget_holds where state = 'held' and process_id = md5('process3')::uuid"
        " and created_at < now() - interval '10 seconds'",
    ),
    "ix_budget_holds_unreconciled_developer": (
        "A developer's holds whose outcome is unknown, the oldest first (partial).",
        f"select id from budget_holds where developer_id = {DEVELOPER} and state = 'unreconciled' order by created_at limit 1000",
    ),
    "ix_budget_holds_unreconciled_team": (
        "The same of a team: what of its month is unreconciled.",
        f"select sum(nanousd) from budget_holds where team_id = {TEAM} and state = 'unreconciled' and period_start = {MONTH}",
    ),
    "ix_budget_movements_developer": (
        "A page of a developer's history, the newest first.",
        f"select at, kind, nanousd from budget_movements where developer_id = {DEVELOPER} and id < 20000 order by id desc limit 50",
    ),
    "ix_budget_movements_team": (
        "The same of a team, here of a quiet one. The code has the query; no route asks for it yet.",
        "select at, kind, nanousd from budget_movements where team_id = md5('quiet team')::uuid and id < 20000 order by id desc limit 50",
    ),
    "pk_budget_movements": (
        "The same of a busy team: a fifth of all movements are its own, so the newest of all are read until there are enough.",
        f"select at, kind, nanousd from budget_movements where team_id = {TEAM} and id < 20000 order by id desc limit 50",
    ),
    "ix_budget_movements_period": (
        "Where a developer's month went, for the dashboard: with the day of each hold and the purpose of each request.",
        "select h.day, m.provider, m.model, r.purpose, sum(m.nanousd) from budget_movements m join budget_holds h on h.id = m.hold_id"
        f" left join request_log r on r.request_id = m.request_id where m.period_start = {MONTH} and m.developer_id = {DEVELOPER}"
        " group by h.day, m.provider, m.model, r.purpose",
    ),
    "ix_budget_movements_limits": (
        "Who changed whose limit in a team, the latest first (partial: a few of thousands).",
        f"select at, kind, developer_id, amount, actor, note from budget_movements where team_id = {TEAM} and kind in ('limit', 'top_up')"
        " order by id desc limit 8",
    ),
    "pk_budget_days": (
        "Teams above the daily figure. A settlement adds to its day. The dashboard reads a month of many subjects.",
        f"select subject_id, tokens from budget_days where subject_id in ({TEAM}, md5('team3')::uuid) and day = current_date"
        " and tokens > 100000",
    ),
    "pk_budget_spend_days": (
        "A team's spending over any range with a filter, from the dashboard's page Spend. A roll-up adds to its rows.",
        "select model, provider, sum(nanousd) from budget_spend_days where team_id = md5('team1')::uuid"
        " and day between current_date - 60 and current_date and project = 'project1' group by model, provider",
    ),
    "ix_budget_spend_days_developer": (
        "The same of one developer: what everybody may see of themselves.",
        f"select model, provider, sum(nanousd) from budget_spend_days where developer_id = {DEVELOPER}"
        " and day between current_date - 60 and current_date group by model, provider",
    ),
    "pk_budget_spend_parts": (
        "A team's spending over any range by one dimension, without a filter: a quarter of the rows, and those of a range lie together.",
        "select key, provider, sum(nanousd) from budget_spend_parts where team_id = md5('team1')::uuid and dimension = 'model'"
        " and day between current_date - 60 and current_date group by key, provider",
    ),
    "pk_budget_rollups": (
        "How far the roll-ups reach, by whoever reads them, and locked by whoever adds to them.",
        "select upto from budget_rollups where name = 'spend_days' for update skip locked",
    ),
    "ix_budget_movements_changed": (
        "By how much the charges of the calls on a page changed since they ended (partial: hardly any did, so it costs a settlement nothing).",
        "select request_id, sum(nanousd) from budget_movements where kind in ('reconcile', 'correction')"
        " and request_id in ('request7', 'request8') group by request_id",
    ),
    "pk_budget_processes": (
        "A heartbeat.",
        "insert into budget_processes (id) values (md5('process3')::uuid) on conflict (id) do update set seen_at = now()",
    ),
    "uq_budget_alerts_subject_id_period_start_rule": (
        "What was said of a subject this month. An alert that is there already isn't stored again.",
        f"select subject_id, rule from budget_alerts where subject_id in ({DEVELOPER}, {TEAM}) and period_start = {MONTH} order by created_at",
    ),
    "uq_request_log_request_id": (
        "A request that is logged twice is one row. The code doesn't name the conflict's column; named, EXPLAIN shows the index.",
        "insert into request_log (request_id, developer_id, team_id, purpose, model_asked, attempts, cache, nanousd, saved_nanousd,"
        f" milliseconds, status) values ('request7', {DEVELOPER}, {TEAM}, 'chat', 'fast', 0, 'memory', 0, 16500000, 2, 200)"
        " on conflict (request_id) do nothing",
    ),
    "ix_request_log_developer": (
        "A developer's last calls; what caches saved them this month.",
        f"select at, model_answered, nanousd, status from request_log where developer_id = {DEVELOPER} order by at desc limit 50",
    ),
    "ix_request_log_team": (
        "What a team's sessions cost since a day, the latest calls first.",
        f"select developer_id, session, max(at), sum(nanousd) from request_log where team_id = {TEAM} and session is not null"
        " and at >= now() - interval '1 day' group by team_id, developer_id, session order by max(id) desc limit 51",
    ),
    "ix_request_log_session": (
        "What one session cost, by agent and model. Partial: calls of coding agents only.",
        "select agent, model_answered, count(*), sum(nanousd) from request_log where session = 's' || (extract(epoch from now())::bigint"
        f" / 30000)::text and team_id = {TEAM} group by agent, model_answered",
    ),
    "ix_request_log_agent": (
        "The same of a sub-agent with a transcript of its own, whose calls name another session. Partial: calls of sub-agents only.",
        f"select agent, model_answered, count(*), sum(nanousd) from request_log where agent = 'a7' and team_id = {TEAM}"
        " group by agent, model_answered",
    ),
    "pk_hook_sessions": (
        "What a session was given, gone with it: the cascade.",
        "select s.knowledge_id from hook_sessions h join served_knowledge s on s.hook_session_id = h.id where h.id = md5('hooked7')::uuid",
    ),
    "uq_hook_sessions_team_id_agent_session": (
        "Where a session works, with its first hook at a server.",
        f"select project, repository from hook_sessions where team_id = {TEAM} and agent = 'claude-code' and session = 's7'",
    ),
    "ix_hook_sessions_registered_at": (
        "Registrations that are too old, swept by a worker.",
        "delete from hook_sessions where registered_at < now() - interval '30 days'",
    ),
    "ix_project_policies_project_id_changed_at": (
        "What a project says of its policies, the newest first.",
        "select content, changed_at, changed_by from project_policies where project_id = md5('project7')::uuid order by changed_at desc limit 10",
    ),
    "pk_served_knowledge": (
        "What a session was given already, with every prompt.",
        "select knowledge_id from served_knowledge where hook_session_id = md5('hooked7')::uuid",
    ),
    "pk_sign_ins": (
        "Whether a sign-in and its key still are, with every page.",
        "select k.revoked_at from sign_ins s left join api_keys k on k.id = s.key_id where s.id = md5('sign-in7')::uuid and s.ends_at > now()",
    ),
    "ix_sign_ins_ends_at": ("What is over, swept when somebody signs in.", "delete from sign_ins where ends_at <= now()"),
    "ix_sign_ins_key_id": (
        "The foreign key's cascade, when a developer is deleted.",
        "delete from sign_ins where key_id = md5('key7')::uuid",
    ),
    "ix_sign_ins_openid_account_id": (
        "The foreign key's cascade, when a developer's account at an OpenID provider is unlinked.",
        "delete from sign_ins where openid_account_id = md5('account7')::uuid",
    ),
    "pk_openid_accounts": (
        "Whose a sign-in with an OpenID provider is, with every page.",
        "select a.developer_id, a.issuer from sign_ins s join openid_accounts a on a.id = s.openid_account_id"
        " where s.id = md5('openid' || md5('account7')::uuid)::uuid",
    ),
    "uq_openid_accounts_issuer_subject": (
        "Who somebody is that a provider has identified.",
        "select id, developer_id from openid_accounts where issuer = 'https://login.example.com' and subject = md5('developer7')",
    ),
    "uq_openid_accounts_developer_id_issuer": (
        "Whether a developer has an account there already; the foreign key's cascade.",
        "select id from openid_accounts where developer_id = md5('developer7')::uuid and issuer = 'https://login.example.com'",
    ),
    "ix_openid_accounts_awaited": (
        "The developer whom an admin has linked an address to, at its first sign-in (partial: only those that are awaited).",
        "select id from openid_accounts where issuer = 'https://login.example.com' and email = 'ada@example.com' and subject is null for update",
    ),
    "pk_knowledge_unanswered": (
        "A question that found nothing, asked again; a team's, at most 200.",
        f"select question, times from knowledge_unanswered where team_id = {TEAM} order by times desc limit 15",
    ),
    "pk_cache_entries": (
        "A value of a cache.",
        "select value from cache_entries where cache = 'completions' and key = decode(md5('entry7'), 'hex') and ends_at > now()",
    ),
    "ix_cache_entries_ends_at": (
        "The sweep of what has ended.",
        "delete from cache_entries where ends_at <= now() - interval '1 hour'",
    ),
    "pk_idempotency_keys": (
        "What became of a request with an idempotency key.",
        f"select status, body from idempotency_keys where team_id = {TEAM} and owner = 'admin' and key_digest = decode(md5('key5'), 'hex') for update",
    ),
    "ix_idempotency_keys_created_at": (
        "The sweep of keys older than a day.",
        "delete from idempotency_keys where created_at <= now() - interval '24 hours'",
    ),
    "ix_messages_place": (
        "The trimming of a channel, and what a new group begins with.",
        f"delete from messages where team_id = {TEAM} and channel = 'channel5' and id <= (select id from messages"
        f" where team_id = {TEAM} and channel = 'channel5' order by id desc offset 500 limit 1)",
    ),
    "ix_messages_at": ("The sweep of what is too old.", "delete from messages where at < now() - interval '168 hours'"),
    "pk_messages": ("What was taken, with its words.", "select sender, type, payload from messages where id in (70, 77, 84)"),
    "uq_message_groups_team_id_channel_name": (
        "The groups of a channel, each to be given what is put; one of them, at each receive.",
        f"select id from message_groups where team_id = {TEAM} and channel = 'channel5'",
    ),
    "ix_message_deliveries_due": (
        "What a group may take: new, or left by a consumer who fell silent.",
        "select message_id from message_deliveries where group_id = 7 and visible_at <= now() order by visible_at, message_id limit 10"
        " for update skip locked",
    ),
    "pk_message_deliveries": (
        "An acknowledgement; a message is given to a group once.",
        "delete from message_deliveries where group_id = 7 and message_id = 70 and consumer is not null",
    ),
    "ix_message_deliveries_message_id": (
        "The foreign key's cascade, for each message that is trimmed.",
        "delete from message_deliveries where message_id = 70",
    ),
    "ix_message_dead_letters_place": (
        "A channel's dead letters, the latest first.",
        f"select message_id, payload from message_dead_letters where team_id = {TEAM} and channel = 'channel5' order by id desc limit 100",
    ),
    "ix_message_dead_letters_died_at": (
        "The sweep of the old ones.",
        "delete from message_dead_letters where died_at < now() - interval '720 hours'",
    ),
    "ix_budget_movements_corrects": (
        "What a movement was corrected by until now.",
        "select sum(nanousd) from budget_movements where corrects = 4711",
    ),
    "ix_notices_due": (
        "The next notices to post, the longest waiting first (partial: what was taken or given up waits no more).",
        "select id from notices where next_at <= now() order by next_at limit 20 for update skip locked",
    ),
    "pk_notices": ("A notice that the webhook took.", "update notices set delivered_at = now() where id = md5('notice7')::uuid"),
    "pk_rollup_minutes": (
        "An hour of minutes, of all processes.",
        "select minute, data from rollup_minutes where minute >= now() - interval '1 hour' and minute < now() order by minute",
    ),
    "pk_rollup_spans": (
        "A day in steps of ten minutes.",
        "select at, data from rollup_spans where seconds = 600 and at >= now() - interval '1 day' and at < now() order by at",
    ),
    "pk_alert_states": ("How an alert stands.", "select state, since from alert_states where rule = 'rule7' and key = ''"),
    "pk_alert_turns": ("Whose turn it is.", "select at from alert_turns where name = 'rules' for update skip locked"),
    "ix_alert_history_resolved_at": (
        "The last alerts that are over.",
        "select rule, summary from alert_history order by resolved_at desc limit 50",
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
            database = await Database.open(
                config.DatabaseSettings(statement_timeout_seconds=300), url, name="explain", pool_size=1, max_overflow=0
            )
            for statement in filter(str.strip, FILL.split(";\n")):
                async with database.begin() as connection:
                    await connection.exec_driver_sql(statement)
            # As autovacuum leaves the tables: it is what lets a query be answered from the index alone.
            direct = DedicatedConnection(config.DatabaseSettings(), url, name="vacuum", timeout_seconds=300)
            await direct.value("vacuum analyze")
            await direct.close()
            async with database.begin() as connection:
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

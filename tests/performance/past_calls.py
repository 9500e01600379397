"""Calls and sessions of the past, as the tables hold them: statements that write them past the door, into empty tables.

Each is one INSERT from a SELECT, within the server: faster than COPY, for which the rows would have to come from here.
"""

from __future__ import annotations


def past_calls(rows: int, *, developers: int = 500, days: int = 90) -> list[str]:
    """So many calls, shared out evenly among the developers of the team `big` and over the last days."""
    return FILL.format(rows=rows, developers=developers, days=days).split(";\n")


def a_year(rows: int = 1_500_000, *, developers: int = 50) -> list[str]:
    """A year until now of a team of fifty: each working day of a developer has four sessions, each of one project and mostly one model.

    1.5 million are 120 calls a developer and working day. One call of eight is answered by a cache, one of fifty refused, one of two hundred corrected.
    """
    return YEAR.format(rows=rows, developers=developers, a_day=max(1, rows // (developers * 261))).split(";\n")


def a_year_of_sessions(*, developers: int = 50, events: int = 12) -> list[str]:
    """The sessions of `a_year`, which has to be there: 52,000 of fifty developers, each with so many events and a passage.

    Every second one taught an item. Their vectors are arbitrary, and no projection is behind: what is measured is reading.
    """
    return SESSIONS.format(developers=developers, events=events, vector=VECTOR).split(";\n")


YEAR = """
insert into teams (id, name) values (md5('t')::uuid, 'big');
insert into developers (id, team_id, name, monthly_limit_nanousd)
  select md5('d' || n)::uuid, md5('t')::uuid, 'developer' || lpad(n::text, 3, '0'), 800000000000 from generate_series(0, {developers} - 1) n;
create unlogged table made_calls as
  select row_number() over (order by at) as n, c.* from (
    select d, day::date as day, day + interval '8 hours' + interval '9 hours' * (k / {a_day}.0) + interval '1 second' * (d % 50) as at,
           'session-' || d || '-' || day::date || '-' || (k * 4 / {a_day}) as session,
           'project' || ((d + k * 4 / {a_day}) % 12) as project,
           1 + (d + k * 4 / {a_day} + case when k % 10 = 0 then 1 else 0 end) % 4 as model,
           case when k % 8 = 7 then 'memory' else 'miss' end as cache, case when k % 50 = 49 then 402 when k % 97 = 96 then 502 else 200 end as status,
           (array['chat','chat','review','tests'])[1 + (k / 3) % 4] as purpose, 300 + (k * 7919 + d * 104729) % 9000 as milliseconds,
           1000000 + (k * 7919 + d * 104729) % 30000000 as nanousd
    from generate_series(date_trunc('day', now()) - interval '364 days', date_trunc('day', now()), interval '1 day') day,
         generate_series(0, {developers} - 1) d, generate_series(0, {a_day} - 1) k
    where extract(isodow from day) < 6) c where at < now();
insert into budget_holds (id, request_id, attempt, developer_id, team_id, period_start, day, process_id, provider, model, nanousd, tokens, state,
                          created_at, ended_at)
  select md5('h' || n)::uuid, md5('r' || n), 1, md5('d' || d)::uuid, md5('t')::uuid, date_trunc('month', at), day, md5('p')::uuid,
         (array['groq','anthropic','openai','gemini'])[model], (array['llama','claude','gpt','flash'])[model],
         40000000, 6000, 'settled', at, at + interval '2 s' from made_calls where cache = 'miss' and status = 200 order by n;
insert into budget_movements (at, kind, mark, developer_id, team_id, period_start, hold_id, request_id, attempt, provider, model, input_tokens,
                              output_tokens, cached_input_tokens, held_nanousd, nanousd, tokens)
  select at + interval '2 s', 'settle', 'usage', md5('d' || d)::uuid, md5('t')::uuid, date_trunc('month', at), md5('h' || n)::uuid, md5('r' || n), 1,
         (array['groq','anthropic','openai','gemini'])[model], (array['llama','claude','gpt','flash'])[model], 3000, 500, 100, 40000000, nanousd, 3500
  from made_calls where cache = 'miss' and status = 200 order by n;
insert into budget_movements (at, kind, mark, developer_id, team_id, period_start, hold_id, request_id, attempt, provider, model, nanousd, corrects)
  select at + interval '1 day', 'correction', 'corrected', developer_id, team_id, period_start, hold_id, request_id, attempt, provider, model, -500000, id
  from budget_movements where id % 200 = 0 order by id;
insert into request_log (at, request_id, developer_id, team_id, purpose, project, session, model_asked, provider, model_answered, attempts, cache, nanousd,
                         saved_nanousd, milliseconds, status, input_tokens, output_tokens, cached_input_tokens)
  select at + interval '2 s', md5('r' || n), md5('d' || d)::uuid, md5('t')::uuid, purpose, project, session, 'auto',
         case when status = 200 then (array['groq','anthropic','openai','gemini'])[model] end,
         case when status = 200 then (array['llama','claude','gpt','flash'])[model] end, case when cache = 'miss' and status = 200 then 1 else 0 end,
         cache, case when cache = 'miss' and status = 200 then nanousd else 0 end, case when cache = 'miss' then 0 else nanousd end,
         case when status = 402 then 3 when cache = 'miss' then milliseconds else 4 end, status, 3000, 500, 100 from made_calls order by n;
drop table made_calls;
insert into budget_days (subject_id, day, nanousd, tokens)
  select subject, day, sum(m.nanousd), sum(m.tokens) from budget_movements m join budget_holds h on h.id = m.hold_id,
         lateral (values (m.developer_id), (m.team_id)) s(subject) group by 1, 2;
insert into budget_balances (subject_id, subject, period_start, period_end, limit_nanousd, spent_nanousd, spent_tokens)
  select s.id, s.subject, period_start, period_start + interval '1 month', case when s.subject = 'developer' then 800000000000 end, sum(nanousd), sum(tokens)
  from budget_movements, lateral (values ('developer', developer_id), ('team', team_id)) s(subject, id) group by 1, 2, 3
"""

FILL = """
insert into teams (id, name) values (md5('t')::uuid, 'big');
insert into developers (id, team_id, name, monthly_limit_nanousd)
  select md5('d' || n)::uuid, md5('t')::uuid, 'developer' || lpad(n::text, 3, '0'), 80000000000 from generate_series(0, {developers} - 1) n;
insert into budget_holds (id, request_id, attempt, developer_id, team_id, period_start, day, process_id, provider, model, nanousd, tokens, state,
                          created_at, ended_at)
  select md5('h' || n)::uuid, md5('r' || n), 1, md5('d' || (n % {developers}))::uuid, md5('t')::uuid, date_trunc('month', at), at::date, md5('p')::uuid,
         (array['groq','anthropic','openai','gemini'])[1 + (n / {developers}) % 4], (array['llama','claude','gpt','flash'])[1 + (n / {developers}) % 4],
         40000000, 6000, 'settled', at, at + interval '2 s'
  from generate_series(1, {rows}) n, lateral (select now() - interval '{days} days' * (1 - n / {rows}.0) as at) moment;
insert into budget_movements (at, kind, mark, developer_id, team_id, period_start, hold_id, request_id, attempt, provider, model, input_tokens,
                              output_tokens, cached_input_tokens, held_nanousd, nanousd, tokens)
  select ended_at, 'settle', 'usage', developer_id, team_id, period_start, id, request_id, 1, provider, model, 3000, 500, 100, nanousd, 16500000, 3500
  from budget_holds order by created_at;
insert into request_log (at, request_id, developer_id, team_id, purpose, model_asked, provider, model_answered, attempts, cache, nanousd,
                         saved_nanousd, milliseconds, status)
  select created_at, request_id, developer_id, team_id, (array['chat','review','tests'])[1 + abs(hashtext(request_id) % 3)], model, provider, model, 1,
         case when hashtext(request_id) % 9 = 0 then 'memory' else 'miss' end, nanousd, 0, 9000, 200 from budget_holds order by created_at;
insert into budget_days (subject_id, day, nanousd, tokens)
  select developer_id, day, count(*) * 16500000, sum(tokens) from budget_holds group by 1, 2
  union all select team_id, day, count(*) * 16500000, sum(tokens) from budget_holds group by 1, 2;
insert into budget_balances (subject_id, subject, period_start, period_end, limit_nanousd, spent_nanousd)
  select developer_id, 'developer', period_start, period_start + interval '1 month', 80000000000, count(*) * 16500000 from budget_holds group by 1, 3
  union all select team_id, 'team', period_start, period_start + interval '1 month', null, count(*) * 16500000 from budget_holds group by 1, 3
"""

VECTOR = r"decode(repeat(regexp_replace(md5(title), '(....)', '\1003f', 'g'), 48), 'hex')"
"""384 float32 between 0.5 and 1, by the title."""
SESSIONS = """
insert into projects (id, team_id, name) select md5('p' || n)::uuid, md5('t')::uuid, 'project' || n from generate_series(0, 11) n;
insert into sessions (id, team_id, project_id, developer_id, provider, external_id, title, transcript, directory, branch, model, started_at, ended_at,
                      event_count, revision, created_at, updated_at)
  select md5('s' || n)::uuid, md5('t')::uuid, md5('p' || (d + s) % 12)::uuid, md5('d' || d)::uuid, (array['claude-code','codex','cursor'])[1 + d % 3],
         'session-' || d || '-' || day::date || '-' || s,
         (array['Fix the rounding of','Deploy the new','Speed up the search in','Write tests for'])[1 + s] || ' part ' || n,
         'session-' || n || '.jsonl', '/home/dev/project' || (d + s) % 12, 'main', 'claude', at, at + interval '40 minutes', {events}, 1, at, at
  from (select row_number() over (order by day, s, d) as n, d, day, s, day + interval '8 hours' + interval '2 hours' * s as at
        from generate_series(date_trunc('day', now()) - interval '364 days', date_trunc('day', now()), interval '1 day') day,
             generate_series(0, {developers} - 1) d, generate_series(0, 3) s where extract(isodow from day) < 6) made where at < now();
insert into events (session_id, seq, event_id, role, kind, text, locator, at)
  select id, seq, 'e' || seq, (array['user','assistant'])[1 + seq % 2], (array['prompt','reply'])[1 + seq % 2], 'The invoice rounds half up in step ' || seq || ' of ' || external_id,
         'L' || seq, started_at + interval '2 minutes' * seq from sessions, generate_series(1, {events}) seq where team_id = md5('t')::uuid;
insert into knowledge (id, team_id, project_id, developer_id, type, title, text, confidence, embedding, embedding_model, created_at, last_seen_at)
  select md5('i' || substr(transcript, 9))::uuid, team_id, project_id, developer_id,
         (array['gotcha','bug_solution','architectural_decision','tool_usage'])[1 + event_seed % 4], 'What was learnt: ' || title,
         'It was found that ' || title || ' has to round before it adds, or the sums differ.', 0.8, {vector}, 'none', started_at, started_at
  from (select *, substr(transcript, 9, length(transcript) - 14)::int as event_seed from sessions where team_id = md5('t')::uuid) s
  where event_seed % 2 = 1;
insert into knowledge_evidence (id, knowledge_id, session_id, candidate_key, event_id, locator, transcript, excerpt, type, title, text, confidence,
                                embedding, embedding_model, at, created_at)
  select md5('v' || k.id)::uuid, k.id, s.id, 'one', 'e2', 'L2', s.transcript, 'round before it adds', k.type, k.title, k.text, 0.8, k.embedding, 'none',
         s.started_at, s.started_at
  from sessions s join knowledge k on k.id = md5('i' || substr(s.transcript, 9))::uuid;
insert into passages (id, team_id, project_id, key, text, heading, tokens, terms, embedding, made_by, late, created_at)
  select md5('g' || s.id || n)::uuid, team_id, project_id, sha256((s.id::text || n)::bytea), 'What was said of ' || title, 'said', 40, array[n, n + 1],
         {vector}, 'none', '\\x00', started_at from sessions s, generate_series(1, 1) n where team_id = md5('t')::uuid
"""

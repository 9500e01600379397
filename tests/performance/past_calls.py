"""Calls of the past, as the ledger and the request log hold them: statements that write them past the door, into empty tables."""

from __future__ import annotations


def past_calls(rows: int, *, developers: int = 500, days: int = 90) -> list[str]:
    """So many calls, shared out evenly among the developers of the team `big` and over the last days."""
    return FILL.format(rows=rows, developers=developers, days=days).split(";\n")


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

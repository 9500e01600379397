-- Add the spending of the movements after one id and up to another to the roll-ups, by day and by all that it is broken down by, and by
-- each of these alone. One statement: the movements are read once. Called by app/budget/spend_rollup.py, with the roll-ups' state locked.
with movements as materialized (
    select m.team_id, h.day, m.developer_id, coalesce(m.provider, '') as provider, coalesce(m.model, '') as model,
        coalesce(r.purpose, '') as purpose, coalesce(r.project, '') as project, coalesce(r.session, '') as session,
        count(*) filter (where m.kind in ('settle', 'unreconciled')) as attempts, sum(m.nanousd)::bigint as nanousd,
        coalesce(sum(m.input_tokens), 0)::bigint as input_tokens, coalesce(sum(m.output_tokens), 0)::bigint as output_tokens,
        coalesce(sum(m.cached_input_tokens), 0)::bigint as cached_input_tokens
    from budget_movements m join budget_holds h on h.id = m.hold_id left join request_log r on r.request_id = m.request_id
    where m.id > :after and m.id <= :upto
    group by 1, 2, 3, 4, 5, 6, 7, 8
), days as (
    insert into budget_spend_days as s (team_id, day, developer_id, provider, model, purpose, project, session,
        attempts, nanousd, input_tokens, output_tokens, cached_input_tokens)
    select * from movements
    on conflict (team_id, day, developer_id, provider, model, purpose, project, session) do update set
        attempts = s.attempts + excluded.attempts, nanousd = s.nanousd + excluded.nanousd,
        input_tokens = s.input_tokens + excluded.input_tokens, output_tokens = s.output_tokens + excluded.output_tokens,
        cached_input_tokens = s.cached_input_tokens + excluded.cached_input_tokens
)
insert into budget_spend_parts as s (team_id, dimension, day, developer_id, key, provider,
    attempts, nanousd, input_tokens, output_tokens, cached_input_tokens)
select m.team_id, d.dimension, m.day, m.developer_id, d.key, d.provider,
    sum(m.attempts), sum(m.nanousd), sum(m.input_tokens), sum(m.output_tokens), sum(m.cached_input_tokens)
from movements m, lateral (values ('model', m.model, m.provider), ('provider', m.provider, ''), ('project', m.project, ''),
    ('purpose', m.purpose, ''), ('session', m.session, '')) as d(dimension, key, provider)
group by 1, 2, 3, 4, 5, 6
on conflict (team_id, dimension, day, developer_id, key, provider) do update set
    attempts = s.attempts + excluded.attempts, nanousd = s.nanousd + excluded.nanousd,
    input_tokens = s.input_tokens + excluded.input_tokens, output_tokens = s.output_tokens + excluded.output_tokens,
    cached_input_tokens = s.cached_input_tokens + excluded.cached_input_tokens

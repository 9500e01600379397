-- Read what is left of the balances that holds would draw on, in both units; null: no limit. Not open: the month's balances, or that of a
-- key with a limit, are missing still.
select coalesce(json_agg(json_build_object(
    'open', r.balances = 2 and (r.keys = 1 or not r.limited), 'nanousd', r.nanousd, 'tokens', r.tokens) order by r.place), '[]')
from (
    select x.place, count(*) filter (where b.subject <> 'key') as balances, count(*) filter (where b.subject = 'key') as keys,
        exists (select from budget_limits l where l.subject_id = x.key_id and l.unit = 'nanousd' and l.amount is not null) as limited,
        min(b.limit_nanousd + b.added_nanousd - b.spent_nanousd - b.held_nanousd) as nanousd,
        min(b.limit_tokens - b.spent_tokens - b.held_tokens) as tokens
    from jsonb_to_recordset($1::jsonb) as x(place int, developer_id uuid, team_id uuid, key_id uuid, period_start timestamptz)
    left join budget_balances b on b.subject_id in (x.developer_id, x.team_id, x.key_id) and b.period_start = x.period_start
    group by x.place, x.key_id
) r

-- Read what is left of the balances that holds would draw on, in both units; null: no limit. Fewer than two balances: the month isn't open yet.
select coalesce(json_agg(json_build_object('balances', r.balances, 'nanousd', r.nanousd, 'tokens', r.tokens) order by r.place), '[]')
from (
    select x.place, count(b.subject_id) as balances,
        min(b.limit_nanousd + b.added_nanousd - b.spent_nanousd - b.held_nanousd) as nanousd,
        min(b.limit_tokens - b.spent_tokens - b.held_tokens) as tokens
    from jsonb_to_recordset($1::jsonb) as x(place int, developer_id uuid, team_id uuid, period_start timestamptz)
    left join budget_balances b on b.subject_id in (x.developer_id, x.team_id) and b.period_start = x.period_start
    group by x.place
) r

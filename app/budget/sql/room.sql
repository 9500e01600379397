-- Read what is left of the balances that a hold would draw on, in both units; null: no limit. Fewer than two: the month isn't open yet.
select json_build_object(
    'balances', count(*),
    'nanousd', min(b.limit_nanousd + b.added_nanousd - b.spent_nanousd - b.held_nanousd),
    'tokens', min(b.limit_tokens - b.spent_tokens - b.held_tokens))
from budget_balances b
where b.subject_id in ($1, $2) and b.period_start = $3

-- End holds: settle, release, or leave unreconciled. One statement for many, each hold once. Called by app/budget/ledger.py.
-- No end charges more than was held, so that spent + held never passes a limit, whatever a provider reports. What costs more is
-- marked `overrun`: the movement keeps the tokens that were reported. Locks holds by id, then balances by subject and period.
create or replace function budget_settle(batch jsonb) returns jsonb language plpgsql
    set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
    ended jsonb;
    changes jsonb;
    spent jsonb;
    balances jsonb;
begin
    perform pg_advisory_xact_lock_shared(3390832645);  -- as budget_hold takes it, against whoever gives a key a limit
    perform 1 from budget_holds h where h.id = any (array(select (e->>'id')::uuid from jsonb_array_elements(batch) e))
    order by h.id for update;

    -- Of several ends of one hold in a batch the first that is final, as if they had come one after the other.
    with given as (
        select distinct on (x.id) x.* from jsonb_to_recordset(batch) as x(
            id uuid, kind text, mark text, nanousd bigint, tokens bigint, input_tokens bigint, output_tokens bigint,
            cached_input_tokens bigint, cache_write_tokens bigint, provider text, model text, price jsonb, actor text, note text, place int)
        order by x.id, x.kind = 'unreconciled', x.place
    ), ending as (
        select g.*, h.state as was, h.developer_id, h.team_id, h.key_id, h.period_start, h.day, h.request_id, h.attempt,
            h.provider as held_provider, h.model as held_model, h.nanousd as held_nanousd,
            case when h.state = 'held' then h.nanousd else 0 end as freed_nanousd,
            case when h.state = 'held' then h.tokens else 0 end as freed_tokens,
            g.kind = 'settle' and (g.nanousd > h.nanousd or g.tokens > h.tokens) as overrun,
            case g.kind when 'settle' then least(g.nanousd, h.nanousd) when 'release' then 0 else h.nanousd end
                - case when h.state = 'unreconciled' then h.nanousd else 0 end as spent_nanousd,
            case g.kind when 'settle' then least(g.tokens, h.tokens) when 'release' then 0 else h.tokens end
                - case when h.state = 'unreconciled' then h.tokens else 0 end as spent_tokens
        from given g join budget_holds h on h.id = g.id
        where h.state = 'held' or (h.state = 'unreconciled' and g.kind <> 'unreconciled')
    ), closed as (
        update budget_holds h set ended_at = clock_timestamp(),
            state = case e.kind when 'settle' then 'settled' when 'release' then 'released' else 'unreconciled' end
        from ending e where h.id = e.id
    ), written as (
        insert into budget_movements (kind, mark, developer_id, team_id, period_start, hold_id, request_id, attempt, provider, model,
            input_tokens, output_tokens, cached_input_tokens, cache_write_tokens, held_nanousd, nanousd, tokens, price, actor, note)
        select case when e.was = 'unreconciled' then 'reconcile' when e.kind = 'settle' then 'settle' else 'unreconciled' end,
            case when e.overrun then 'overrun' else e.mark end,
            e.developer_id, e.team_id, e.period_start, e.id, e.request_id, e.attempt, coalesce(e.provider, e.held_provider),
            coalesce(e.model, e.held_model), e.input_tokens, e.output_tokens, e.cached_input_tokens, e.cache_write_tokens,
            e.held_nanousd, e.spent_nanousd, e.spent_tokens, e.price, e.actor, e.note
        from ending e where not (e.kind = 'release' and e.was = 'held') order by e.id
    ), subjects as (
        select developer_id as subject_id, period_start, day, freed_nanousd, freed_tokens, spent_nanousd, spent_tokens from ending
        union all select team_id, period_start, day, freed_nanousd, freed_tokens, spent_nanousd, spent_tokens from ending
        -- A key that has no balance is counted nowhere. It has no days either.
        union all select key_id, period_start, null, freed_nanousd, freed_tokens, spent_nanousd, spent_tokens from ending
            where key_id is not null
    ), changed as (
        select subject_id, period_start, sum(freed_nanousd) as freed_nanousd, sum(freed_tokens) as freed_tokens,
            sum(spent_nanousd) as spent_nanousd, sum(spent_tokens) as spent_tokens
        from subjects group by subject_id, period_start
    ), days as (
        select subject_id, day, sum(spent_nanousd) as nanousd, sum(spent_tokens) as tokens
        from subjects where day is not null group by subject_id, day
    )
    select
        (select jsonb_agg(jsonb_build_object('id', e.id, 'developer_id', e.developer_id, 'was', e.was, 'spent', e.spent_nanousd,
            'above', case when e.overrun then 'overrun' when e.mark = 'disputed' then 'disputed' end)) from ending e),
        (select jsonb_agg(to_jsonb(c)) from changed c),
        (select jsonb_agg(to_jsonb(d)) from days d where d.nanousd <> 0 or d.tokens <> 0)
    into ended, changes, spent;
    if ended is null then
        return '{"ended": [], "balances": []}';
    end if;

    -- Locked as late as can be, in one order; the days of a subject are guarded by its balance.
    perform 1 from budget_balances b
    where (b.subject_id, b.period_start) in (
        select c.subject_id, c.period_start from jsonb_to_recordset(changes) as c(subject_id uuid, period_start timestamptz))
    order by b.subject_id, b.period_start for update;

    with moved as (
        update budget_balances b set
            held_nanousd = b.held_nanousd - c.freed_nanousd, held_tokens = b.held_tokens - c.freed_tokens,
            spent_nanousd = b.spent_nanousd + c.spent_nanousd, spent_tokens = b.spent_tokens + c.spent_tokens
        from jsonb_to_recordset(changes) as c(subject_id uuid, period_start timestamptz,
            freed_nanousd bigint, freed_tokens bigint, spent_nanousd bigint, spent_tokens bigint)
        where b.subject_id = c.subject_id and b.period_start = c.period_start
        returning b.*
    ), days as (
        insert into budget_days (subject_id, day, nanousd, tokens)
        select d.* from jsonb_to_recordset(coalesce(spent, '[]')) as d(subject_id uuid, day date, nanousd bigint, tokens bigint)
        order by d.subject_id, d.day
        on conflict (subject_id, day) do update set
            nanousd = budget_days.nanousd + excluded.nanousd, tokens = budget_days.tokens + excluded.tokens
    )
    select coalesce(jsonb_agg(to_jsonb(m)), '[]') into balances from moved m where m.subject <> 'key';
    return jsonb_build_object('ended', ended, 'balances', balances);
end $$

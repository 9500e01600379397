-- Begin holds: reserve the worst case of many attempts, each against the balances of its developer and its team, and of its key where
-- that has one. One statement for many: granted all at once where all of it fits, else one by one in the order they came. Called by
-- app/budget/ledger.py. A key that has a limit is granted nothing without a balance; the month's first is opened by whoever asks.
-- Locks balances by subject and period, the order of budget_settle too, so that two batches never wait for each other. The settings
-- name the plan (nested loops over indexes): a session keeps a plan that was made while the tables were small and unknown.
create or replace function budget_hold(batch jsonb) returns jsonb language plpgsql
    set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
    asked record;
    room record;
    made uuid[];
    sums jsonb;
    subjects uuid[];
    starts timestamptz[];
    keys uuid[];
    limited uuid[];
    fits boolean;
    refused jsonb := '[]';
begin
    -- A key gets a limit with this lock held exclusively (app/budget/key_limits.py): what is granted before is counted there.
    perform pg_advisory_xact_lock_shared(3390832645);
    keys := array(select distinct (e->>'key_id')::uuid from jsonb_array_elements(batch) e where e->>'key_id' is not null);
    limited := array(select l.subject_id from budget_limits l
        where l.subject_id = any (keys) and l.unit = 'nanousd' and l.amount is not null);

    with inserted as (
        insert into budget_holds
            (id, request_id, attempt, developer_id, team_id, key_id, period_start, day, process_id, provider, model, nanousd, tokens)
        select distinct on (x.request_id, x.attempt) x.id, x.request_id, x.attempt, x.developer_id, x.team_id, x.key_id,
            x.period_start, x.day, x.process_id, x.provider, x.model, x.nanousd, x.tokens
        from jsonb_to_recordset(batch) as x(
            id uuid, request_id text, attempt int, developer_id uuid, team_id uuid, key_id uuid, period_start timestamptz, day date,
            process_id uuid, provider text, model text, nanousd bigint, tokens bigint, place int)
        order by x.request_id, x.attempt, x.place
        on conflict (request_id, attempt) do nothing
        returning id, developer_id, team_id, key_id, period_start, nanousd, tokens
    ), summed as (
        select subject_id, period_start, sum(nanousd) as nanousd, sum(tokens) as tokens from (
            select developer_id as subject_id, period_start, nanousd, tokens from inserted
            union all select team_id, period_start, nanousd, tokens from inserted
            union all select key_id, period_start, nanousd, tokens from inserted where key_id is not null) each_subject
        group by subject_id, period_start
    )
    select (select array_agg(id) from inserted), (select jsonb_agg(to_jsonb(s)) from summed s) into made, sums;

    -- Locked as late as can be: nobody waits while holds are inserted. Only these rows are looked at below: a month that another
    -- process opens while we wait for a lock is missing still, since we didn't lock it.
    select array_agg(l.subject_id), array_agg(l.period_start) into subjects, starts from (
        select b.subject_id, b.period_start from budget_balances b
        where (b.subject_id, b.period_start) in (
            select (e->>'developer_id')::uuid, (e->>'period_start')::timestamptz from jsonb_array_elements(batch) e
            union select (e->>'team_id')::uuid, (e->>'period_start')::timestamptz from jsonb_array_elements(batch) e
            union select (e->>'key_id')::uuid, (e->>'period_start')::timestamptz from jsonb_array_elements(batch) e)
        order by b.subject_id, b.period_start for update) l;

    -- Of the subjects only a key may have no balance, and that only while it has no limit.
    select coalesce(bool_and(case
        when b.subject_id is null then s.subject_id <> all (limited) and s.subject_id = any (keys)
        else (b.limit_nanousd is null or b.spent_nanousd + b.held_nanousd + s.nanousd <= b.limit_nanousd + b.added_nanousd)
            and (b.limit_tokens is null or b.spent_tokens + b.held_tokens + s.tokens <= b.limit_tokens) end), true)
    into fits
    from jsonb_to_recordset(coalesce(sums, '[]')) as s(subject_id uuid, period_start timestamptz, nanousd numeric, tokens numeric)
    left join unnest(subjects, starts) as l(subject_id, period_start)
        on l.subject_id = s.subject_id and l.period_start = s.period_start
    left join budget_balances b on b.subject_id = l.subject_id and b.period_start = l.period_start;

    if fits then
        -- All of it at once, where all of it fits: one update a balance.
        update budget_balances b set held_nanousd = b.held_nanousd + s.nanousd, held_tokens = b.held_tokens + s.tokens
        from jsonb_to_recordset(coalesce(sums, '[]')) as s(subject_id uuid, period_start timestamptz, nanousd bigint, tokens bigint)
        where b.subject_id = s.subject_id and b.period_start = s.period_start;
    else
        -- One by one, in the order they came: near a limit a small one may fit where a large one didn't.
        delete from budget_holds h where h.id = any (made);
        for asked in select x.* from jsonb_to_recordset(batch) as x(
            id uuid, request_id text, attempt int, developer_id uuid, team_id uuid, key_id uuid, period_start timestamptz, day date,
            process_id uuid, provider text, model text, nanousd bigint, tokens bigint, place int) order by x.place
        loop
            continue when exists (select 1 from budget_holds h where h.request_id = asked.request_id and h.attempt = asked.attempt);
            select count(*) filter (where b.subject <> 'key') as found, count(*) filter (where b.subject = 'key') as keyed,
                min(b.limit_nanousd + b.added_nanousd - b.spent_nanousd - b.held_nanousd) as nanousd,
                min(b.limit_tokens - b.spent_tokens - b.held_tokens) as tokens,
                min(b.limit_nanousd - b.spent_nanousd - b.held_nanousd) filter (where b.subject = 'key') as key_nanousd,
                jsonb_agg(jsonb_build_object('limit', b.limit_nanousd, 'spent', b.spent_nanousd, 'held', b.held_nanousd))
                    filter (where b.subject = 'key') -> 0 as key
            into room
            from unnest(subjects, starts) as l(subject_id, period_start)
            join budget_balances b on b.subject_id = l.subject_id and b.period_start = l.period_start
            where l.subject_id in (asked.developer_id, asked.team_id, asked.key_id) and l.period_start = asked.period_start;
            if room.found < 2 or (room.keyed = 0 and asked.key_id = any (limited)) then
                refused := refused || jsonb_build_object('id', asked.id, 'missing', true);
            elsif room.nanousd < asked.nanousd or room.tokens < asked.tokens then
                refused := refused || jsonb_build_object('id', asked.id, 'nanousd', room.nanousd, 'tokens', room.tokens,
                    'key', case when room.key_nanousd < asked.nanousd and room.key_nanousd = room.nanousd then room.key end);
            else
                insert into budget_holds
                    (id, request_id, attempt, developer_id, team_id, key_id, period_start, day, process_id, provider, model,
                    nanousd, tokens)
                values (asked.id, asked.request_id, asked.attempt, asked.developer_id, asked.team_id, asked.key_id, asked.period_start,
                    asked.day, asked.process_id, asked.provider, asked.model, asked.nanousd, asked.tokens);
                update budget_balances b set held_nanousd = b.held_nanousd + asked.nanousd, held_tokens = b.held_tokens + asked.tokens
                where b.subject_id in (asked.developer_id, asked.team_id, asked.key_id) and b.period_start = asked.period_start;
            end if;
        end loop;
    end if;

    -- What is neither granted nor refused has a hold already.
    return jsonb_build_object('refused', refused, 'granted', coalesce((
        select jsonb_object_agg(h.id, b.limit_nanousd + b.added_nanousd - b.spent_nanousd - b.held_nanousd)
        from budget_holds h join budget_balances b on b.subject_id = h.developer_id and b.period_start = h.period_start
        where h.id = any (array(select (e->>'id')::uuid from jsonb_array_elements(batch) e))), '{}'));
end $$

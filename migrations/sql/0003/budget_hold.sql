create or replace function budget_hold(batch jsonb) returns jsonb language plpgsql
    set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
    asked record;
    room record;
    made uuid[];
    sums jsonb;
    subjects uuid[];
    starts timestamptz[];
    fits boolean;
    refused jsonb := '[]';
begin
    with inserted as (
        insert into budget_holds
            (id, request_id, attempt, developer_id, team_id, period_start, day, process_id, provider, model, nanousd, tokens)
        select distinct on (x.request_id, x.attempt) x.id, x.request_id, x.attempt, x.developer_id, x.team_id, x.period_start, x.day,
            x.process_id, x.provider, x.model, x.nanousd, x.tokens
        from jsonb_to_recordset(batch) as x(
            id uuid, request_id text, attempt int, developer_id uuid, team_id uuid, period_start timestamptz, day date,
            process_id uuid, provider text, model text, nanousd bigint, tokens bigint, place int)
        order by x.request_id, x.attempt, x.place
        on conflict (request_id, attempt) do nothing
        returning id, developer_id, team_id, period_start, nanousd, tokens
    ), summed as (
        select subject_id, period_start, sum(nanousd) as nanousd, sum(tokens) as tokens from (
            select developer_id as subject_id, period_start, nanousd, tokens from inserted
            union all select team_id, period_start, nanousd, tokens from inserted) each_subject
        group by subject_id, period_start
    )
    select (select array_agg(id) from inserted), (select jsonb_agg(to_jsonb(s)) from summed s) into made, sums;

    -- Locked as late as can be: nobody waits while holds are inserted. Only these rows are looked at below: a month that another
    -- process opens while we wait for a lock is missing still, since we didn't lock it.
    select array_agg(l.subject_id), array_agg(l.period_start) into subjects, starts from (
        select b.subject_id, b.period_start from budget_balances b
        where (b.subject_id, b.period_start) in (
            select (e->>'developer_id')::uuid, (e->>'period_start')::timestamptz from jsonb_array_elements(batch) e
            union select (e->>'team_id')::uuid, (e->>'period_start')::timestamptz from jsonb_array_elements(batch) e)
        order by b.subject_id, b.period_start for update) l;

    select coalesce(bool_and(b.subject_id is not null
        and (b.limit_nanousd is null or b.spent_nanousd + b.held_nanousd + s.nanousd <= b.limit_nanousd + b.added_nanousd)
        and (b.limit_tokens is null or b.spent_tokens + b.held_tokens + s.tokens <= b.limit_tokens)), true)
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
            id uuid, request_id text, attempt int, developer_id uuid, team_id uuid, period_start timestamptz, day date,
            process_id uuid, provider text, model text, nanousd bigint, tokens bigint, place int) order by x.place
        loop
            continue when exists (select 1 from budget_holds h where h.request_id = asked.request_id and h.attempt = asked.attempt);
            select count(*) as found,
                min(b.limit_nanousd + b.added_nanousd - b.spent_nanousd - b.held_nanousd) as nanousd,
                min(b.limit_tokens - b.spent_tokens - b.held_tokens) as tokens
            into room
            from unnest(subjects, starts) as l(subject_id, period_start)
            join budget_balances b on b.subject_id = l.subject_id and b.period_start = l.period_start
            where l.subject_id in (asked.developer_id, asked.team_id) and l.period_start = asked.period_start;
            if room.found < 2 then
                refused := refused || jsonb_build_object('id', asked.id, 'missing', true);
            elsif room.nanousd < asked.nanousd or room.tokens < asked.tokens then
                refused := refused || jsonb_build_object('id', asked.id, 'nanousd', room.nanousd, 'tokens', room.tokens);
            else
                insert into budget_holds
                    (id, request_id, attempt, developer_id, team_id, period_start, day, process_id, provider, model, nanousd, tokens)
                values (asked.id, asked.request_id, asked.attempt, asked.developer_id, asked.team_id, asked.period_start, asked.day,
                    asked.process_id, asked.provider, asked.model, asked.nanousd, asked.tokens);
                update budget_balances b set held_nanousd = b.held_nanousd + asked.nanousd, held_tokens = b.held_tokens + asked.tokens
                where b.subject_id in (asked.developer_id, asked.team_id) and b.period_start = asked.period_start;
            end if;
        end loop;
    end if;

    -- What is neither granted nor refused has a hold already.
    return jsonb_build_object('refused', refused, 'granted', coalesce((
        select jsonb_object_agg(h.id, b.limit_nanousd + b.added_nanousd - b.spent_nanousd - b.held_nanousd)
        from budget_holds h join budget_balances b on b.subject_id = h.developer_id and b.period_start = h.period_start
        where h.id = any (array(select (e->>'id')::uuid from jsonb_array_elements(batch) e))), '{}'));
end $$

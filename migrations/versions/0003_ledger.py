"""The money ledger: balances, holds, movements, and the two functions through which holds begin and end.

Each is one statement for many holds: one round trip, one flush of the log, and the balance rows are locked for no longer than that.
They lock in one order (holds by id, then balances by subject and period), so two batches can't wait for each other.
Their settings name the plan (nested loops over indexes): a session keeps a plan that was made while the tables were small and unknown.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

HOLD = """
create function budget_hold(batch jsonb) returns jsonb language plpgsql
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
"""

SETTLE = """
create function budget_settle(batch jsonb) returns jsonb language plpgsql
    set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
    ended jsonb;
    changes jsonb;
    spent jsonb;
    balances jsonb;
begin
    perform 1 from budget_holds h where h.id = any (array(select (e->>'id')::uuid from jsonb_array_elements(batch) e))
    order by h.id for update;

    -- Of several ends of one hold in a batch the first that is final, as if they had come one after the other.
    with given as (
        select distinct on (x.id) x.* from jsonb_to_recordset(batch) as x(
            id uuid, kind text, mark text, nanousd bigint, tokens bigint, input_tokens bigint, output_tokens bigint,
            cached_input_tokens bigint, cache_write_tokens bigint, provider text, model text, price jsonb, actor text, note text, place int)
        order by x.id, x.kind = 'unreconciled', x.place
    ), ending as (
        select g.*, h.state as was, h.developer_id, h.team_id, h.period_start, h.day, h.request_id, h.attempt,
            h.provider as held_provider, h.model as held_model, h.nanousd as held_nanousd,
            case when h.state = 'held' then h.nanousd else 0 end as freed_nanousd,
            case when h.state = 'held' then h.tokens else 0 end as freed_tokens,
            case g.kind when 'settle' then g.nanousd when 'release' then 0 else h.nanousd end
                - case when h.state = 'unreconciled' then h.nanousd else 0 end as spent_nanousd,
            case g.kind when 'settle' then g.tokens when 'release' then 0 else h.tokens end
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
            case when e.kind = 'settle' and e.nanousd > e.held_nanousd then 'overrun' else e.mark end,
            e.developer_id, e.team_id, e.period_start, e.id, e.request_id, e.attempt, coalesce(e.provider, e.held_provider),
            coalesce(e.model, e.held_model), e.input_tokens, e.output_tokens, e.cached_input_tokens, e.cache_write_tokens,
            e.held_nanousd, e.spent_nanousd, e.spent_tokens, e.price, e.actor, e.note
        from ending e where not (e.kind = 'release' and e.was = 'held') order by e.id
    ), subjects as (
        select developer_id as subject_id, period_start, day, freed_nanousd, freed_tokens, spent_nanousd, spent_tokens from ending
        union all select team_id, period_start, day, freed_nanousd, freed_tokens, spent_nanousd, spent_tokens from ending
    ), changed as (
        select subject_id, period_start, sum(freed_nanousd) as freed_nanousd, sum(freed_tokens) as freed_tokens,
            sum(spent_nanousd) as spent_nanousd, sum(spent_tokens) as spent_tokens
        from subjects group by subject_id, period_start
    ), days as (
        select subject_id, day, sum(spent_nanousd) as nanousd, sum(spent_tokens) as tokens from subjects group by subject_id, day
    )
    select
        (select jsonb_agg(jsonb_build_object('id', e.id, 'developer_id', e.developer_id, 'was', e.was, 'spent', e.spent_nanousd,
            'overrun', e.kind = 'settle' and e.nanousd > e.held_nanousd)) from ending e),
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
    select coalesce(jsonb_agg(to_jsonb(m)), '[]') into balances from moved m;
    return jsonb_build_object('ended', ended, 'balances', balances);
end $$
"""


def upgrade() -> None:
    op.create_table(
        "budget_alerts",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.UUID(), nullable=False),
        sa.Column("period_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_budget_alerts")),
        sa.UniqueConstraint("subject_id", "period_start", "rule", name=op.f("uq_budget_alerts_subject_id_period_start_rule")),
    )
    op.create_index("ix_budget_alerts_due", "budget_alerts", ["next_at"], unique=False, postgresql_where=sa.text("next_at is not null"))
    op.create_table(
        "budget_balances",
        sa.Column("subject_id", sa.UUID(), nullable=False),
        sa.Column("period_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("period_end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("limit_nanousd", sa.BigInteger(), nullable=True),
        sa.Column("added_nanousd", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("spent_nanousd", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("held_nanousd", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("limit_tokens", sa.BigInteger(), nullable=True),
        sa.Column("spent_tokens", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("held_tokens", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint("subject in ('developer', 'team')", name=op.f("ck_budget_balances_subject_known")),
        sa.CheckConstraint("held_nanousd >= 0 and held_tokens >= 0", name=op.f("ck_budget_balances_held_not_negative")),
        sa.PrimaryKeyConstraint("subject_id", "period_start", name=op.f("pk_budget_balances")),
        postgresql_with={"fillfactor": "50"},
    )
    op.create_table(
        "budget_days",
        sa.Column("subject_id", sa.UUID(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("nanousd", sa.BigInteger(), nullable=False),
        sa.Column("tokens", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("subject_id", "day", name=op.f("pk_budget_days")),
    )
    op.create_table(
        "budget_holds",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("developer_id", sa.UUID(), nullable=False),
        sa.Column("team_id", sa.UUID(), nullable=False),
        sa.Column("period_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("process_id", sa.UUID(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("nanousd", sa.BigInteger(), nullable=False),
        sa.Column("tokens", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), server_default="held", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("nanousd >= 0 and tokens >= 0", name=op.f("ck_budget_holds_not_negative")),
        sa.CheckConstraint("state in ('held', 'settled', 'released', 'unreconciled')", name=op.f("ck_budget_holds_state_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_budget_holds")),
        sa.UniqueConstraint("request_id", "attempt", name=op.f("uq_budget_holds_request_id_attempt")),
    )
    op.create_index(
        "ix_budget_holds_open", "budget_holds", ["process_id", "created_at"], unique=False, postgresql_where=sa.text("state = 'held'")
    )
    for who in ("developer", "team"):
        op.create_index(
            f"ix_budget_holds_unreconciled_{who}",
            "budget_holds",
            [f"{who}_id", "created_at"],
            unique=False,
            postgresql_where=sa.text("state = 'unreconciled'"),
        )
    op.create_table(
        "budget_limits",
        sa.Column("subject_id", sa.UUID(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("unit in ('nanousd', 'tokens')", name=op.f("ck_budget_limits_unit_known")),
        sa.CheckConstraint("amount >= 0", name=op.f("ck_budget_limits_amount_positive")),
        sa.PrimaryKeyConstraint("subject_id", "unit", name=op.f("pk_budget_limits")),
    )
    op.create_table(
        "budget_movements",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("mark", sa.Text(), nullable=True),
        sa.Column("developer_id", sa.UUID(), nullable=True),
        sa.Column("team_id", sa.UUID(), nullable=False),
        sa.Column("period_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("hold_id", sa.UUID(), nullable=True),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=True),
        sa.Column("provider", sa.Text(), nullable=True),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("input_tokens", sa.BigInteger(), nullable=True),
        sa.Column("output_tokens", sa.BigInteger(), nullable=True),
        sa.Column("cached_input_tokens", sa.BigInteger(), nullable=True),
        sa.Column("cache_write_tokens", sa.BigInteger(), nullable=True),
        sa.Column("held_nanousd", sa.BigInteger(), nullable=True),
        sa.Column("nanousd", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("tokens", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("price", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("unit", sa.Text(), nullable=True),
        sa.Column("amount", sa.BigInteger(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "kind in ('settle', 'unreconciled', 'reconcile', 'limit', 'top_up')", name=op.f("ck_budget_movements_kind_known")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_budget_movements")),
    )
    op.create_index("ix_budget_movements_developer", "budget_movements", ["developer_id", sa.literal_column("id desc")], unique=False)
    op.create_index(
        "ix_budget_movements_period",
        "budget_movements",
        ["period_start", "developer_id"],
        unique=False,
        postgresql_include=["nanousd", "tokens"],
    )
    op.create_index("ix_budget_movements_team", "budget_movements", ["team_id", sa.literal_column("id desc")], unique=False)
    op.create_table(
        "budget_processes",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_budget_processes")),
    )
    op.create_table(
        "request_log",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("developer_id", sa.UUID(), nullable=False),
        sa.Column("team_id", sa.UUID(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("project", sa.Text(), nullable=True),
        sa.Column("model_asked", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=True),
        sa.Column("model_answered", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("cache", sa.Text(), nullable=False),
        sa.Column("nanousd", sa.BigInteger(), nullable=False),
        sa.Column("saved_nanousd", sa.BigInteger(), nullable=False),
        sa.Column("milliseconds", sa.Integer(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_request_log")),
        sa.UniqueConstraint("request_id", name=op.f("uq_request_log_request_id")),
    )
    op.create_index("ix_request_log_developer", "request_log", ["developer_id", sa.literal_column("at desc")], unique=False)
    op.create_index("ix_request_log_team", "request_log", ["team_id", sa.literal_column("at desc")], unique=False)
    op.execute(HOLD)
    op.execute(SETTLE)


def downgrade() -> None:
    op.execute("drop function budget_settle(jsonb)")
    op.execute("drop function budget_hold(jsonb)")
    for table in (
        "request_log", "budget_processes", "budget_movements", "budget_limits", "budget_holds", "budget_days", "budget_balances",
        "budget_alerts",
    ):  # fmt: skip
        op.drop_table(table)

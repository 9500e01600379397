-- Refuse to change or delete an entry of an audit. Rows that go with their team, and references to who is gone, are no such change:
-- the trigger doesn't fire within a foreign key's own.
create or replace function refuse_audit_change() returns trigger language plpgsql as $$
begin
    raise exception 'entries of % are never changed or deleted', tg_table_name using errcode = 'restrict_violation';
end
$$

-- What the audit of prompts holds stays as it was written.
create or replace trigger prompt_audit_final before update or delete on prompt_audit
for each row when (pg_trigger_depth() = 0) execute function refuse_audit_change()

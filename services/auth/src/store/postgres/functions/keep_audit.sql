-- Makes the audit append-only, also for the owner of the table. Only `purge_audit` deletes rows: it sets `postern.purging`.
-- Rows younger than 30 days cannot be deleted, also not with that setting.
create or replace function postern.keep_audit() returns trigger language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'DELETE' and current_setting('postern.purging', true) = 'on' then
    if tg_level = 'STATEMENT' then
      return null;
    elsif old.at < postern.now() - interval '30 days' then
      return old;
    end if;
  end if;
  raise exception 'the audit is append only' using errcode = 'prohibited_sql_statement_attempted';
end
$$;

create or replace trigger audit_kept before update or delete or truncate on postern.audit
  for each statement execute function postern.keep_audit();
create or replace trigger audit_row_kept before delete on postern.audit
  for each row execute function postern.keep_audit();

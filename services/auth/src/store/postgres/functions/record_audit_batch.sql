-- Records events that change nothing else in the database: all of them or none.
-- p_events: an array of objects with the columns of `e` below.
create or replace function postern.record_audit_batch(p_events jsonb) returns void language sql
set lock_timeout = '500ms' set search_path = pg_catalog, pg_temp
as $$
  select postern.record_audit(e.event, e.caller, e.request_id, e.user_id, null, e.client_id, e.detail, e.client_address)
  from jsonb_to_recordset(p_events) as e (
    event text, caller text, request_id text, user_id uuid, client_id text, detail jsonb, client_address text)
$$;

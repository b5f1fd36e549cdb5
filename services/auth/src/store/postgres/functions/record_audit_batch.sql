-- Notes about users that stand for nothing else in the database, given as one JSON array: all of them or none.
create or replace function postern.note_many(p_notes jsonb) returns void language sql
set lock_timeout = '500ms' set search_path = pg_catalog, pg_temp
as $$
  select postern.note(n.event, n.caller, n.request_id, n.user_id, null, n.client_id, n.detail, n.client_address)
  from jsonb_to_recordset(p_notes) as n (
    event text, caller text, request_id text, user_id uuid, client_id text, detail jsonb, client_address text)
$$;

-- Writes a row of the audit. Only this function inserts rows: the role that runs the service needs no right on the table but
-- to read it. A role that may use the schema cannot therefore call this function; it needs a grant.
create or replace function postern.record_audit(
  p_event text, p_caller text, p_request_id text, p_user_id uuid, p_session_id uuid, p_client_id text,
  p_detail jsonb default '{}', p_client_address text default null
) returns void language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := postern.now();
begin
  insert into postern.audit
    (id, at, event, caller, request_id, user_id, session_id, client_id, detail, client_address)
  values (postern.audit_id(v_now), v_now, p_event, p_caller, p_request_id, p_user_id, p_session_id, p_client_id,
          p_detail, p_client_address);
end
$$;

revoke execute on function postern.record_audit(text, text, text, uuid, uuid, text, jsonb, text) from public;

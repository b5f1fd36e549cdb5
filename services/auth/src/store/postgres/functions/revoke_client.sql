-- Ends all sessions of a client, of every user. The row of its cutoff is locked before the head.
create or replace function postern.revoke_client(p_client_id text, p_caller text, p_request_id text)
returns bigint language plpgsql
set lock_timeout = '500ms' set search_path = pg_catalog, pg_temp
as $$
declare
  v_seq bigint;
begin
  insert into postern.client_cutoffs (client_id, cutoff) values (p_client_id, 0) on conflict do nothing;
  perform from postern.client_cutoffs where client_id = p_client_id for update;
  perform postern.record_audit('client_revoked', p_caller, p_request_id, null, null, p_client_id);
  v_seq := postern.append_revocation('client', null, p_client_id);
  update postern.client_cutoffs set cutoff = v_seq where client_id = p_client_id;
  return v_seq;
end
$$;

create or replace function postern.revoke_client(p_client_id text, p_caller text, p_request_id text)
returns bigint language plpgsql
set lock_timeout = '500ms' set search_path = pg_catalog, pg_temp
as $$
declare
  v_seq bigint;
begin
  insert into postern.client_marks (client_id, min_rev) values (p_client_id, 0) on conflict do nothing;
  perform from postern.client_marks where client_id = p_client_id for update;
  perform postern.note('client_revoked', p_caller, p_request_id, null, null, p_client_id);
  v_seq := postern.append_revocation('client', null, p_client_id);
  update postern.client_marks set min_rev = v_seq where client_id = p_client_id;
  return v_seq;
end
$$;

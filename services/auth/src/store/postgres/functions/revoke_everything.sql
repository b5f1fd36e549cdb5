-- Ends all sessions of all users.
create or replace function postern.revoke_everything(p_caller text, p_request_id text) returns bigint language plpgsql
set lock_timeout = '500ms' set search_path = pg_catalog, pg_temp
as $$
declare
  v_seq bigint;
begin
  perform postern.record_audit('everything_revoked', p_caller, p_request_id, null, null, null);
  v_seq := postern.append_revocation('everything');
  update postern.revocation_head set everything_cutoff = v_seq;
  return v_seq;
end
$$;

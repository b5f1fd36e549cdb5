-- Ends all sessions of a user.
create or replace function postern.revoke_user(
  p_id uuid, p_caller text, p_request_id text, out outcome text, out seq bigint
) language plpgsql
set lock_timeout = '500ms' set search_path = pg_catalog, pg_temp
as $$
begin
  perform from postern.users where id = p_id for update;
  if not found then
    outcome := 'already';
    select h.seq into strict seq from postern.revocation_head h;
  else
    perform postern.record_audit('user_revoked', p_caller, p_request_id, p_id, null, null);
    outcome := 'revoked';
    seq := postern.end_user_sessions(p_id);
  end if;
end
$$;

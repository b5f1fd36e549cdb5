-- Revokes one access token. p_expires_at: when the token expires. The last three parameters are the token's claims, for the
-- audit.
create or replace function postern.revoke_token(
  p_id uuid, p_expires_at timestamptz, p_caller text, p_request_id text, p_user_id uuid default null,
  p_session_id uuid default null, p_client_id text default null,
  out outcome text, out seq bigint
) language plpgsql
set lock_timeout = '500ms' set search_path = pg_catalog, pg_temp
as $$
begin
  -- The lock of the head serializes two revocations of one token: the later one sees the entry of the earlier.
  select h.seq into strict seq from postern.revocation_head h for update;
  if exists (select from postern.revocations where kind = 'token' and target_id = p_id)
     or p_expires_at <= postern.now() then
    outcome := 'already';
  else
    perform postern.record_audit('token_revoked', p_caller, p_request_id, p_user_id, p_session_id, p_client_id,
                                 jsonb_build_object('token', p_id));
    outcome := 'revoked';
    seq := postern.append_revocation('token', p_id, null, p_expires_at + interval '2 minutes');
  end if;
end
$$;

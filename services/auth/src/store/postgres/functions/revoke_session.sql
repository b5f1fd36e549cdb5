-- Ends one session. p_clients: the client ids whose sessions may be ended; null: any.
create or replace function postern.revoke_session(
  p_id uuid, p_clients text[], p_caller text, p_request_id text,
  out outcome text, out seq bigint
) language plpgsql
set lock_timeout = '500ms' set search_path = pg_catalog, pg_temp
as $$
declare
  s postern.sessions;
begin
  select * into s from postern.sessions where id = p_id for update;
  if found and p_clients is not null and not s.client_id = any (p_clients) then
    outcome := 'foreign';
  elsif not found or s.ended_at is not null then
    outcome := 'already';
    select h.seq into strict seq from postern.revocation_head h;
  else
    update postern.sessions set ended_at = postern.now(), ended_by = 'revoked' where id = p_id;
    perform postern.record_audit('session_revoked', p_caller, p_request_id, s.user_id, p_id, s.client_id);
    outcome := 'revoked';
    seq := postern.append_revocation('session', p_id);
  end if;
end
$$;

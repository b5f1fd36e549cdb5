-- What tokens of the session are made from, at p_now.
create or replace function postern.to_grant(
  p_session postern.sessions, p_roles text[], p_idle interval, p_now timestamptz
) returns postern.grant_row language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return row(
    p_session.id, p_session.user_id, p_session.client_id, p_session.audience, p_session.scope, p_roles,
    p_session.amr, p_session.created_at, p_session.rev, p_session.refresh_key, p_session.generation,
    least(p_session.expires_at, p_session.last_used_at + p_idle), p_now,
    (select h.keys_version from postern.revocation_head h))::postern.grant_row;
end
$$;

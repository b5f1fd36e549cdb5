-- Opens a session where what the password was checked against still holds. The user's row is held, so that a
-- password change, a disable and a revocation come wholly before or wholly after.
-- As before, and notes the login, or why a right password opened nothing. Of a session that had to go for it, its own
-- client is noted.
create or replace function postern.open_session(
  p_id uuid, p_user_id uuid, p_password_version bigint, p_rev bigint, p_caller text, p_client_id text,
  p_audience text[], p_scope text[], p_amr text[], p_refresh_key bigint, p_device text,
  p_client_address text, p_user_agent text, p_ttl interval, p_idle interval, p_max_sessions integer,
  p_request_id text,
  out outcome text, out opened postern.grant_row
) language plpgsql
set lock_timeout = '500ms' set search_path = pg_catalog, pg_temp
as $$
declare
  v_user postern.users;
  v_session postern.sessions;
  v_now timestamptz;
  v_address text := nullif(p_client_address, '');
  v_old uuid;
  v_old_client text;
  v_ended uuid[] := '{}';
begin
  select * into v_user from postern.users where id = p_user_id for update;
  if not found or v_user.disabled_at is not null or v_user.password_version <> p_password_version then
    outcome := 'stale';
  elsif p_rev < postern.min_rev(v_user, p_client_id) or exists (
    select from postern.keys where number = p_refresh_key and state in ('tainted', 'removed')
  ) then
    outcome := 'revoked';
  end if;
  if outcome is not null then
    perform postern.note('login_refused', p_caller, p_request_id, p_user_id, null, p_client_id,
                         jsonb_build_object('reason', outcome), v_address);
    return;
  end if;
  v_now := postern.now();
  insert into postern.sessions (
    id, user_id, caller, client_id, audience, scope, amr, device, client_address, user_agent, created_at,
    expires_at, rev, refresh_key, generation, rotated_at, last_used_at)
  values (
    p_id, p_user_id, p_caller, p_client_id, p_audience, p_scope, p_amr, p_device, p_client_address,
    p_user_agent, v_now, v_now + p_ttl, p_rev, p_refresh_key, 0, v_now, v_now)
  returning * into v_session;
  update postern.users set last_login_at = v_now, login_count = login_count + 1 where id = p_user_id;
  perform postern.note('login', p_caller, p_request_id, p_user_id, p_id, p_client_id,
                       jsonb_build_object('amr', p_amr), v_address);
  -- Rows whose sessions are over without having been ended (expired, or below a mark) count too, and go
  -- first, so the index stays as small as the limit.
  for v_old in
    select id from postern.sessions
    where id in (
      select id from postern.sessions
      where user_id = p_user_id and ended_at is null and id <> p_id
      order by
        rev >= postern.min_rev(v_user, client_id)
          and v_now < expires_at and v_now < last_used_at + p_idle desc,
        created_at desc, id desc
      offset p_max_sessions - 1)
    order by id for update
  loop
    update postern.sessions set ended_at = v_now, ended_by = 'too_many' where id = v_old and ended_at is null
    returning client_id into v_old_client;
    if found then
      perform postern.note('session_ended', p_caller, p_request_id, p_user_id, v_old, v_old_client,
                           '{"by": "too_many"}', v_address);
      v_ended := v_ended || v_old;
    end if;
  end loop;
  foreach v_old in array v_ended loop
    perform postern.append_revocation('session', v_old);
  end loop;
  outcome := 'opened';
  opened := postern.to_grant(v_session, v_user.roles, p_idle, v_now);
end
$$;

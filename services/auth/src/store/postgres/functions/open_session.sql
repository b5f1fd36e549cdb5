-- Opens a session if the password that was checked is still the user's, and nothing was revoked since. The lock of the
-- user's row puts each change of the password, disable and revocation either completely before or completely after.
-- Records the login, or why a correct password opened no session.
-- p_session: an object with the columns of `v_new` below. p_ttl: lifetime of the session. p_idle: time without a refresh
-- after which it ends. p_max_sessions: maximum number of sessions that a user can have open.
create or replace function postern.open_session(
  p_session jsonb, p_ttl interval, p_idle interval, p_max_sessions integer,
  out outcome text, out opened postern.grant_row, out expires_at timestamptz
) language plpgsql
set lock_timeout = '500ms' set search_path = pg_catalog, pg_temp
as $$
declare
  v_new record;
  v_user postern.users;
  v_session postern.sessions;
  v_now timestamptz;
  v_address text;
  v_old uuid;
  v_old_client text;
  v_ended uuid[] := '{}';
begin
  select * into strict v_new from jsonb_to_record(p_session) as q (
    id uuid, user_id uuid, password_version bigint, rev bigint, caller text, client_id text, audience text[],
    scope text[], amr text[], refresh_key bigint, device text, client_address text, address_key text,
    user_agent text, request_id text);
  v_address := nullif(v_new.client_address, '');
  select * into v_user from postern.users where id = v_new.user_id for update;
  if not found or v_user.disabled_at is not null
     or v_user.password_version is distinct from v_new.password_version then
    outcome := 'stale';
  elsif v_new.rev < postern.cutoff(v_user, v_new.client_id) or exists (
    select from postern.keys where number = v_new.refresh_key and state in ('tainted', 'removed')
  ) then
    outcome := 'revoked';
  end if;
  if outcome is not null then
    perform postern.record_audit('login_refused', v_new.caller, v_new.request_id, v_new.user_id, null, v_new.client_id,
                                 jsonb_build_object('reason', outcome), v_address);
    return;
  end if;
  v_now := postern.now();
  insert into postern.sessions (
    id, user_id, caller, client_id, audience, scope, amr, device, client_address, user_agent, created_at,
    expires_at, rev, refresh_key, generation, rotated_at, last_used_at)
  values (
    v_new.id, v_new.user_id, v_new.caller, v_new.client_id, v_new.audience, v_new.scope, v_new.amr, v_new.device,
    v_new.client_address, v_new.user_agent, v_now, v_now + p_ttl, v_new.rev, v_new.refresh_key, 0, v_now, v_now)
  returning * into v_session;
  update postern.users set last_login_at = v_now, login_count = login_count + 1 where id = v_new.user_id;
  perform postern.record_audit('login', v_new.caller, v_new.request_id, v_new.user_id, v_new.id, v_new.client_id,
                               jsonb_build_object('amr', v_new.amr), v_address);
  -- Sessions that are over but not marked as ended (expired, or below the cutoff) count too and are ended first, so the
  -- index of open sessions stays as small as the limit.
  for v_old in
    select id from postern.sessions
    where id in (
      select s.id from postern.sessions s
      where s.user_id = v_new.user_id and s.ended_at is null and s.id <> v_new.id
      order by
        s.rev >= postern.cutoff(v_user, s.client_id)
          and v_now < s.expires_at and v_now < s.last_used_at + p_idle desc,
        s.created_at desc, s.id desc
      offset p_max_sessions - 1)
    order by id for update
  loop
    update postern.sessions set ended_at = v_now, ended_by = 'too_many' where id = v_old and ended_at is null
    returning client_id into v_old_client;
    if found then
      perform postern.record_audit('session_ended', v_new.caller, v_new.request_id, v_new.user_id, v_old, v_old_client,
                                   '{"by": "too_many"}', v_address);
      v_ended := v_ended || v_old;
    end if;
  end loop;
  if v_new.address_key is not null then
    perform postern.remember_address(v_new.user_id, v_new.address_key);
  end if;
  foreach v_old in array v_ended loop
    perform postern.append_revocation('session', v_old);
  end loop;
  outcome := 'opened';
  expires_at := v_session.expires_at;
  opened := postern.to_grant(v_session, v_user.roles, p_idle, v_now);
end
$$;

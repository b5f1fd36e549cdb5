-- The audit: what more it notes, and how it is read and kept.

alter table postern.audit add column client_address text;

-- It is read, and purged, in the order of its ids, which begin with the time.
drop index postern.audit_at;
create index audit_user on postern.audit (user_id, id) where user_id is not null;
create index audit_session on postern.audit (session_id, id) where session_id is not null;
-- Of a refused login either this one or that of the user is written: a name that nobody has costs what one costs that
-- somebody has.
create index audit_account on postern.audit ((detail ->> 'account'), id) where detail ->> 'account' is not null;

-- A UUIDv7 of this time to the microsecond (RFC 9562, section 6.2, method 3), so that what one transaction notes stays
-- in its order.
create function postern.note_id(p_at timestamptz) returns uuid language sql volatile
as $$
  select (lpad(to_hex(t.us / 1000), 12, '0') || '7' || lpad(to_hex(t.us % 1000 * 4096 / 1000), 3, '0')
          || right(replace(gen_random_uuid()::text, '-', ''), 16))::uuid
  from (select (extract(epoch from p_at) * 1000000)::bigint as us) t
$$;

-- Nobody else inserts: a role that runs the service needs no right to the table but to read it.
drop function postern.note(text, text, text, uuid, uuid, text, jsonb);
create function postern.note(
  p_event text, p_caller text, p_request_id text, p_user_id uuid, p_session_id uuid, p_client_id text,
  p_detail jsonb default '{}', p_client_address text default null
) returns void language sql security definer set search_path = pg_catalog, pg_temp
as $$
  insert into postern.audit
    (id, at, event, caller, request_id, user_id, session_id, client_id, detail, client_address)
  select postern.note_id(t.at), t.at, p_event, p_caller, p_request_id, p_user_id, p_session_id, p_client_id,
         p_detail, p_client_address
  from (select postern.now() as at) t
$$;

-- Notes about users that stand for nothing else in the database, given as one JSON array: all of them or none.
create function postern.note_many(p_notes jsonb) returns void language sql set lock_timeout = '500ms'
as $$
  select postern.note(n.event, n.caller, n.request_id, n.user_id, null, n.client_id, n.detail, n.client_address)
  from jsonb_to_recordset(p_notes) as n (
    event text, caller text, request_id text, user_id uuid, client_id text, detail jsonb, client_address text)
$$;

-- The least id that a row of this time may have. Rows from before this migration are off by the blink between two
-- looks at the clock, so whoever asks grants a second. Ids have 48 bits for milliseconds.
create function postern.first_id(p_at timestamptz) returns uuid language sql immutable
as $$
  select (lpad(to_hex(least(greatest(extract(epoch from p_at) * 1000, 0), 281474976710655)::bigint), 12, '0')
          || repeat('0', 20))::uuid
$$;

-- Append only, for the owner of the table too. Old rows go by `purge_audit`, which is what sets `postern.purging`;
-- a younger one than 30 days does not go whoever asks and however.
create function postern.keep_audit() returns trigger language plpgsql
as $$
begin
  if tg_op = 'DELETE' and current_setting('postern.purging', true) = 'on' then
    if tg_level = 'STATEMENT' then
      return null;
    elsif old.at < postern.now() - interval '30 days' then
      return old;
    end if;
  end if;
  raise exception 'the audit is append only' using errcode = 'prohibited_sql_statement_attempted';
end
$$;

create trigger audit_kept before update or delete or truncate on postern.audit
  for each statement execute function postern.keep_audit();
create trigger audit_row_kept before delete on postern.audit
  for each row execute function postern.keep_audit();

-- Deletes the oldest rows that are older than p_before and than 30 days, at most p_limit and at most 1000, and says
-- how many went; null where another replica is at it. Nothing waits for its commit to reach the disk.
create function postern.purge_audit(p_before timestamptz, p_limit integer) returns integer
language plpgsql security definer
set search_path = pg_catalog, pg_temp set lock_timeout = '200ms'
as $$
declare
  v_before timestamptz := least(p_before, postern.now() - interval '30 days');
  v_count integer;
begin
  if not pg_try_advisory_xact_lock(hashtext('postern.purge_audit')) then
    return null;
  end if;
  perform set_config('synchronous_commit', 'off', true);
  -- Not by a clause of the function: a parameter that Postgres does not know takes a superuser there.
  perform set_config('postern.purging', 'on', true);
  delete from postern.audit where id = any (array(
    select id from postern.audit
    where id < postern.first_id(v_before + interval '1 second') and at < v_before
    order by id limit least(p_limit, 1000)));
  get diagnostics v_count = row_count;
  perform set_config('postern.purging', 'off', true);
  return v_count;
end
$$;

-- Whoever may look into the schema may not therefore write to the audit.
revoke execute on function postern.note(text, text, text, uuid, uuid, text, jsonb, text) from public;
revoke execute on function postern.purge_audit(timestamptz, integer) from public;

-- As before, and notes the login, or why a right password opened nothing. Of a session that had to go for it, its own
-- client is noted.
create or replace function postern.open_session(
  p_id uuid, p_user_id uuid, p_password_version bigint, p_rev bigint, p_caller text, p_client_id text,
  p_audience text[], p_scope text[], p_amr text[], p_refresh_key bigint, p_device text,
  p_client_address text, p_user_agent text, p_ttl interval, p_idle interval, p_max_sessions integer,
  p_request_id text,
  out outcome text, out opened postern.grant_row
) language plpgsql set lock_timeout = '500ms'
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

-- As before, with whose token it is, which its claims say.
drop function postern.revoke_token(uuid, timestamptz, text, text);
create function postern.revoke_token(
  p_id uuid, p_expires_at timestamptz, p_caller text, p_request_id text, p_user_id uuid default null,
  p_session_id uuid default null, p_client_id text default null,
  out outcome text, out seq bigint
) language plpgsql set lock_timeout = '500ms'
as $$
begin
  -- The head is what two revocations of one token meet at: the later one sees the entry.
  select h.seq into strict seq from postern.revocation_head h for update;
  if exists (select from postern.revocations where kind = 'token' and target_id = p_id)
     or p_expires_at <= postern.now() then
    outcome := 'already';
  else
    perform postern.note('token_revoked', p_caller, p_request_id, p_user_id, p_session_id, p_client_id,
                         jsonb_build_object('token', p_id));
    outcome := 'revoked';
    seq := postern.append_revocation('token', p_id, null, p_expires_at + interval '2 minutes');
  end if;
end
$$;

-- As before, and notes which roles the user had.
create or replace function postern.set_roles(
  p_id uuid, p_roles text[], p_spare_admins boolean, p_caller text, p_request_id text
) returns text language plpgsql set lock_timeout = '500ms'
as $$
declare
  v_outcome text := postern.hold_user(p_id, p_spare_admins);
  v_old text[];
begin
  if v_outcome = 'changed' then
    select roles into strict v_old from postern.users where id = p_id;
    update postern.users set roles = p_roles, updated_at = postern.now() where id = p_id;
    perform postern.note('roles_set', p_caller, p_request_id, p_id, null, null,
                         jsonb_build_object('roles', p_roles, 'before', v_old));
    if 'admin' = any (v_old) and not 'admin' = any (p_roles) then
      perform postern.end_user(p_id);
    end if;
  end if;
  return v_outcome;
end
$$;

-- As before, but for what it notes of a token that another caller or client shows.
create or replace function postern.rotate_sessions(
  p_requests jsonb, p_grace interval, p_idle interval, p_not_after timestamptz
) returns table (ord integer, outcome text, granted postern.grant_row)
language plpgsql set lock_timeout = '200ms'
as $$
declare
  r record;
  s postern.sessions;
  v_user postern.users;
  v_now timestamptz;
  v_reused uuid[] := '{}';
  v_id uuid;
begin
  if clock_timestamp() > p_not_after then
    raise exception 'the batch came too late' using errcode = 'query_canceled';
  end if;
  for r in
    select q.* from jsonb_to_recordset(p_requests) as q (
      ord integer, session_id uuid, refresh_key bigint, generation integer, caller text, client_id text,
      scope text[], client_request_id text, request_id text)
    order by q.session_id, q.ord
  loop
    ord := r.ord;
    granted := null;
    select * into s from postern.sessions where id = r.session_id for update;
    if not found or s.refresh_key <> r.refresh_key then
      outcome := 'unknown';
      return next;
      continue;
    end if;
    if s.caller <> r.caller or s.client_id <> r.client_id then
      -- Once in ten minutes, for a holder could show his own token for ever. What was shown as client id is not noted.
      v_now := postern.now();
      if not exists (
        select from postern.audit a
        where a.session_id = s.id and a.event = 'refresh_foreign'
          and a.id >= postern.first_id(v_now - interval '10 minutes')
      ) then
        perform postern.note('refresh_foreign', r.caller, r.request_id, s.user_id, s.id, s.client_id,
                             jsonb_build_object('session_caller', s.caller));
      end if;
      outcome := 'foreign';
      return next;
      continue;
    end if;
    v_now := postern.now();
    select * into strict v_user from postern.users where id = s.user_id;
    if s.ended_at is not null or v_user.disabled_at is not null
       or s.rev < postern.min_rev(v_user, s.client_id)
       or v_now >= s.expires_at or v_now >= s.last_used_at + p_idle then
      outcome := 'ended';
      return next;
      continue;
    end if;
    if not r.scope <@ s.scope then
      outcome := 'scope_too_wide';
      return next;
      continue;
    end if;
    if r.generation > s.generation then
      -- Its MAC is good, so it was issued: the database has lost commits since.
      perform postern.note('refresh_generation_ahead', r.caller, r.request_id, s.user_id, s.id, s.client_id,
                           jsonb_build_object('stored', s.generation, 'shown', r.generation));
      s.generation := r.generation;
      s.rotated_at := '-infinity';
    end if;

    outcome := 'granted';
    if r.generation = s.generation and v_now - p_grace >= s.rotated_at then
      update postern.sessions
      set generation = s.generation + 1, rotated_at = v_now, rotated_by = r.client_request_id,
          current_used = false, last_used_at = v_now
      where id = s.id returning * into s;
    elsif r.generation = s.generation then
      if not s.current_used then
        update postern.sessions set current_used = true, last_used_at = v_now
        where id = s.id returning * into s;
      end if;
    elsif r.generation = s.generation - 1 and v_now - p_grace < s.rotated_at then
      null;
    elsif r.generation = s.generation - 1 and not s.current_used and s.rotated_by = r.client_request_id then
      update postern.sessions set last_used_at = v_now where id = s.id returning * into s;
    else
      update postern.sessions set ended_at = v_now, ended_by = 'reuse' where id = s.id;
      perform postern.note('refresh_reuse', r.caller, r.request_id, s.user_id, s.id, s.client_id,
                           jsonb_build_object('stored', s.generation, 'shown', r.generation));
      v_reused := v_reused || s.id;
      outcome := 'reused';
      return next;
      continue;
    end if;
    granted := postern.to_grant(s, v_user.roles, p_idle, v_now);
    return next;
  end loop;
  foreach v_id in array v_reused loop
    perform postern.append_revocation('session', v_id);
  end loop;
end
$$;

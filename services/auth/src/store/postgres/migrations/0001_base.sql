-- Users, sessions, the revocation log, keys and the audit.
--
-- Locks are always taken in this order: user, sessions in the order of their ids, revocation_head. Whoever
-- holds the head takes no further lock, so commits happen in the order of the log's numbers.

create table postern.users (
  id uuid primary key,
  email text not null,
  email_key text collate "C" not null unique,
  username text,
  username_key text collate "C" unique,
  roles text[] not null default '{}',
  password_hash text,
  password_version bigint not null default 1,
  disabled_at timestamptz,
  -- Sessions with a lower rev are over: number of the last log entry for this user.
  min_rev bigint not null default 0,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  last_login_at timestamptz,
  login_count bigint not null default 0
);

create table postern.sessions (
  id uuid primary key,
  user_id uuid not null references postern.users (id),
  caller text not null,
  client_id text not null,
  audience text[] not null,
  scope text[] not null,
  amr text[] not null,
  device text not null,
  client_address text not null,
  user_agent text not null,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  -- The log's number when the user was authenticated.
  rev bigint not null,
  refresh_key bigint not null,
  generation integer not null,
  -- When the current generation came, which is when the one before it was spent. Kept out of every index,
  -- as is last_used_at: a rotation then updates no index.
  rotated_at timestamptz not null,
  -- The client's request id of the rotation that made the current generation.
  rotated_by text,
  -- Whether the current generation has been shown, so that its predecessor may be repeated no more.
  current_used boolean not null default false,
  last_used_at timestamptz not null,
  ended_at timestamptz,
  ended_by text
) with (fillfactor = 80);

create index sessions_open on postern.sessions (user_id, id) where ended_at is null;

-- One row: where the log ends.
create table postern.revocation_head (
  singleton boolean primary key default true check (singleton),
  seq bigint not null,
  tail uuid not null,
  -- Whatever was authenticated below this number is over.
  everything_rev bigint not null
);

create table postern.revocations (
  seq bigint primary key,
  id uuid not null unique,
  previous_id uuid not null,
  kind text not null check (kind in ('token', 'session', 'user', 'client', 'key', 'everything')),
  target_id uuid,
  client_id text,
  created_at timestamptz not null,
  forget_after timestamptz not null,
  check ((kind = 'everything') = (target_id is null and client_id is null)),
  check ((kind = 'client') = (client_id is not null))
);

create index revocations_living on postern.revocations (forget_after);

create unique index revocations_token on postern.revocations (target_id) where kind = 'token';

-- As users.min_rev, for clients.
create table postern.client_marks (
  client_id text collate "C" primary key,
  min_rev bigint not null
);

create table postern.keys (
  id uuid primary key,
  number bigint generated always as identity unique,
  purpose text not null check (purpose in ('signing', 'refresh')),
  alg text not null,
  state text not null check (state in ('prepared', 'active', 'retired', 'tainted', 'removed')),
  public_jwk jsonb,
  sealed bytea not null,
  created_at timestamptz not null
);

create unique index keys_one_active on postern.keys (purpose) where state = 'active';

create table postern.audit (
  id uuid primary key,
  at timestamptz not null,
  event text not null,
  caller text not null,
  request_id text not null,
  user_id uuid,
  session_id uuid,
  client_id text,
  detail jsonb not null default '{}'
);

create index audit_at on postern.audit (at);

-- The time that decides. Tests replace it to move the clock.
create function postern.now() returns timestamptz language sql volatile
as $$ select clock_timestamp() $$;

-- A UUIDv7 (RFC 9562): 48 bits of milliseconds in front of a version 4 one, its version raised to 7.
create function postern.new_id() returns uuid language sql volatile
as $$
  select encode(
    set_bit(set_bit(
      overlay(
        uuid_send(gen_random_uuid())
        placing substring(int8send((extract(epoch from postern.now()) * 1000)::bigint) from 3)
        from 1 for 6),
      52, 1), 53, 1),
    'hex')::uuid
$$;

insert into postern.revocation_head (seq, tail, everything_rev) values (0, postern.new_id(), 0);

create function postern.note(
  p_event text, p_caller text, p_request_id text, p_user_id uuid, p_session_id uuid, p_client_id text,
  p_detail jsonb default '{}'
) returns void language sql
as $$
  insert into postern.audit (id, at, event, caller, request_id, user_id, session_id, client_id, detail)
  values (postern.new_id(), postern.now(), p_event, p_caller, p_request_id, p_user_id, p_session_id,
          p_client_id, p_detail)
$$;

-- Appends one entry and answers with its number. Takes the head: call it when no other lock is wanted.
-- p_forget_after: until when it can hit a living token; by default the longest access token (1 hour) and 2 minutes.
create function postern.append_revocation(
  p_kind text, p_target_id uuid default null, p_client_id text default null,
  p_forget_after timestamptz default null
) returns bigint language plpgsql
as $$
declare
  v_head postern.revocation_head;
  v_id uuid := postern.new_id();
  v_now timestamptz := postern.now();
begin
  select * into strict v_head from postern.revocation_head for update;
  insert into postern.revocations (seq, id, previous_id, kind, target_id, client_id, created_at, forget_after)
  values (v_head.seq + 1, v_id, v_head.tail, p_kind, p_target_id, p_client_id, v_now,
          coalesce(p_forget_after, v_now + interval '62 minutes'));
  update postern.revocation_head set seq = v_head.seq + 1, tail = v_id;
  return v_head.seq + 1;
end
$$;

-- The number below which sessions of this user and client are over, whoever asks last.
create function postern.min_rev(p_user postern.users, p_client_id text) returns bigint language sql stable
as $$
  select greatest(
    p_user.min_rev,
    coalesce((select min_rev from postern.client_marks where client_id = p_client_id), 0),
    (select everything_rev from postern.revocation_head))
$$;

-- Ends what the user authenticated before. The caller holds the user's row.
create function postern.end_user(p_user_id uuid) returns bigint language plpgsql
as $$
declare
  v_seq bigint := postern.append_revocation('user', p_user_id);
begin
  update postern.users set min_rev = v_seq where id = p_user_id;
  return v_seq;
end
$$;

create type postern.grant_row as (
  session_id uuid, user_id uuid, client_id text, audience text[], scope text[], roles text[], amr text[],
  auth_time timestamptz, rev bigint, refresh_key bigint, generation integer, ends_at timestamptz,
  now timestamptz
);

create function postern.to_grant(
  p_session postern.sessions, p_roles text[], p_idle interval, p_now timestamptz
) returns postern.grant_row language sql immutable
as $$
  select row(
    p_session.id, p_session.user_id, p_session.client_id, p_session.audience, p_session.scope, p_roles,
    p_session.amr, p_session.created_at, p_session.rev, p_session.refresh_key, p_session.generation,
    least(p_session.expires_at, p_session.last_used_at + p_idle), p_now)::postern.grant_row
$$;

-- Opens a session where what the password was checked against still holds. The user's row is held, so that a
-- password change, a disable and a revocation come wholly before or wholly after.
create function postern.open_session(
  p_id uuid, p_user_id uuid, p_password_version bigint, p_rev bigint, p_caller text, p_client_id text,
  p_audience text[], p_scope text[], p_amr text[], p_refresh_key bigint, p_device text,
  p_client_address text, p_user_agent text, p_ttl interval, p_idle interval, p_max_sessions integer,
  p_request_id text,
  out outcome text, out opened postern.grant_row
) language plpgsql
as $$
declare
  v_user postern.users;
  v_session postern.sessions;
  v_now timestamptz;
  v_old uuid;
  v_ended uuid[] := '{}';
begin
  select * into v_user from postern.users where id = p_user_id for update;
  if not found or v_user.disabled_at is not null or v_user.password_version <> p_password_version then
    outcome := 'stale';
    return;
  end if;
  if p_rev < postern.min_rev(v_user, p_client_id) then
    outcome := 'revoked';
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
    update postern.sessions set ended_at = v_now, ended_by = 'too_many' where id = v_old and ended_at is null;
    if found then
      perform postern.note('session_ended', p_caller, p_request_id, p_user_id, v_old, p_client_id,
                           '{"by": "too_many"}');
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

-- Rotates a batch of refresh tokens, given as one JSON array; one outcome a token, in their order.
--
-- Sessions are locked in the order of their ids, and the head is taken last, so overlapping batches cannot
-- deadlock. Each decision is made on the locked row, after which users and marks are read anew: a statement
-- in a volatile function sees what was committed before the statement began.
--
-- p_not_after, by the database's own clock: a batch that begins later spends nothing, for whoever sent it has
-- been answered UNAVAILABLE long since (a frozen server that goes on, say).
create function postern.rotate_sessions(
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
      perform postern.note('refresh_foreign', r.caller, r.request_id, s.user_id, s.id, r.client_id,
                           jsonb_build_object('session_caller', s.caller));
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

-- Ends one session. p_clients: only a session of one of these; null: any.
create function postern.revoke_session(
  p_id uuid, p_clients text[], p_caller text, p_request_id text,
  out outcome text, out seq bigint
) language plpgsql
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
    perform postern.note('session_revoked', p_caller, p_request_id, s.user_id, p_id, s.client_id);
    outcome := 'revoked';
    seq := postern.append_revocation('session', p_id);
  end if;
end
$$;

-- p_expires_at: the token's own end.
create function postern.revoke_token(
  p_id uuid, p_expires_at timestamptz, p_caller text, p_request_id text,
  out outcome text, out seq bigint
) language plpgsql
as $$
begin
  -- The head is what two revocations of one token meet at: the later one sees the entry.
  select h.seq into strict seq from postern.revocation_head h for update;
  if exists (select from postern.revocations where kind = 'token' and target_id = p_id)
     or p_expires_at <= postern.now() then
    outcome := 'already';
  else
    perform postern.note('token_revoked', p_caller, p_request_id, null, null, null,
                         jsonb_build_object('token', p_id));
    outcome := 'revoked';
    seq := postern.append_revocation('token', p_id, null, p_expires_at + interval '2 minutes');
  end if;
end
$$;

create function postern.revoke_user(
  p_id uuid, p_caller text, p_request_id text, out outcome text, out seq bigint
) language plpgsql
as $$
begin
  perform from postern.users where id = p_id for update;
  if not found then
    outcome := 'already';
    select h.seq into strict seq from postern.revocation_head h;
  else
    perform postern.note('user_revoked', p_caller, p_request_id, p_id, null, null);
    outcome := 'revoked';
    seq := postern.end_user(p_id);
  end if;
end
$$;

create function postern.revoke_client(p_client_id text, p_caller text, p_request_id text)
returns bigint language plpgsql
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

create function postern.revoke_everything(p_caller text, p_request_id text) returns bigint language plpgsql
as $$
declare
  v_seq bigint;
begin
  perform postern.note('everything_revoked', p_caller, p_request_id, null, null, null);
  v_seq := postern.append_revocation('everything');
  update postern.revocation_head set everything_rev = v_seq;
  return v_seq;
end
$$;

-- After a restore. The database no longer knows how far the log had come, so its number is set to the time in
-- microseconds, which no log reaches by counting (a million entries a second, for ever), and everything below
-- it is over. The number stays below 2^53 until the year 2255.
create function postern.recover(p_caller text, p_request_id text) returns bigint language plpgsql
as $$
begin
  update postern.revocation_head
  set seq = greatest(seq, (extract(epoch from postern.now()) * 1000000)::bigint), tail = postern.new_id();
  perform postern.note('recovered', p_caller, p_request_id, null, null, null);
  return postern.revoke_everything(p_caller, p_request_id);
end
$$;

-- Holds the user's row; answers `unknown` or `administrator` where the change must not be made.
create function postern.hold_user(p_id uuid, p_spare_admins boolean) returns text language plpgsql
as $$
declare
  v_roles text[];
begin
  select roles into v_roles from postern.users where id = p_id for update;
  if not found then
    return 'unknown';
  elsif p_spare_admins and 'admin' = any (v_roles) then
    return 'administrator';
  end if;
  return 'changed';
end
$$;

create function postern.set_disabled(
  p_id uuid, p_disabled boolean, p_spare_admins boolean, p_caller text, p_request_id text
) returns text language plpgsql
as $$
declare
  v_outcome text := postern.hold_user(p_id, p_spare_admins);
begin
  if v_outcome = 'changed' then
    update postern.users
    set disabled_at = case when p_disabled then postern.now() end, updated_at = postern.now()
    where id = p_id and (disabled_at is not null) <> p_disabled;
    if found then
      perform postern.note(case when p_disabled then 'user_disabled' else 'user_enabled' end,
                           p_caller, p_request_id, p_id, null, null);
      if p_disabled then
        perform postern.end_user(p_id);
      end if;
    end if;
  end if;
  return v_outcome;
end
$$;

create function postern.set_password(
  p_id uuid, p_hash text, p_spare_admins boolean, p_caller text, p_request_id text
) returns text language plpgsql
as $$
declare
  v_outcome text := postern.hold_user(p_id, p_spare_admins);
begin
  if v_outcome = 'changed' then
    update postern.users
    set password_hash = p_hash, password_version = password_version + 1, updated_at = postern.now()
    where id = p_id;
    perform postern.note('password_set', p_caller, p_request_id, p_id, null, null);
    perform postern.end_user(p_id);
  end if;
  return v_outcome;
end
$$;

-- New roles reach access tokens with the next refresh; an administrator that is one no more is logged out, for
-- one call within the old token's life could undo it.
create function postern.set_roles(
  p_id uuid, p_roles text[], p_spare_admins boolean, p_caller text, p_request_id text
) returns text language plpgsql
as $$
declare
  v_outcome text := postern.hold_user(p_id, p_spare_admins);
  v_old text[];
begin
  if v_outcome = 'changed' then
    select roles into strict v_old from postern.users where id = p_id;
    update postern.users set roles = p_roles, updated_at = postern.now() where id = p_id;
    perform postern.note('roles_set', p_caller, p_request_id, p_id, null, null,
                         jsonb_build_object('roles', p_roles));
    if 'admin' = any (v_old) and not 'admin' = any (p_roles) then
      perform postern.end_user(p_id);
    end if;
  end if;
  return v_outcome;
end
$$;

create function postern.create_first_admin(
  p_id uuid, p_email text, p_email_key text, p_username text, p_username_key text, p_roles text[],
  p_hash text, p_caller text, p_request_id text
) returns text language plpgsql
as $$
begin
  perform pg_advisory_xact_lock(hashtext('postern.first_admin'));
  if exists (select from postern.users where 'admin' = any (roles)) then
    return 'exists';
  end if;
  insert into postern.users
    (id, email, email_key, username, username_key, roles, password_hash, created_at, updated_at)
  values (p_id, p_email, p_email_key, p_username, p_username_key, p_roles, p_hash, postern.now(),
          postern.now())
  on conflict do nothing;
  if not found then
    return 'taken';
  end if;
  perform postern.note('user_created', p_caller, p_request_id, p_id, null, null, '{"first": true}');
  return 'created';
end
$$;

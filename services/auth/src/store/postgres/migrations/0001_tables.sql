-- Users, sessions, the revocation log, keys and the audit.

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
  -- Number of the last log entry for this user. Sessions with a lower rev are over.
  cutoff bigint not null default 0,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  last_login_at timestamptz,
  login_count bigint not null default 0
);

-- The newest addresses that each user has logged in from, in the form of `address-key.ts`. Written under the lock of the
-- user's row.
create table postern.user_addresses (
  user_id uuid not null references postern.users (id) on delete cascade,
  address text collate "C" not null,
  last_login_at timestamptz not null,
  primary key (user_id, address)
);

create index user_addresses_oldest on postern.user_addresses (last_login_at);

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
  -- The start of the current generation, which is when the one before it was spent. No index contains this column or
  -- last_used_at, so a rotation updates no index.
  rotated_at timestamptz not null,
  -- The client's request id of the rotation that made the current generation.
  rotated_by text,
  -- Whether the current generation has been used. Its predecessor is then no longer accepted.
  current_used boolean not null default false,
  last_used_at timestamptz not null,
  ended_at timestamptz,
  ended_by text
) with (fillfactor = 80);

create index sessions_open on postern.sessions (user_id, id) where ended_at is null;
create index sessions_expiring on postern.sessions (expires_at);
-- For searches that include ended sessions.
create index sessions_user on postern.sessions (user_id, id);
create index sessions_client on postern.sessions (client_id, id);

-- One row: the end of the log.
create table postern.revocation_head (
  singleton boolean primary key default true check (singleton),
  seq bigint not null,
  tail uuid not null,
  -- Everything authenticated below this number is over.
  everything_cutoff bigint not null,
  -- A random id that every change of the keys replaces. Replicas compare it to detect that their keys are outdated.
  keys_version uuid not null
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

-- As users.cutoff, for clients.
create table postern.client_cutoffs (
  client_id text collate "C" primary key,
  cutoff bigint not null
);

create table postern.keys (
  id uuid primary key,
  number bigint generated always as identity unique,
  purpose text not null check (purpose in ('signing', 'refresh')),
  alg text not null,
  state text not null check (state in ('prepared', 'active', 'retired', 'tainted', 'removed')),
  public_jwk jsonb,
  -- A removed key has no secret.
  sealed bytea constraint keys_sealed check ((state = 'removed') = (sealed is null)),
  created_at timestamptz not null,
  activated_at timestamptz,
  -- When the key stopped signing, because its successor was activated or because it was tainted.
  retired_at timestamptz,
  removed_at timestamptz
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
  detail jsonb not null default '{}',
  client_address text
);

create index audit_user on postern.audit (user_id, id) where user_id is not null;
create index audit_session on postern.audit (session_id, id) where session_id is not null;
-- A refused login writes either this index or that of the user, so an unknown name costs the same as a known one.
create index audit_account on postern.audit ((detail ->> 'account'), id) where detail ->> 'account' is not null;

-- Rows for `for update skip locked`: only one replica at a time does each kind of work. Unlike an advisory lock, only a
-- role with rights in this schema can lock them.
create table postern.locks (
  name text primary key
);

-- What tokens are made from: the state of a session at `now`. Tokens are signed by keys that are no older than keys_version.
create type postern.grant_row as (
  session_id uuid, user_id uuid, client_id text, audience text[], scope text[], roles text[], amr text[],
  auth_time timestamptz, rev bigint, refresh_key bigint, generation integer, ends_at timestamptz,
  now timestamptz, keys_version uuid
);

insert into postern.revocation_head (seq, tail, everything_cutoff, keys_version)
values (0, gen_random_uuid(), 0, gen_random_uuid());
insert into postern.locks (name) values ('cleaning'), ('purge_audit');

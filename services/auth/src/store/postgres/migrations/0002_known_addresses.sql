-- Addresses that users have logged in from, shown names, and an end to waits for a lock.

-- Of each user the newest ones, folded as `address-key.ts` folds them. Written under the user's row.
create table postern.user_addresses (
  user_id uuid not null references postern.users (id) on delete cascade,
  address text collate "C" not null,
  last_login_at timestamptz not null,
  primary key (user_id, address)
);

-- Notes where a user has logged in from; keeps the 32 newest. The time is written once a day, so that a login
-- from a known address seldom writes at all.
create function postern.remember_address(p_user_id uuid, p_address text) returns void language sql volatile
as $$
  insert into postern.user_addresses as a (user_id, address, last_login_at)
  values (p_user_id, p_address, postern.now())
  on conflict (user_id, address) do update set last_login_at = excluded.last_login_at
    where a.last_login_at < excluded.last_login_at - interval '1 day';
  delete from postern.user_addresses
  where user_id = p_user_id and address in (
    select address from postern.user_addresses where user_id = p_user_id
    order by last_login_at desc, address offset 32)
$$;

-- What users are called. Somebody may be changing the table, hence the timeout (see below).
create function postern.user_names(p_ids uuid[]) returns table (id uuid, name text)
language sql stable set lock_timeout = '500ms'
as $$
  select u.id, coalesce(u.username, u.email) from postern.users u where u.id = any (p_ids)
$$;

-- A row or the head that somebody holds on to is waited for for half a second, each by itself. A statement that
-- gave up has changed nothing. (A clause of the function: a pooler by transaction keeps no setting of a session.)
alter function postern.open_session set lock_timeout = '500ms';
alter function postern.revoke_session set lock_timeout = '500ms';
alter function postern.revoke_token set lock_timeout = '500ms';
alter function postern.revoke_user set lock_timeout = '500ms';
alter function postern.revoke_client set lock_timeout = '500ms';
alter function postern.revoke_everything set lock_timeout = '500ms';
alter function postern.recover set lock_timeout = '500ms';
alter function postern.set_disabled set lock_timeout = '500ms';
alter function postern.set_password set lock_timeout = '500ms';
alter function postern.set_roles set lock_timeout = '500ms';
alter function postern.create_first_admin set lock_timeout = '500ms';

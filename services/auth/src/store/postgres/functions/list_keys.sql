-- The keys that are not removed, and their version. If there are none, one row without a key.
-- The timeout applies when another session locks the table, for example to change it.
create or replace function postern.list_keys() returns table (
  keys_version uuid, now timestamptz, id uuid, number bigint, purpose text, alg text, state text, public_jwk jsonb,
  sealed bytea, created_at timestamptz, activated_at timestamptz, retired_at timestamptz
) language sql stable
set lock_timeout = '500ms' set search_path = pg_catalog, pg_temp
as $$
  select h.keys_version, postern.now(), k.id, k.number, k.purpose, k.alg, k.state, k.public_jwk, k.sealed, k.created_at,
    k.activated_at, k.retired_at
  from postern.revocation_head h left join postern.keys k on k.state <> 'removed' order by k.number
$$;

-- Deletes the oldest rows that are older than p_before and older than 30 days; at most p_limit, and at most 1000. Returns
-- how many were deleted; null if another replica is purging. The commit does not wait for the disk.
create or replace function postern.purge_audit(p_before timestamptz, p_limit integer) returns integer
language plpgsql security definer
set lock_timeout = '200ms' set search_path = pg_catalog, pg_temp
as $$
declare
  v_before timestamptz := least(p_before, postern.now() - interval '30 days');
  v_count integer;
begin
  perform from postern.locks where name = 'purge_audit' for update skip locked;
  if not found then
    return null;
  end if;
  perform set_config('synchronous_commit', 'off', true);
  -- A `set` clause of the function would need a superuser, because Postgres does not know this parameter.
  perform set_config('postern.purging', 'on', true);
  delete from postern.audit where id = any (array(
    select id from postern.audit
    where id < postern.first_audit_id(v_before + interval '1 second') and at < v_before
    order by id limit least(p_limit, 1000)));
  get diagnostics v_count = row_count;
  perform set_config('postern.purging', 'off', true);
  return v_count;
end
$$;

revoke execute on function postern.purge_audit(timestamptz, integer) from public;

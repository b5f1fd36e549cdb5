-- After a restore. The database no longer knows how far the log had come, so its number is set to the time in
-- microseconds, which no log reaches by counting (a million entries a second, for ever), and everything below
-- it is over. The number stays below 2^53 until the year 2255.
create or replace function postern.recover(p_caller text, p_request_id text) returns bigint language plpgsql
set lock_timeout = '500ms' set search_path = pg_catalog, pg_temp
as $$
begin
  update postern.revocation_head
  set seq = greatest(seq, (extract(epoch from postern.now()) * 1000000)::bigint), tail = postern.new_id();
  perform postern.note('recovered', p_caller, p_request_id, null, null, null);
  return postern.revoke_everything(p_caller, p_request_id);
end
$$;

-- Ends everything after a restore. The database no longer knows the last number of the log, so the number is set to the time
-- in microseconds. No log reaches it by counting (that takes a million entries a second). Everything below it is over. The
-- number stays below 2^53 until the year 2255.
create or replace function postern.recover(p_caller text, p_request_id text) returns bigint language plpgsql
set lock_timeout = '500ms' set search_path = pg_catalog, pg_temp
as $$
begin
  update postern.revocation_head
  set seq = greatest(seq, (extract(epoch from postern.now()) * 1000000)::bigint), tail = postern.new_id();
  perform postern.record_audit('recovered', p_caller, p_request_id, null, null, null);
  return postern.revoke_everything(p_caller, p_request_id);
end
$$;

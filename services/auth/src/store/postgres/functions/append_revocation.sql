-- Appends an entry to the log and returns its number. Locks the head, which must be the last lock of the transaction:
-- transactions then commit in the order of the log's numbers.
-- p_forget_after: until when the entry can concern a valid token. Default: the longest lifetime of an access token (1 hour)
-- and 2 minutes.
create or replace function postern.append_revocation(
  p_kind text, p_target_id uuid default null, p_client_id text default null,
  p_forget_after timestamptz default null
) returns bigint language plpgsql
set search_path = pg_catalog, pg_temp
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

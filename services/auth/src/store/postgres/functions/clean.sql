-- Deletes at most p_limit of the oldest rows that are no longer needed. Returns how many were deleted, and the newest time
-- among them, where the next batch can begin: an older row that is left is locked by another transaction. `cleaned` is null
-- if another replica is cleaning. One call is one short transaction:
--
-- - It waits for no row lock, and locks neither users nor the head.
-- - The commit does not wait for the disk or a standby. After a crash the rows may exist again.
create or replace function postern.clean(
  p_table text, p_limit integer, p_from timestamptz, out cleaned integer, out up_to timestamptz
) language plpgsql
set lock_timeout = '200ms' set search_path = pg_catalog, pg_temp
as $$
declare
  v_column text;
  v_kept interval;
begin
  perform from postern.locks where name = 'cleaning' for update skip locked;
  if not found then
    return;
  end if;
  perform set_config('synchronous_commit', 'off', true);
  case p_table
    -- Until a session expires, its row distinguishes a spent token from an unknown one. For one more day it shows how the
    -- session ended.
    when 'sessions' then v_column := 'expires_at'; v_kept := '1 day';
    -- A replica that is this far behind finds a gap and loads the log again. One hour, because a clock may have been ahead.
    when 'revocations' then v_column := 'forget_after'; v_kept := '1 hour';
    -- Logins read addresses of the last 90 days.
    when 'user_addresses' then v_column := 'last_login_at'; v_kept := '180 days';
  end case;
  execute format(
    'with gone as (
       delete from postern.%1$I where ctid = any (array(
         select ctid from postern.%1$I where %2$I >= $1 and %2$I < $2 order by %2$I limit $3
         for update skip locked))
       returning %2$I as at)
     select count(*), max(at) from gone', p_table, v_column)
  into cleaned, up_to
  using coalesce(p_from, '-infinity'), postern.now() - v_kept, p_limit;
end
$$;

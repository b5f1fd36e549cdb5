-- Deletes the oldest rows that nobody needs, at most p_limit, and tells how many went and up to which time, where the
-- next batch may begin: what this one left behind is dead, or somebody holds it. `cleaned` is null where another
-- replica is at it. One call is one short transaction:
--
-- - The advisory lock ends with it, so a pooler by transaction works.
-- - It waits for no row, and takes neither users nor the head.
-- - Nothing waits for its commit to reach the disk or a standby: after a crash the rows may be there again.
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
    -- Until its end a session's row is what tells a token that was spent; for a day after, what became of it.
    when 'sessions' then v_column := 'expires_at'; v_kept := '1 day';
    -- A replica that is so far behind finds a gap, and loads the log anew. An hour, since a clock may
    -- have been ahead.
    when 'revocations' then v_column := 'forget_after'; v_kept := '1 hour';
    -- Logins ask for those of the last 90 days.
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

-- The time that decides. Tests replace it to move the clock.
create or replace function postern.now() returns timestamptz language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  return clock_timestamp();
end
$$;

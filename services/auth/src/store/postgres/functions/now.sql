-- The time that decides. Tests replace this function to move the clock.
--
-- This and the other small functions that every call runs are in PL/pgSQL. Postgres does not inline a function with its own
-- `search_path`: it plans an SQL function again for every statement, and a PL/pgSQL function once per connection.
create or replace function postern.now() returns timestamptz language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  return clock_timestamp();
end
$$;

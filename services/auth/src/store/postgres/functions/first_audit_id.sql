-- The least id that a row of this time may have. Rows from before this migration are off by the blink between two
-- looks at the clock, so whoever asks grants a second. Ids have 48 bits for milliseconds.
create or replace function postern.first_id(p_at timestamptz) returns uuid language sql immutable
set search_path = pg_catalog, pg_temp
as $$
  select (lpad(to_hex(least(greatest(extract(epoch from p_at) * 1000, 0), 281474976710655)::bigint), 12, '0')
          || repeat('0', 20))::uuid
$$;

-- The smallest id that a row of this time can have. Ids have 48 bits for milliseconds. The time is rounded to the nearest
-- millisecond, so callers add or subtract a second.
create or replace function postern.first_audit_id(p_at timestamptz) returns uuid language sql immutable
set search_path = pg_catalog, pg_temp
as $$
  select (lpad(to_hex(least(greatest(extract(epoch from p_at) * 1000, 0), 281474976710655)::bigint), 12, '0')
          || repeat('0', 20))::uuid
$$;

-- A UUIDv7 of this time to the microsecond (RFC 9562, section 6.2, method 3). Rows of one transaction keep their order.
create or replace function postern.audit_id(p_at timestamptz) returns uuid language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_us bigint := (extract(epoch from p_at) * 1000000)::bigint;
begin
  return (lpad(to_hex(v_us / 1000), 12, '0') || '7' || lpad(to_hex(v_us % 1000 * 4096 / 1000), 3, '0')
          || right(replace(gen_random_uuid()::text, '-', ''), 16))::uuid;
end
$$;

-- A UUIDv7 (RFC 9562): a UUIDv4 whose first 48 bits are replaced by the time in milliseconds and whose version is set to 7.
create or replace function postern.new_id() returns uuid language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  return encode(
    set_bit(set_bit(
      overlay(
        uuid_send(gen_random_uuid())
        placing substring(int8send((extract(epoch from postern.now()) * 1000)::bigint) from 3)
        from 1 for 6),
      52, 1), 53, 1),
    'hex')::uuid;
end
$$;

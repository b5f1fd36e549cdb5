-- Records an address that the user has logged in from, and keeps the 32 newest. The time is written once a day, so most
-- logins from a known address write nothing.
create or replace function postern.remember_address(p_user_id uuid, p_address text) returns void language sql volatile
set search_path = pg_catalog, pg_temp
as $$
  insert into postern.user_addresses as a (user_id, address, last_login_at)
  values (p_user_id, p_address, postern.now())
  on conflict (user_id, address) do update set last_login_at = excluded.last_login_at
    where a.last_login_at < excluded.last_login_at - interval '1 day';
  delete from postern.user_addresses
  where user_id = p_user_id and address in (
    select address from postern.user_addresses where user_id = p_user_id
    order by last_login_at desc, address offset 32)
$$;

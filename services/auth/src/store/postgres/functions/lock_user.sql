-- Holds the user's row; answers `unknown` or `administrator` where the change must not be made.
create or replace function postern.hold_user(p_id uuid, p_spare_admins boolean) returns text language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_roles text[];
begin
  select roles into v_roles from postern.users where id = p_id for update;
  if not found then
    return 'unknown';
  elsif p_spare_admins and 'admin' = any (v_roles) then
    return 'administrator';
  end if;
  return 'changed';
end
$$;

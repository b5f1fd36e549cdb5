-- Locks the user's row. Returns `changed` if the change may be made, otherwise `unknown` or `administrator`.
create or replace function postern.lock_user(p_id uuid, p_exclude_admins boolean) returns text language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_roles text[];
begin
  select roles into v_roles from postern.users where id = p_id for update;
  if not found then
    return 'unknown';
  elsif p_exclude_admins and 'admin' = any (v_roles) then
    return 'administrator';
  end if;
  return 'changed';
end
$$;

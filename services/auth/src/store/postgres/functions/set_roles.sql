-- New roles reach access tokens with the next refresh; an administrator that is one no more is logged out, for
-- one call within the old token's life could undo it.
-- As before, and notes which roles the user had.
create or replace function postern.set_roles(
  p_id uuid, p_roles text[], p_spare_admins boolean, p_caller text, p_request_id text
) returns text language plpgsql
set lock_timeout = '500ms' set search_path = pg_catalog, pg_temp
as $$
declare
  v_outcome text := postern.hold_user(p_id, p_spare_admins);
  v_old text[];
begin
  if v_outcome = 'changed' then
    select roles into strict v_old from postern.users where id = p_id;
    update postern.users set roles = p_roles, updated_at = postern.now() where id = p_id;
    perform postern.note('roles_set', p_caller, p_request_id, p_id, null, null,
                         jsonb_build_object('roles', p_roles, 'before', v_old));
    if 'admin' = any (v_old) and not 'admin' = any (p_roles) then
      perform postern.end_user(p_id);
    end if;
  end if;
  return v_outcome;
end
$$;

-- Sets the user's roles. They reach access tokens with the next refresh. A user who loses the role `admin` is logged out:
-- with the old access token, one call could undo the change.
create or replace function postern.set_roles(
  p_id uuid, p_roles text[], p_exclude_admins boolean, p_caller text, p_request_id text
) returns text language plpgsql
set lock_timeout = '500ms' set search_path = pg_catalog, pg_temp
as $$
declare
  v_outcome text := postern.lock_user(p_id, p_exclude_admins);
  v_old text[];
begin
  if v_outcome = 'changed' then
    select roles into strict v_old from postern.users where id = p_id;
    update postern.users set roles = p_roles, updated_at = postern.now() where id = p_id;
    perform postern.record_audit('roles_set', p_caller, p_request_id, p_id, null, null,
                                 jsonb_build_object('roles', p_roles, 'before', v_old));
    if 'admin' = any (v_old) and not 'admin' = any (p_roles) then
      perform postern.end_user_sessions(p_id);
    end if;
  end if;
  return v_outcome;
end
$$;

-- Sets a new password, which ends all of the user's sessions.
create or replace function postern.set_password(
  p_id uuid, p_hash text, p_exclude_admins boolean, p_caller text, p_request_id text
) returns text language plpgsql
set lock_timeout = '500ms' set search_path = pg_catalog, pg_temp
as $$
declare
  v_outcome text := postern.lock_user(p_id, p_exclude_admins);
begin
  if v_outcome = 'changed' then
    update postern.users
    set password_hash = p_hash, password_version = password_version + 1, updated_at = postern.now()
    where id = p_id;
    perform postern.record_audit('password_set', p_caller, p_request_id, p_id, null, null);
    perform postern.end_user_sessions(p_id);
  end if;
  return v_outcome;
end
$$;

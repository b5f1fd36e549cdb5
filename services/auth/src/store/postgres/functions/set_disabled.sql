-- Disables a user, which ends all of the user's sessions, or enables the user again.
create or replace function postern.set_disabled(
  p_id uuid, p_disabled boolean, p_exclude_admins boolean, p_caller text, p_request_id text
) returns text language plpgsql
set lock_timeout = '500ms' set search_path = pg_catalog, pg_temp
as $$
declare
  v_outcome text := postern.lock_user(p_id, p_exclude_admins);
begin
  if v_outcome = 'changed' then
    update postern.users
    set disabled_at = case when p_disabled then postern.now() end, updated_at = postern.now()
    where id = p_id and (disabled_at is not null) <> p_disabled;
    if found then
      perform postern.record_audit(case when p_disabled then 'user_disabled' else 'user_enabled' end,
                                   p_caller, p_request_id, p_id, null, null);
      if p_disabled then
        perform postern.end_user_sessions(p_id);
      end if;
    end if;
  end if;
  return v_outcome;
end
$$;

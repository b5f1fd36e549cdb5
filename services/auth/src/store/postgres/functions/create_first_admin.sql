-- Creates the user unless an administrator exists. If several servers start at the same time, one of them succeeds: the lock
-- of the log's head, taken after the insert, serializes them.
-- p_user: {id, email, email_key, username, username_key, roles, password_hash}.
create or replace function postern.create_first_admin(
  p_user jsonb, p_caller text, p_request_id text
) returns text language plpgsql
set lock_timeout = '500ms' set search_path = pg_catalog, pg_temp
as $$
declare
  v_new postern.users := jsonb_populate_record(null::postern.users, p_user);
begin
  if exists (select from postern.users where 'admin' = any (roles)) then
    return 'exists';
  end if;
  insert into postern.users
    (id, email, email_key, username, username_key, roles, password_hash, created_at, updated_at)
  values (v_new.id, v_new.email, v_new.email_key, v_new.username, v_new.username_key, v_new.roles, v_new.password_hash,
          postern.now(), postern.now())
  on conflict do nothing;
  if not found then
    -- The insert may have waited for another server, which created the user.
    return case when exists (select from postern.users where 'admin' = any (roles)) then 'exists' else 'taken' end;
  end if;
  perform from postern.revocation_head for update;
  if exists (select from postern.users where 'admin' = any (roles) and id <> v_new.id) then
    delete from postern.users where id = v_new.id;
    return 'exists';
  end if;
  perform postern.record_audit('user_created', p_caller, p_request_id, v_new.id, null, null, '{"first": true}');
  return 'created';
end
$$;

create or replace function postern.create_first_admin(
  p_id uuid, p_email text, p_email_key text, p_username text, p_username_key text, p_roles text[],
  p_hash text, p_caller text, p_request_id text
) returns text language plpgsql
set lock_timeout = '500ms' set search_path = pg_catalog, pg_temp
as $$
begin
  if exists (select from postern.users where 'admin' = any (roles)) then
    return 'exists';
  end if;
  insert into postern.users
    (id, email, email_key, username, username_key, roles, password_hash, created_at, updated_at)
  values (p_id, p_email, p_email_key, p_username, p_username_key, p_roles, p_hash, postern.now(),
          postern.now())
  on conflict do nothing;
  if not found then
    -- By another server, perhaps, which this one has just waited for.
    return case when exists (select from postern.users where 'admin' = any (roles)) then 'exists' else 'taken' end;
  end if;
  perform from postern.revocation_head for update;
  if exists (select from postern.users where 'admin' = any (roles) and id <> p_id) then
    delete from postern.users where id = p_id;
    return 'exists';
  end if;
  perform postern.note('user_created', p_caller, p_request_id, p_id, null, null, '{"first": true}');
  return 'created';
end
$$;

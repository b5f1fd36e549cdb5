-- The names of users, for display. The timeout applies when another session locks the table, for example to change it.
create or replace function postern.user_names(p_ids uuid[]) returns table (id uuid, name text)
language sql stable
set lock_timeout = '500ms' set search_path = pg_catalog, pg_temp
as $$
  select u.id, coalesce(u.username, u.email) from postern.users u where u.id = any (p_ids)
$$;

-- Makes a prepared key the active key of its purpose.
-- p_lead: minimum time since a signing key was published. p_instead_of: the key that must be active now; null: any.
create or replace function postern.activate_key(
  p_id uuid, p_lead interval, p_instead_of uuid, p_caller text, p_request_id text
) returns text language plpgsql
set lock_timeout = '500ms' set search_path = pg_catalog, pg_temp
as $$
declare
  v_key postern.keys;
begin
  perform from postern.revocation_head for update;
  select * into v_key from postern.keys where id = p_id;
  if not found then
    return 'unknown';
  elsif v_key.state <> 'prepared' then
    return 'not_prepared';
  elsif p_instead_of is not null and not exists (
    select from postern.keys where id = p_instead_of and purpose = v_key.purpose and state = 'active'
  ) then
    return 'overtaken';
  elsif v_key.purpose = 'signing' and v_key.created_at > postern.now() - p_lead then
    return 'too_young';
  end if;
  perform postern.replace_active_key(p_id, p_caller, p_request_id);
  return 'activated';
end
$$;

-- Deletes a key's secret. A tainted or a prepared key can be removed at any time: no valid token needs it.
-- p_kept_for: minimum time since a key was retired, for the tokens that it has made.
create or replace function postern.remove_key(p_id uuid, p_kept_for interval, p_caller text, p_request_id text) returns text
language plpgsql
set lock_timeout = '500ms' set search_path = pg_catalog, pg_temp
as $$
declare
  v_key postern.keys;
begin
  perform from postern.revocation_head for update;
  select * into v_key from postern.keys where id = p_id;
  if not found then
    return 'unknown';
  elsif v_key.state = 'removed' then
    return 'already';
  elsif v_key.state = 'active' then
    return 'active';
  elsif v_key.state = 'retired' and v_key.retired_at > postern.now() - p_kept_for then
    return 'needed';
  end if;
  update postern.keys set state = 'removed', removed_at = postern.now(), sealed = null where id = p_id;
  perform postern.record_key_change('key_removed', v_key, p_caller, p_request_id);
  return 'removed';
end
$$;

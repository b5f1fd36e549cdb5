-- Activates the key and retires the active key of the same purpose. The caller has locked the head and takes no further lock
-- but those of rows of keys.
create or replace function postern.replace_active_key(p_id uuid, p_caller text, p_request_id text) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_key postern.keys;
begin
  update postern.keys set state = 'retired', retired_at = postern.now()
  where state = 'active' and purpose = (select purpose from postern.keys where id = p_id);
  update postern.keys set state = 'active', activated_at = postern.now()
  where id = p_id returning * into strict v_key;
  perform postern.record_key_change('key_activated', v_key, p_caller, p_request_id);
end
$$;

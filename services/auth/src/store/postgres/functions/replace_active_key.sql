-- Gives the key its predecessor's place. The caller holds the advisory lock and takes nothing after it.
create or replace function postern.put_in_force(p_id uuid, p_caller text, p_request_id text) returns void
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
  perform postern.keys_changed('key_activated', v_key, p_caller, p_request_id);
end
$$;

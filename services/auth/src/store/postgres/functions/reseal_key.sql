-- Seals the same secret under another master key. Replicas that have opened the key need no notice.
create or replace function postern.reseal_key(
  p_id uuid, p_from bytea, p_to bytea, p_caller text, p_request_id text
) returns boolean language plpgsql
set lock_timeout = '500ms' set search_path = pg_catalog, pg_temp
as $$
begin
  perform from postern.revocation_head for update;
  update postern.keys set sealed = p_to where id = p_id and sealed = p_from;
  if not found then
    return false;
  end if;
  perform postern.record_audit('key_resealed', p_caller, p_request_id, null, null, null, jsonb_build_object('key', p_id));
  -- A server that could not open the key before may be able to now.
  update postern.revocation_head set keys_version = postern.new_id();
  return true;
end
$$;

-- Puts the same secret under another master key: who has the key open need not be told.
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
  perform postern.note('key_resealed', p_caller, p_request_id, null, null, null, jsonb_build_object('key', p_id));
  -- A server may have it that could not open it before.
  update postern.revocation_head set keys_version = postern.new_id();
  return true;
end
$$;

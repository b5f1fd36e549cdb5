-- Records a change of a key and gives the keys a new version. The caller has locked the head.
create or replace function postern.record_key_change(p_event text, p_key postern.keys, p_caller text, p_request_id text)
returns void language sql
set search_path = pg_catalog, pg_temp
as $$
  select postern.record_audit(p_event, p_caller, p_request_id, null, null, null, jsonb_build_object(
    'key', p_key.id, 'purpose', p_key.purpose, 'alg', p_key.alg));
  update postern.revocation_head set keys_version = postern.new_id();
$$;

-- Adds a key, active at once, where its purpose has no active key yet; of two servers that try, one succeeds.
create or replace function postern.add_first_key(
  p_id uuid, p_purpose text, p_alg text, p_public_jwk jsonb, p_sealed bytea, p_caller text, p_request_id text
) returns void language plpgsql
set lock_timeout = '500ms' set search_path = pg_catalog, pg_temp
as $$
declare
  v_key postern.keys;
begin
  perform from postern.revocation_head for update;
  insert into postern.keys (id, purpose, alg, state, public_jwk, sealed, created_at, activated_at)
  values (p_id, p_purpose, p_alg, 'active', p_public_jwk, p_sealed, postern.now(), postern.now())
  on conflict (purpose) where state = 'active' do nothing
  returning * into v_key;
  if found then
    perform postern.keys_changed('key_activated', v_key, p_caller, p_request_id);
  end if;
end
$$;

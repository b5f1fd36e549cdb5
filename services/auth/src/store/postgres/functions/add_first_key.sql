-- Adds an active key if its purpose has none. If two servers try at the same time, one of them succeeds.
-- p_key: see prepare_key.
create or replace function postern.add_first_key(p_key jsonb, p_caller text, p_request_id text) returns void language plpgsql
set lock_timeout = '500ms' set search_path = pg_catalog, pg_temp
as $$
declare
  v_new postern.keys := jsonb_populate_record(null::postern.keys, p_key);
  v_key postern.keys;
begin
  perform from postern.revocation_head for update;
  insert into postern.keys (id, purpose, alg, state, public_jwk, sealed, created_at, activated_at)
  values (v_new.id, v_new.purpose, v_new.alg, 'active', v_new.public_jwk, v_new.sealed, postern.now(), postern.now())
  on conflict (purpose) where state = 'active' do nothing
  returning * into v_key;
  if found then
    perform postern.record_key_change('key_activated', v_key, p_caller, p_request_id);
  end if;
end
$$;

-- p_unless_prepared: where a prepared key of the purpose and algorithm stands already, none is added.
create or replace function postern.prepare_key(
  p_id uuid, p_purpose text, p_alg text, p_public_jwk jsonb, p_sealed bytea, p_unless_prepared boolean,
  p_limit integer, p_caller text, p_request_id text
) returns text language plpgsql
set lock_timeout = '500ms' set search_path = pg_catalog, pg_temp
as $$
declare
  v_key postern.keys;
begin
  perform from postern.revocation_head for update;
  if p_unless_prepared and exists (
    select from postern.keys where purpose = p_purpose and alg = p_alg and state = 'prepared'
  ) then
    return 'already';
  elsif (select count(*) from postern.keys where purpose = p_purpose and state <> 'removed') >= p_limit then
    return 'too_many';
  end if;
  -- What is left of removed keys says no more than the audit does.
  delete from postern.keys where state = 'removed' and removed_at < postern.now() - interval '400 days';
  insert into postern.keys (id, purpose, alg, state, public_jwk, sealed, created_at)
  values (p_id, p_purpose, p_alg, 'prepared', p_public_jwk, p_sealed, postern.now())
  returning * into v_key;
  perform postern.keys_changed('key_prepared', v_key, p_caller, p_request_id);
  return 'prepared';
end
$$;

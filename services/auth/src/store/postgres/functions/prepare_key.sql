-- Publishes a key that becomes active later.
-- p_key: {id, purpose, alg, public_jwk, sealed}; `sealed` is the text form of bytea, `\x` and hexadecimal digits.
-- p_unless_prepared: adds none if the purpose has a prepared key with the same algorithm. p_limit: maximum number of keys of
-- the purpose.
create or replace function postern.prepare_key(
  p_key jsonb, p_unless_prepared boolean, p_limit integer, p_caller text, p_request_id text
) returns text language plpgsql
set lock_timeout = '500ms' set search_path = pg_catalog, pg_temp
as $$
declare
  v_new postern.keys := jsonb_populate_record(null::postern.keys, p_key);
  v_key postern.keys;
begin
  perform from postern.revocation_head for update;
  if p_unless_prepared and exists (
    select from postern.keys where purpose = v_new.purpose and alg = v_new.alg and state = 'prepared'
  ) then
    return 'already';
  elsif (select count(*) from postern.keys where purpose = v_new.purpose and state <> 'removed') >= p_limit then
    return 'too_many';
  end if;
  -- The rows of removed keys have no information that the audit lacks.
  delete from postern.keys where state = 'removed' and removed_at < postern.now() - interval '400 days';
  insert into postern.keys (id, purpose, alg, state, public_jwk, sealed, created_at)
  values (v_new.id, v_new.purpose, v_new.alg, 'prepared', v_new.public_jwk, v_new.sealed, postern.now())
  returning * into v_key;
  perform postern.record_key_change('key_prepared', v_key, p_caller, p_request_id);
  return 'prepared';
end
$$;

-- Rejects everything that a key has made, because its secret may be compromised. If the key is active, the prepared key that
-- was published first replaces it. An attacker with a refresh key can make the refresh token of any session, so tainting one
-- ends everything.
create or replace function postern.taint_key(
  p_id uuid, p_caller text, p_request_id text, out outcome text, out seq bigint
) language plpgsql
set lock_timeout = '500ms' set search_path = pg_catalog, pg_temp
as $$
declare
  v_key postern.keys;
  v_next uuid;
begin
  select h.seq into strict seq from postern.revocation_head h for update;
  select * into v_key from postern.keys where id = p_id;
  if not found then
    outcome := 'unknown';
    return;
  elsif v_key.state in ('tainted', 'removed') then
    outcome := 'already';
    return;
  end if;
  select id into v_next from postern.keys where purpose = v_key.purpose and state = 'prepared' and id <> p_id
  order by created_at, number limit 1;
  if v_key.state = 'active' and v_next is null then
    outcome := 'no_successor';
    return;
  end if;
  update postern.keys set state = 'tainted', retired_at = coalesce(retired_at, postern.now()) where id = p_id;
  perform postern.record_key_change('key_tainted', v_key, p_caller, p_request_id);
  if v_key.state = 'active' then
    perform postern.replace_active_key(v_next, p_caller, p_request_id);
  end if;
  outcome := 'tainted';
  seq := case v_key.purpose
    when 'signing' then postern.append_revocation('key', p_id)
    else postern.revoke_everything(p_caller, p_request_id)
  end;
end
$$;

-- Keys that are prepared, activated, retired, tainted and removed.
--
-- Whoever changes keys takes the advisory lock first and the head last, and gives `keys_version` a new value there:
-- every read of the head, and every statement that grants tokens, tells by it whether a replica's keys are of today.

alter table postern.revocation_head add column keys_version uuid not null default postern.new_id();

alter table postern.keys
  add column activated_at timestamptz,
  -- When it ceased to sign: by its successor, or because it was tainted.
  add column retired_at timestamptz,
  add column removed_at timestamptz,
  alter column sealed drop not null;
update postern.keys set activated_at = created_at where state = 'active';
-- Of a removed key the secret is gone.
alter table postern.keys add constraint keys_sealed check ((state = 'removed') = (sealed is null));

create function postern.keys_changed(p_event text, p_key postern.keys, p_caller text, p_request_id text)
returns void language sql
as $$
  select postern.note(p_event, p_caller, p_request_id, null, null, null, jsonb_build_object(
    'key', p_key.id, 'purpose', p_key.purpose, 'alg', p_key.alg));
  update postern.revocation_head set keys_version = postern.new_id();
$$;

-- The keys that are not removed and their version; one row without a key where there are none. Somebody may be changing
-- the table, hence the timeout.
create function postern.list_keys() returns table (
  keys_version uuid, now timestamptz, id uuid, number bigint, purpose text, alg text, state text, public_jwk jsonb,
  sealed bytea, created_at timestamptz, activated_at timestamptz, retired_at timestamptz
) language sql stable set lock_timeout = '500ms'
as $$
  select h.keys_version, postern.now(), k.id, k.number, k.purpose, k.alg, k.state, k.public_jwk, k.sealed, k.created_at,
    k.activated_at, k.retired_at
  from postern.revocation_head h left join postern.keys k on k.state <> 'removed' order by k.number
$$;

-- Adds a key, active at once, where its purpose has no active key yet; of two servers that try, one succeeds.
create function postern.add_first_key(
  p_id uuid, p_purpose text, p_alg text, p_public_jwk jsonb, p_sealed bytea, p_caller text, p_request_id text
) returns void language plpgsql set lock_timeout = '500ms'
as $$
declare
  v_key postern.keys;
begin
  perform pg_advisory_xact_lock(hashtext('postern.keys'));
  insert into postern.keys (id, purpose, alg, state, public_jwk, sealed, created_at, activated_at)
  values (p_id, p_purpose, p_alg, 'active', p_public_jwk, p_sealed, postern.now(), postern.now())
  on conflict (purpose) where state = 'active' do nothing
  returning * into v_key;
  if found then
    perform postern.keys_changed('key_activated', v_key, p_caller, p_request_id);
  end if;
end
$$;

-- p_unless_prepared: where a prepared key of the purpose and algorithm stands already, none is added.
create function postern.prepare_key(
  p_id uuid, p_purpose text, p_alg text, p_public_jwk jsonb, p_sealed bytea, p_unless_prepared boolean,
  p_limit integer, p_caller text, p_request_id text
) returns text language plpgsql set lock_timeout = '500ms'
as $$
declare
  v_key postern.keys;
begin
  perform pg_advisory_xact_lock(hashtext('postern.keys'));
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

-- Gives the key its predecessor's place. The caller holds the advisory lock and takes nothing after it.
create function postern.put_in_force(p_id uuid, p_caller text, p_request_id text) returns void
language plpgsql
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

-- p_lead: how long at least a signing key must have been published. p_instead_of: only where that key is the active
-- one; null: whichever is.
create function postern.activate_key(
  p_id uuid, p_lead interval, p_instead_of uuid, p_caller text, p_request_id text
) returns text language plpgsql set lock_timeout = '500ms'
as $$
declare
  v_key postern.keys;
begin
  perform pg_advisory_xact_lock(hashtext('postern.keys'));
  select * into v_key from postern.keys where id = p_id;
  if not found then
    return 'unknown';
  elsif v_key.state <> 'prepared' then
    return 'not_prepared';
  elsif p_instead_of is not null and not exists (
    select from postern.keys where id = p_instead_of and purpose = v_key.purpose and state = 'active'
  ) then
    return 'overtaken';
  elsif v_key.purpose = 'signing' and v_key.created_at > postern.now() - p_lead then
    return 'too_young';
  end if;
  perform postern.put_in_force(p_id, p_caller, p_request_id);
  return 'activated';
end
$$;

-- Its secret may be in strange hands: nothing that the key has made counts any more. The prepared key that has been
-- published the longest takes an active key's place. Whoever has a refresh key can make the refresh token of any
-- session, so with one of those everything ends that was authenticated before.
create function postern.taint_key(
  p_id uuid, p_caller text, p_request_id text, out outcome text, out seq bigint
) language plpgsql set lock_timeout = '500ms'
as $$
declare
  v_key postern.keys;
  v_next uuid;
begin
  perform pg_advisory_xact_lock(hashtext('postern.keys'));
  select h.seq into strict seq from postern.revocation_head h;
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
  perform postern.keys_changed('key_tainted', v_key, p_caller, p_request_id);
  if v_key.state = 'active' then
    perform postern.put_in_force(v_next, p_caller, p_request_id);
  end if;
  outcome := 'tainted';
  seq := case v_key.purpose
    when 'signing' then postern.append_revocation('key', p_id)
    else postern.revoke_everything(p_caller, p_request_id)
  end;
end
$$;

-- p_kept_for: how long at least a retired key is kept, for what it has made. Of a tainted or a prepared key nothing
-- is wanted any more.
create function postern.remove_key(p_id uuid, p_kept_for interval, p_caller text, p_request_id text) returns text
language plpgsql set lock_timeout = '500ms'
as $$
declare
  v_key postern.keys;
begin
  perform pg_advisory_xact_lock(hashtext('postern.keys'));
  select * into v_key from postern.keys where id = p_id;
  if not found then
    return 'unknown';
  elsif v_key.state = 'removed' then
    return 'already';
  elsif v_key.state = 'active' then
    return 'active';
  elsif v_key.state = 'retired' and v_key.retired_at > postern.now() - p_kept_for then
    return 'needed';
  end if;
  update postern.keys set state = 'removed', removed_at = postern.now(), sealed = null where id = p_id;
  perform postern.keys_changed('key_removed', v_key, p_caller, p_request_id);
  return 'removed';
end
$$;

-- Puts the same secret under another master key: who has the key open need not be told.
create function postern.reseal_key(
  p_id uuid, p_from bytea, p_to bytea, p_caller text, p_request_id text
) returns boolean language plpgsql set lock_timeout = '500ms'
as $$
begin
  perform pg_advisory_xact_lock(hashtext('postern.keys'));
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

-- Tokens are signed by keys that are no older than the statement that granted them.
alter type postern.grant_row add attribute keys_version uuid;

create or replace function postern.to_grant(
  p_session postern.sessions, p_roles text[], p_idle interval, p_now timestamptz
) returns postern.grant_row language sql stable
as $$
  select row(
    p_session.id, p_session.user_id, p_session.client_id, p_session.audience, p_session.scope, p_roles,
    p_session.amr, p_session.created_at, p_session.rev, p_session.refresh_key, p_session.generation,
    least(p_session.expires_at, p_session.last_used_at + p_idle), p_now,
    (select keys_version from postern.revocation_head))::postern.grant_row
$$;

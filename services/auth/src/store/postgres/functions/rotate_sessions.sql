-- Rotates a batch of refresh tokens. Returns one outcome for each token.
-- p_requests: an array of objects with the columns of `r` below. p_not_after: a batch that begins later, by the database's
-- clock, changes nothing, because its callers have already been answered with UNAVAILABLE (a frozen server that continues,
-- for example).
--
-- Sessions are locked in the order of their ids, and the head is locked last, so overlapping batches cannot deadlock. Each
-- decision is made on the locked row. Users and cutoffs are read after that: a statement in a volatile function sees what
-- was committed before the statement began.
create or replace function postern.rotate_sessions(
  p_requests jsonb, p_grace interval, p_idle interval, p_not_after timestamptz
) returns table (ord integer, outcome text, granted postern.grant_row)
language plpgsql
set lock_timeout = '200ms' set search_path = pg_catalog, pg_temp
as $$
declare
  r record;
  s postern.sessions;
  v_user postern.users;
  v_now timestamptz;
  v_reused uuid[] := '{}';
  v_id uuid;
begin
  if clock_timestamp() > p_not_after then
    raise exception 'the batch came too late' using errcode = 'query_canceled';
  end if;
  for r in
    select q.* from jsonb_to_recordset(p_requests) as q (
      ord integer, session_id uuid, refresh_key bigint, generation integer, caller text, client_id text,
      scope text[], client_request_id text, request_id text)
    order by q.session_id, q.ord
  loop
    ord := r.ord;
    granted := null;
    select * into s from postern.sessions where id = r.session_id for update;
    if not found or s.refresh_key <> r.refresh_key then
      outcome := 'unknown';
      return next;
      continue;
    end if;
    if s.caller <> r.caller or s.client_id <> r.client_id then
      -- At most once in ten minutes, because the holder of a token could send it without end. The client id of the request
      -- is not recorded.
      v_now := postern.now();
      if not exists (
        select from postern.audit a
        where a.session_id = s.id and a.event = 'refresh_foreign'
          and a.id >= postern.first_audit_id(v_now - interval '10 minutes')
      ) then
        perform postern.record_audit('refresh_foreign', r.caller, r.request_id, s.user_id, s.id, s.client_id,
                                     jsonb_build_object('session_caller', s.caller));
      end if;
      outcome := 'foreign';
      return next;
      continue;
    end if;
    v_now := postern.now();
    select * into strict v_user from postern.users where id = s.user_id;
    if s.ended_at is not null or v_user.disabled_at is not null
       or s.rev < postern.cutoff(v_user, s.client_id)
       or v_now >= s.expires_at or v_now >= s.last_used_at + p_idle then
      outcome := 'ended';
      return next;
      continue;
    end if;
    if not r.scope <@ s.scope then
      outcome := 'scope_too_wide';
      return next;
      continue;
    end if;
    if r.generation > s.generation then
      -- The MAC is valid, so the token was issued: the database has lost commits since then.
      perform postern.record_audit('refresh_generation_ahead', r.caller, r.request_id, s.user_id, s.id, s.client_id,
                                   jsonb_build_object('stored', s.generation, 'shown', r.generation));
      s.generation := r.generation;
      s.rotated_at := '-infinity';
    end if;

    outcome := 'granted';
    if r.generation = s.generation and v_now - p_grace >= s.rotated_at then
      update postern.sessions
      set generation = s.generation + 1, rotated_at = v_now, rotated_by = r.client_request_id,
          current_used = false, last_used_at = v_now
      where id = s.id returning * into s;
    elsif r.generation = s.generation then
      if not s.current_used then
        update postern.sessions set current_used = true, last_used_at = v_now
        where id = s.id returning * into s;
      end if;
    elsif r.generation = s.generation - 1 and v_now - p_grace < s.rotated_at then
      null;
    elsif r.generation = s.generation - 1 and not s.current_used and s.rotated_by = r.client_request_id then
      update postern.sessions set last_used_at = v_now where id = s.id returning * into s;
    else
      update postern.sessions set ended_at = v_now, ended_by = 'reuse' where id = s.id;
      perform postern.record_audit('refresh_reuse', r.caller, r.request_id, s.user_id, s.id, s.client_id,
                                   jsonb_build_object('stored', s.generation, 'shown', r.generation));
      v_reused := v_reused || s.id;
      outcome := 'reused';
      return next;
      continue;
    end if;
    granted := postern.to_grant(s, v_user.roles, p_idle, v_now);
    return next;
  end loop;
  foreach v_id in array v_reused loop
    perform postern.append_revocation('session', v_id);
  end loop;
end
$$;

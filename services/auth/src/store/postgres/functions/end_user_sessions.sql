-- Ends all sessions that the user has now. The caller has locked the user's row.
create or replace function postern.end_user_sessions(p_user_id uuid) returns bigint language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_seq bigint := postern.append_revocation('user', p_user_id);
begin
  update postern.users set cutoff = v_seq where id = p_user_id;
  return v_seq;
end
$$;

-- The number below which sessions of this user and client are over: the newest revocation of the user, of the client, or of
-- everything.
create or replace function postern.cutoff(p_user postern.users, p_client_id text) returns bigint
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return greatest(
    p_user.cutoff,
    coalesce((select m.cutoff from postern.client_cutoffs m where m.client_id = p_client_id), 0),
    (select h.everything_cutoff from postern.revocation_head h));
end
$$;

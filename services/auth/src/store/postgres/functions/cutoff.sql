-- The number below which sessions of this user and client are over, whoever asks last.
create or replace function postern.min_rev(p_user postern.users, p_client_id text) returns bigint
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return greatest(
    p_user.min_rev,
    coalesce((select m.min_rev from postern.client_marks m where m.client_id = p_client_id), 0),
    (select h.everything_rev from postern.revocation_head h));
end
$$;

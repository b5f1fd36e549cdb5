/**
 * Appends so many living entries (its one parameter) to the revocation log, linked as the log links them: of ten, five
 * are of sessions, four of tokens and one of a user.
 */
export const appendLivingEntries = `
  with known as (select seq, tail from postern.revocation_head),
    head as (
      update postern.revocation_head set seq = seq + $1::int, tail = md5('entry' || seq + $1::int)::uuid)
  insert into postern.revocations (seq, id, previous_id, kind, target_id, created_at, forget_after)
  select k.seq + i, md5('entry' || k.seq + i)::uuid,
    case when i = 1 then k.tail else md5('entry' || k.seq + i - 1)::uuid end,
    case when i % 10 < 5 then 'session' when i % 10 < 9 then 'token' else 'user' end,
    gen_random_uuid(), postern.now(), postern.now() + interval '62 minutes'
  from known k, generate_series(1, $1::int) i`;

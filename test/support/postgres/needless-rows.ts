/** Runs one statement. */
type Run = (sql: string, values?: readonly unknown[]) => Promise<unknown>;

/** How many rows of each kind. */
export interface NeedlessRows {
  readonly sessions: number;
  readonly entries: number;
  readonly addresses: number;
}

/** Of all the sessions and addresses. */
const users = 1_000;

/**
 * Fills a new database, before any server has read its log, with rows that are no longer needed: sessions that ended
 * one to eleven days after they should have gone, entries linked as the log links them, addresses of long ago.
 */
export async function fillNeedlessRows(
  run: Run,
  { sessions, entries, addresses }: NeedlessRows,
): Promise<void> {
  await run(
    `insert into postern.users (id, email, email_key, created_at, updated_at)
     select postern.new_id(), i || '@old.test', i || '@old.test', postern.now(), postern.now()
     from generate_series(1, $1::int) i`,
    [users],
  );
  const everyUser = "(select array_agg(id) as ids from postern.users where email like '%@old.test') u";
  await run(
    `insert into postern.sessions (
       id, user_id, caller, client_id, audience, scope, amr, device, client_address, user_agent, created_at,
       expires_at, rev, refresh_key, generation, rotated_at, last_used_at, ended_at, ended_by)
     select postern.new_id(), u.ids[1 + i % $2], 'web', 'web', '{https://api.postern.test}', '{read,write}', '{pwd}',
       'phone', '192.0.2.' || i % 256, 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0',
       t.ended - interval '30 days', t.ended, 0, 1, 9, t.ended - interval '8 days', t.ended - interval '8 days',
       case when i % 3 = 0 then t.ended - interval '7 days' end, case when i % 3 = 0 then 'revoked' end
     from ${everyUser}, generate_series(1, $1::int) i,
       lateral (select postern.now() - interval '12 days' + interval '10 days' * i / $1::int as ended) t`,
    [sessions, users],
  );
  await run(
    `with h as (update postern.revocation_head set seq = seq + $1::int, tail = md5('entry' || $1::int)::uuid
                returning seq - $1::int as seq)
     insert into postern.revocations (seq, id, previous_id, kind, target_id, created_at, forget_after)
     select h.seq + i, md5('entry' || i)::uuid, md5('entry' || i - 1)::uuid, 'session', postern.new_id(),
       t.forgotten - interval '62 minutes', t.forgotten
     from h, generate_series(1, $1::int) i,
       lateral (select postern.now() - interval '1 day' + interval '23 hours' * i / $1::int as forgotten) t`,
    [entries],
  );
  await run(
    `insert into postern.user_addresses (user_id, address, last_login_at)
     select u.ids[1 + i % $2], '198.51.100.' || i / $2, postern.now() - interval '181 days'
     from ${everyUser}, generate_series(1, $1::int) i`,
    [addresses, users],
  );
}

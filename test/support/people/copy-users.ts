import { formatId } from "../../../services/auth/src/lib/type-id.ts";
import type { TwoServers } from "../servers/two-servers.ts";
import type { TestUser } from "./people.ts";

/** Creates users with the password of one user, which is hashed once. */
export async function copyUsers({ query }: TwoServers, model: TestUser, count: number): Promise<TestUser[]> {
  const rows = await query(
    `insert into postern.users (id, email, email_key, password_hash, created_at, updated_at)
     select gen_random_uuid(), prefix || u.email, prefix || u.email_key, u.password_hash, u.created_at, u.updated_at
     from postern.users u,
       (select substr(md5(random()::text || n), 1, 12) as prefix from generate_series(1, $2::int) n) p
     where u.email = $1
     returning id, email`,
    [model.email, count],
  );
  return rows.map((row) => ({ id: formatId("usr", String(row["id"])), email: String(row["email"]) }));
}

import { hash } from "@node-rs/argon2";
import { formatId } from "../../../services/auth/src/lib/type-id.ts";
import type { TwoServers } from "../servers/two-servers.ts";
import { createUser, PASSWORD, type TestUser } from "./people.ts";

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

/**
 * Creates a user whose password, `PASSWORD`, takes a tenth of the usual time to check: for tests of what is
 * counted, and not of how it is hashed. `copyUsers` copies this, too.
 */
export async function createCheapUser(two: TwoServers): Promise<TestUser> {
  const user = await createUser(two.a.users);
  const cheap = await hash(PASSWORD, { memoryCost: 4_096, timeCost: 1, parallelism: 1 });
  await two.query("update postern.users set password_hash = $1 where email = $2", [cheap, user.email]);
  return user;
}

import { formatId } from "../../services/auth/src/lib/type-id.ts";
import {
  answered,
  isActive,
  type Replica,
  refresh,
  refusal,
  type TestUser,
  type Tokens,
  type TwoServers,
} from "../support/servers/two-servers.ts";

/** So many users with the password of one, which has been hashed once. */
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

/** The two servers; which is the first one changes with every round. */
export function pair({ a, b }: TwoServers, index: number): [Replica, Replica] {
  return index % 2 === 0 ? [a, b] : [b, a];
}

/**
 * Starts both calls at once, the second one first in every other pair of rounds; resolves when both have
 * answered: to the tokens, or to the reason why there are none.
 */
export async function race(
  index: number,
  gives: () => Promise<Tokens>,
  ends: () => Promise<unknown>,
): Promise<Tokens | string> {
  const end = () => answered(ends);
  const ending = index % 4 < 2 ? undefined : end();
  const giving = gives().catch((error: unknown) => refusal(Promise.reject(error)));
  const [outcome] = await Promise.all([giving, ending ?? end()]);
  return outcome;
}

/** What is still good: access tokens are shown to both servers, refresh tokens to one. */
export async function survivors(
  two: TwoServers,
  index: number,
  tokens: readonly Tokens[],
): Promise<string[]> {
  const [one, other] = pair(two, index);
  const found = await Promise.all(
    tokens.flatMap(({ accessToken, refreshToken }) => [
      ...[one, other].map(async (server) => ((await isActive(server, accessToken)) ? "access token" : "")),
      refusal(refresh(one, refreshToken)).then((reason) =>
        reason === "SESSION_ENDED" ? "" : `refresh token: ${reason}`,
      ),
    ]),
  );
  return found.filter((what) => what !== "");
}

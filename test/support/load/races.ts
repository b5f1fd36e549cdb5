import { answered, refusal } from "../clients/answers.ts";
import { isActive, refresh, type Tokens } from "../people/people.ts";
import type { Replica, TwoServers } from "../servers/two-servers.ts";

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
      ...[one, other].map(async (server) =>
        (await isActive(server.web, accessToken)) ? "access token" : "",
      ),
      refusal(refresh(one.web, refreshToken)).then((reason) =>
        reason === "SESSION_ENDED" ? "" : `refresh token: ${reason}`,
      ),
    ]),
  );
  return found.filter((what) => what !== "");
}

import { expect, test } from "vitest";
import { refusal } from "../support/clients/answers.ts";
import { limitedTo, WRONG } from "../support/load/guesses.ts";
import { createRandom } from "../support/load/random.ts";
import { copyUsers } from "../support/people/copy-users.ts";
import { createUser, PASSWORD } from "../support/people/people.ts";
import { scaled } from "../support/run/scale.ts";
import { startTwoServers, type TwoServers } from "../support/servers/two-servers.ts";
import { compareSamples, quantile, resolution } from "../support/two-samples.ts";

/** Of each kind of account. */
const samples = scaled(300, { atLeast: 150 });
const warmUp = 20;
/** Over all comparisons of a test. */
const falseAlarm = 1e-6;

interface Account {
  readonly identifier: string;
  readonly password: string;
}

/** Accounts of each kind that a client must not be able to distinguish. */
async function makeAccounts(two: TwoServers): Promise<ReadonlyMap<string, readonly Account[]>> {
  const count = samples + warmUp;
  const copies = await copyUsers(two, await createUser(two.a.users), 3 * count);
  const emails = copies.map(({ email }) => email);
  const [known, disabled, without] = [0, 1, 2].map((kind) =>
    emails.slice(kind * count, (kind + 1) * count),
  ) as [string[], string[], string[]];
  await two.query("update postern.users set disabled_at = now() where email = any ($1)", [disabled]);
  await two.query("update postern.users set password_hash = null where email = any ($1)", [without]);
  const of = (identifiers: readonly string[], password: string) =>
    identifiers.map((identifier) => ({ identifier, password }));
  return new Map([
    ["known", of(known, WRONG)],
    ["disabled", of(disabled, PASSWORD)],
    ["without a password", of(without, WRONG)],
    // As long as the others.
    [
      "unknown",
      of(
        known.map((email) => `0${email.slice(1).replace("@", "x@").slice(1)}`),
        WRONG,
      ),
    ],
  ]);
}

const random = createRandom(1);

/** Logs each in once, one kind after the other in an order that changes. @returns milliseconds, by kind */
async function measure(
  { a }: TwoServers,
  accounts: ReadonlyMap<string, readonly Account[]>,
  expected: string,
): Promise<ReadonlyMap<string, readonly number[]>> {
  const times = new Map([...accounts.keys()].map((kind) => [kind, [] as number[]]));
  for (let index = 0; index < samples + warmUp; index++) {
    const left = new Set(accounts.keys());
    while (left.size > 0) {
      const kind = random.pick([...left]) ?? "";
      left.delete(kind);
      const account = accounts.get(kind)?.[index];
      const startedAt = performance.now();
      const verdict = await refusal(a.other.login({ ...account }));
      const took = performance.now() - startedAt;
      expect(verdict, kind).toBe(expected);
      if (index >= warmUp) times.get(kind)?.push(took);
    }
  }
  return times;
}

/** Every two kinds, compared. */
function pairsOf(times: ReadonlyMap<string, readonly number[]>) {
  const kinds = [...times.entries()];
  const pairs = kinds.flatMap(([one, a], index) =>
    kinds.slice(index + 1).map(([other, b]) => ({ names: `${one} | ${other}`, a, b })),
  );
  return pairs.map(({ names, a, b }) => ({ names, ...compareSamples(a, b, falseAlarm / pairs.length) }));
}

const describeTimes = (times: ReadonlyMap<string, readonly number[]>) =>
  [...times]
    .map(
      ([kind, all]) =>
        `${kind}: ${[0.25, 0.5, 0.75].map((share) => quantile(all, share).toFixed(2)).join(" ")} ms`,
    )
    .join("; ");

test("the times of known, unknown and disabled accounts are of one distribution", {
  timeout: 400_000,
}, async ({ annotate }) => {
  await using two = await startTwoServers(limitedTo("account=1/24h"));
  const accounts = await makeAccounts(two);
  const judged = await measure(two, accounts, "INVALID_CREDENTIALS");
  // Each has failed once, which is all that it may.
  const refused = await measure(two, accounts, "RATE_LIMITED");
  const known = judged.get("known") ?? [];
  for (const [what, times] of [
    ["judged", judged],
    ["refused", refused],
  ] as const) {
    const pairs = pairsOf(times);
    const distances = pairs.map(({ names, distance }) => `${names}: ${distance.toFixed(3)}`);
    const seen = resolution(times.get("known") ?? [], falseAlarm / pairs.length);
    await annotate(
      `${what}: quartiles ${describeTimes(times)}; distances ${distances.join("; ")}, of ${pairs[0]?.bound.toFixed(3)} ` +
        `allowed; ${seen.toFixed(2)} ms more would be seen`,
    );
    for (const { names, distance, bound } of pairs) expect(distance, `${what}: ${names}`).toBeLessThan(bound);
  }
  // Shown to see a difference: that of a hash, and one as large as the spread is anyway.
  const spread = quantile(known, 0.75) - quantile(known, 0.25);
  for (const planted of [refused.get("known") ?? [], known.map((ms) => ms + spread)]) {
    const { distance, bound } = compareSamples(known, planted, falseAlarm);
    expect(distance).toBeGreaterThan(bound);
  }
});

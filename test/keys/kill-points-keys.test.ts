import { randomBytes } from "node:crypto";
import { describe, expect, onTestFinished, test } from "vitest";
import { answered } from "../support/clients/answers.ts";
import { type Side, startKillPoint } from "../support/faults/kill-point.ts";
import { createDatabase, withClient } from "../support/postgres/database.ts";
import { openSession, openSite } from "../support/postgres/postgres-site.ts";
import { runPostern, startPostern } from "../support/servers/postern-command.ts";

const pools = new Set(["postern main"]);

/** The audit events that one call of each function of the database makes here. */
const eventsOf: Readonly<Record<string, readonly string[]>> = {
  "postern.prepare_key": ["key_prepared"],
  "postern.activate_key": ["key_activated"],
  "postern.taint_key": ["key_tainted", "key_activated"],
};

const commands = [
  { command: ["key", "rotate", "--purpose", "signing", "--now"], does: ["prepare_key", "activate_key"] },
  { command: ["key", "taint", "--purpose", "signing", "--yes"], does: ["taint_key"] },
] as const;

async function openDatabase() {
  const database = await createDatabase();
  onTestFinished(() => database.drop());
  const { hostname, port } = new URL(database.url);
  const killPoint = await startKillPoint({ host: hostname, port: Number(port) });
  onTestFinished(() => killPoint[Symbol.asyncDispose]());
  const masterKey = randomBytes(32).toString("base64");
  const env = {
    POSTERN_DATABASE_URL: database.url,
    POSTERN_MASTER_KEY: masterKey,
    POSTERN_ISSUER: "https://postern.test",
  };
  const query = (sql: string): Promise<Record<string, unknown>[]> =>
    withClient(database.url, async (client) => (await client.query(sql)).rows);
  return {
    database,
    killPoint,
    env,
    query,
    openSite: () => openSite(database.url, { POSTERN_MASTER_KEY: masterKey }),
    async events(): Promise<string[]> {
      const rows = await query("select event from postern.audit where event like 'key_%' order by id");
      return rows.map(({ event }) => String(event));
    },
  };
}

describe("O08: a command killed at any statement of", () => {
  test.each(commands.map((one) => ({ ...one, name: one.command.join(" ") })))(
    "$name leaves what was committed and nothing else",
    async ({ command, does }) => {
      const { database, killPoint, env, query, openSite, events } = await openDatabase();
      const first = await openSite();
      const session = await openSession(first);
      await first[Symbol.asyncDispose]();
      // The next key is there, so that one can take over.
      expect((await runPostern(["key", "rotate", "--purpose", "signing", "--now"], env)).code).toBe(0);

      const eventsOfAll = (statements: readonly string[]) =>
        statements.flatMap((text) =>
          Object.entries(eventsOf).flatMap(([name, made]) => (text.includes(`${name}(`) ? made : [])),
        );
      const killedAt: string[] = [];
      /** Whether there was such a statement. */
      async function kill(nth: number, side: Side): Promise<boolean> {
        const before = await events();
        const { reached } = killPoint.arm(pools, nth, side);
        const through = { ...env, POSTERN_DATABASE_URL: killPoint.through(database.url) };
        await using running = startPostern(command, through);
        const statements = await Promise.race([reached, running.ended.then(() => undefined)]);
        if (statements === undefined) return false;
        killedAt.push(/postern\.(\w+_key)\(/.exec(statements.at(-1) ?? "")?.[1] ?? "");
        running.signal("SIGKILL");
        await running.ended;
        killPoint.disarm();
        const committed = side === "before its answer is back" ? statements : statements.slice(0, -1);
        expect(await events()).toEqual([...before, ...eventsOfAll(committed)]);
        expect(
          await query("select purpose from postern.keys where state = 'active' order by purpose"),
        ).toEqual([{ purpose: "refresh" }, { purpose: "signing" }]);
        expect(await runPostern(command, env)).toMatchObject({ code: 0 });
        return true;
      }
      let count = 0;
      while (await kill(count + 1, "before Postgres has it")) count += 1;
      // Of all but the last one, the answer is back before Postgres has the next.
      expect(await kill(count, "before its answer is back")).toBe(true);
      expect(killedAt).toEqual(expect.arrayContaining([...does]));

      await using site = await openSite();
      const isActive = async (token: string) =>
        (await answered(() => site.web.auth.introspect({ token }))).active;
      // Its key was retired before all this.
      expect([await isActive(session.accessToken), await isActive(session.refreshToken)]).toEqual([
        true,
        true,
      ]);
      expect(await isActive((await openSession(site)).accessToken)).toBe(true);
    },
    600_000,
  );
});

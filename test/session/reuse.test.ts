import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseId } from "../../services/auth/src/lib/type-id.ts";
import { refusal } from "../support/clients/answers.ts";
import { createUser, isActive, login, refresh, type TestUser } from "../support/people/people.ts";
import { advanceClock } from "../support/postgres/clock.ts";
import { type Replica, startTwoServers, type TwoServers } from "../support/servers/two-servers.ts";

const second = 1_000;
const minute = 60 * second;
const day = 24 * 60 * minute;
const pastTheGrace = 31 * second;

let two: TwoServers;
let user: TestUser;

function servers(settings: Readonly<Record<string, string>> = {}): void {
  beforeAll(async () => {
    two = await startTwoServers(settings);
    user = await createUser(two.a.users);
  });
  afterAll(() => two[Symbol.asyncDispose]());
}

const advance = (byMs: number) => advanceClock(two.databaseUrl, byMs);

/** The names of the audit's events about a session after its login, in the order they came. */
async function audited(sessionId: string): Promise<unknown[]> {
  const rows = await two.query(
    "select event from postern.audit where session_id = $1 and event <> 'login' order by at, id",
    [parseId("ses", sessionId)],
  );
  return rows.map((row) => row["event"]);
}

async function generationOf(sessionId: string): Promise<unknown> {
  const [row] = await two.query("select generation from postern.sessions where id = $1", [
    parseId("ses", sessionId),
  ]);
  return row?.["generation"];
}

/** The scope that a resource server sees. */
async function scopeOf({ web }: Replica, accessToken: string): Promise<string[]> {
  return (await web.introspect({ token: accessToken })).scope;
}

describe("a refresh token that was spent before", { timeout: 90_000 }, () => {
  servers({ POSTERN_SESSION_TTL: "90d", POSTERN_SESSION_IDLE_TTL: "60d", POSTERN_ACCESS_TTL: "1h" });

  test.each([
    { when: "after the grace", restart: false, agedMs: pastTheGrace },
    { when: "after the grace and a restart of both servers", restart: true, agedMs: pastTheGrace },
    { when: "31 minutes later (C10)", restart: false, agedMs: 31 * minute },
    { when: "29 days and a restart of both servers later (C10)", restart: true, agedMs: 29 * day },
  ])("C01: ends its session and the session's access tokens, $when", async ({ restart, agedMs }) => {
    const first = await login(two.a.web, user.email);
    const bystander = await login(two.b.web, user.email);
    await advance(pastTheGrace);
    const spent = await refresh(two.b.web, first.refreshToken);
    expect(spent.refreshToken).not.toBe(first.refreshToken);
    await advance(agedMs);
    if (restart) await two.restart();
    const current = await refresh(two.b.web, spent.refreshToken);
    expect(await isActive(two.a.web, current.accessToken)).toBe(true);
    expect(await isActive(two.a.web, current.refreshToken)).toBe(true);
    if (restart) await two.restart();

    expect(await refusal(refresh(two.a.web, first.refreshToken))).toBe("REFRESH_TOKEN_REUSED");

    for (const server of [two.a, two.b]) {
      for (const { accessToken, refreshToken } of [first, spent, current]) {
        expect(await isActive(server.web, accessToken)).toBe(false);
        expect(await isActive(server.web, refreshToken)).toBe(false);
        expect(await refusal(refresh(server.web, refreshToken))).toBe("SESSION_ENDED");
      }
    }
    expect(await audited(first.sessionId)).toEqual(["refresh_reuse"]);
    expect(await refresh(two.a.web, bystander.refreshToken)).toBeDefined();
  });

  test("C08: a retry within the grace, after a lost answer, returns the same successor", async () => {
    const first = await login(two.a.web, user.email);
    await advance(pastTheGrace);
    const lost = await refresh(two.a.web, first.refreshToken);
    await advance(15 * second);
    const again = await refresh(two.b.web, first.refreshToken);
    expect(again.refreshToken).toBe(lost.refreshToken);
    expect(again.accessToken).not.toBe(lost.accessToken);
    expect(await generationOf(first.sessionId)).toBe(1);
  });

  test("C08: a retry with the request_id after the grace, after a lost answer, returns the same successor", async () => {
    const first = await login(two.a.web, user.email);
    await advance(pastTheGrace);
    const lost = await refresh(two.a.web, first.refreshToken, { requestId: "try-1" });
    await advance(29 * day);
    await two.restart();
    const again = await refresh(two.b.web, first.refreshToken, { requestId: "try-1" });
    expect(again.refreshToken).toBe(lost.refreshToken);
    expect(await isActive(two.a.web, again.accessToken)).toBe(true);
    // After the successor was used, no client can still wait for it.
    await refresh(two.a.web, again.refreshToken);
    expect(await refusal(refresh(two.b.web, first.refreshToken, { requestId: "try-1" }))).toBe(
      "REFRESH_TOKEN_REUSED",
    );
    expect(await isActive(two.a.web, again.accessToken)).toBe(false);
  });

  test.each([
    { name: "another request_id", tried: "try-1", repeated: "try-2" },
    { name: "no request_id", tried: "try-1", repeated: "" },
    { name: "a request_id where the first had none", tried: "", repeated: "try-1" },
    { name: "no request_id both times", tried: "", repeated: "" },
  ])("C08: after the grace, $name is reuse", async ({ tried, repeated }) => {
    const first = await login(two.a.web, user.email);
    await advance(pastTheGrace);
    const successor = await refresh(two.a.web, first.refreshToken, { requestId: tried });
    await advance(pastTheGrace);
    expect(await refusal(refresh(two.b.web, first.refreshToken, { requestId: repeated }))).toBe(
      "REFRESH_TOKEN_REUSED",
    );
    expect(await isActive(two.a.web, successor.accessToken)).toBe(false);
  });

  test("C08: the request_id of an older generation than the last is reuse", async () => {
    const first = await login(two.a.web, user.email);
    await advance(pastTheGrace);
    const successor = await refresh(two.a.web, first.refreshToken, { requestId: "try-1" });
    await advance(pastTheGrace);
    await refresh(two.a.web, successor.refreshToken, { requestId: "try-1" });
    expect(await refusal(refresh(two.b.web, first.refreshToken, { requestId: "try-1" }))).toBe(
      "REFRESH_TOKEN_REUSED",
    );
  });

  test("is answered with the current token within the grace only", async () => {
    const first = await login(two.a.web, user.email);
    expect((await refresh(two.b.web, first.refreshToken)).refreshToken).toBe(first.refreshToken);
    await advance(pastTheGrace);
    const successor = await refresh(two.b.web, first.refreshToken);
    expect((await refresh(two.a.web, first.refreshToken)).refreshToken).toBe(successor.refreshToken);
    expect((await refresh(two.a.web, successor.refreshToken)).refreshToken).toBe(successor.refreshToken);
    await advance(pastTheGrace);
    expect(await refusal(refresh(two.a.web, first.refreshToken))).toBe("REFRESH_TOKEN_REUSED");
  });
});

describe("with a grace of 0", () => {
  servers({ POSTERN_REFRESH_GRACE: "0s" });

  test("C01: a refresh token is valid once, and its second use ends the session", async () => {
    const first = await login(two.a.web, user.email);
    const successor = await refresh(two.a.web, first.refreshToken);
    expect(successor.refreshToken).not.toBe(first.refreshToken);
    expect(await refusal(refresh(two.b.web, first.refreshToken))).toBe("REFRESH_TOKEN_REUSED");
    expect(await refusal(refresh(two.a.web, successor.refreshToken))).toBe("SESSION_ENDED");
    expect(await isActive(two.b.web, successor.accessToken)).toBe(false);
    expect(await audited(first.sessionId)).toEqual(["refresh_reuse"]);
  });

  test("C08: a lost answer can still be had with its request_id", async () => {
    const first = await login(two.a.web, user.email);
    const lost = await refresh(two.a.web, first.refreshToken, { requestId: "try-1" });
    const again = await refresh(two.b.web, first.refreshToken, { requestId: "try-1" });
    expect(again.refreshToken).toBe(lost.refreshToken);
    expect(await refresh(two.a.web, again.refreshToken)).toBeDefined();
  });

  test("C02: of 50 concurrent uses one is granted, and the others end the session", async () => {
    const first = await login(two.a.web, user.email);
    const outcomes = await Promise.allSettled(
      Array.from({ length: 50 }, (_, index) =>
        refresh((index % 2 === 0 ? two.a : two.b).web, first.refreshToken),
      ),
    );
    const granted = outcomes.filter((outcome) => outcome.status === "fulfilled");
    expect(granted).toHaveLength(1);
    expect(await generationOf(first.sessionId)).toBe(1);
    expect(await audited(first.sessionId)).toEqual(["refresh_reuse"]);
    expect(await isActive(two.b.web, granted[0]?.value.accessToken ?? "none")).toBe(false);
  });
});

describe("a refresh token's bounds", () => {
  servers({ POSTERN_SESSION_TTL: "2h", POSTERN_SESSION_IDLE_TTL: "1h" });

  test("another caller or client cannot use it, does not spend it, and is audited once in ten minutes", async () => {
    const first = await login(two.a.web, user.email);
    await advance(pastTheGrace);
    const { refreshToken } = first;
    const foreign = () => two.b.other.refresh({ refreshToken });
    expect(await refusal(foreign())).toBe("INVALID_REFRESH_TOKEN");
    expect(await refusal(two.b.admin.refresh({ refreshToken }))).toBe("INVALID_REFRESH_TOKEN");
    expect(await refusal(refresh(two.b.web, refreshToken, { clientId: "another" }))).toBe(
      "INVALID_REFRESH_TOKEN",
    );
    expect(await generationOf(first.sessionId)).toBe(0);
    expect(await audited(first.sessionId)).toEqual(["refresh_foreign"]);

    const successor = await refresh(two.a.web, refreshToken, { clientId: "web" });
    expect(await generationOf(first.sessionId)).toBe(1);
    // A spent token in strange hands is no reuse: it would let them end the session.
    await advance(pastTheGrace);
    expect(await refusal(foreign())).toBe("INVALID_REFRESH_TOKEN");
    expect(await isActive(two.a.web, successor.accessToken)).toBe(true);
    expect((await two.b.other.introspect({ token: successor.refreshToken })).active).toBe(false);
    expect(await refresh(two.b.web, successor.refreshToken)).toBeDefined();
  });

  test("C07: a refresh may narrow the scope of its access token, and widens nothing", async () => {
    const first = await login(two.a.web, user.email, { scope: ["read", "write"] });
    const narrow = await refresh(two.b.web, first.refreshToken, { scope: ["read"] });
    expect(await scopeOf(two.a, narrow.accessToken)).toEqual(["read"]);
    await advance(pastTheGrace);
    const rotated = await refresh(two.b.web, first.refreshToken, { scope: ["write"] });
    expect(await scopeOf(two.a, rotated.accessToken)).toEqual(["write"]);
    const whole = await refresh(two.a.web, rotated.refreshToken);
    expect(await scopeOf(two.b, whole.accessToken)).toEqual(["read", "write"]);
  });

  test("C07: more scope than the session has is refused, and spends nothing", async () => {
    const first = await login(two.a.web, user.email, { scope: ["read"] });
    await advance(pastTheGrace);
    // `web` may ask for `write` at a login; the session was not opened with it.
    for (const scope of [["write"], ["read", "write"], ["root"]]) {
      expect(await refusal(refresh(two.b.web, first.refreshToken, { scope }))).toBe("SCOPE_TOO_WIDE");
    }
    expect(await generationOf(first.sessionId)).toBe(0);
    expect(await scopeOf(two.a, (await refresh(two.a.web, first.refreshToken)).accessToken)).toEqual([
      "read",
    ]);
  });

  test("C11: no refresh reaches past the session's absolute end", async () => {
    const first = await login(two.a.web, user.email);
    let { refreshToken } = first;
    for (const _ of ["50 minutes", "100 minutes"]) {
      await advance(50 * minute);
      ({ refreshToken } = await refresh(two.b.web, refreshToken));
    }
    await advance(18 * minute);
    const last = await two.a.web.refresh({ refreshToken });
    // Two minutes of the two hours are left, and an access token may not outlive them.
    expect(last.tokens?.expiresIn).toBeLessThanOrEqual(120);
    expect(last.tokens?.refreshExpiresIn).toBeLessThanOrEqual(120);
    const { accessToken = "", refreshToken: current = "" } = last.tokens ?? {};
    expect(await isActive(two.b.web, accessToken)).toBe(true);
    await advance(2 * minute);
    expect(await refusal(refresh(two.b.web, current))).toBe("SESSION_ENDED");
    expect(await isActive(two.a.web, accessToken)).toBe(false);
    expect(await isActive(two.a.web, current)).toBe(false);
  });

  test("C11: a session that is not refreshed ends at its idle end", async () => {
    const idle = await login(two.a.web, user.email);
    const busy = await login(two.a.web, user.email);
    await advance(59 * minute);
    const kept = await refresh(two.a.web, busy.refreshToken);
    await advance(minute);
    expect(await refusal(refresh(two.b.web, idle.refreshToken))).toBe("SESSION_ENDED");
    expect(await isActive(two.b.web, idle.refreshToken)).toBe(false);
    expect(await refresh(two.b.web, kept.refreshToken)).toBeDefined();
  });
});

import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { reasonOf } from "../support/clients/clients.ts";
import { advanceClock } from "../support/postgres/clock.ts";
import { type CliSite, openCliSite } from "./cli-site.ts";

const slow = 60_000;
const pastTheGrace = 31_000;

let site: CliSite;
const run: CliSite["run"] = (...args) => site.run(...args);
const answer: CliSite["answer"] = (...args) => site.answer(...args);
const logIn: CliSite["logIn"] = (...args) => site.logIn(...args);
const isActive: CliSite["isActive"] = (token) => site.isActive(token);

beforeAll(async () => {
  site = await openCliSite();
});
afterAll(() => site?.[Symbol.asyncDispose]());

async function newUser(): Promise<{ email: string; password: string }> {
  const email = `${randomBytes(6).toString("hex")}@example.com`;
  return { email, password: (await answer(["user", "create", "--email", email])).password };
}

describe("postern session", () => {
  test("distinguishes an attacker's session from its user's, ends it, and shows why it ended", {
    timeout: slow,
  }, async () => {
    const user = await newUser();
    const own = await logIn(user, site.web, {
      device: "Ann's phone",
      clientAddress: "192.0.2.7",
      userAgent: "Firefox",
    });
    const strange = await logIn(user, site.web, {
      clientAddress: "203.0.113.66",
      userAgent: "curl/8\u001b[2J",
    });
    const listed = async (...more: string[]): Promise<{ id: string }[]> => {
      const { sessions } = await answer(["session", "list", "--user", user.email, ...more]);
      const known = [own, strange].map(({ sessionId }) => sessionId);
      return sessions.filter(({ id }: { id: string }) => known.includes(id));
    };
    expect(await listed()).toMatchObject([
      { id: strange.sessionId, state: "active", device: "", clientAddress: "203.0.113.66", clientId: "web" },
      {
        id: own.sessionId,
        state: "active",
        device: "Ann's phone",
        clientAddress: "192.0.2.7",
        userAgent: "Firefox",
      },
    ]);
    const table = (await run(["session", "list", "--user", user.email])).stdout;
    expect(table).toMatch(/^session +state +user +client +address +device/);
    expect(table).toContain("203.0.113.66");
    expect(table).not.toContain("\u001b");

    expect(await answer(["session", "end", strange.sessionId])).toEqual({
      outcome: "revoked",
      sequence: expect.any(Number),
    });
    expect(await isActive(strange.accessToken)).toBe(false);
    expect(await isActive(own.accessToken)).toBe(true);
    expect(await listed()).toMatchObject([{ id: own.sessionId }]);
    expect(await listed("--all")).toMatchObject([{ state: "ended" }, { state: "active" }]);

    const story = await answer(["session", "get", strange.sessionId]);
    expect(story).toMatchObject({
      id: strange.sessionId,
      state: "ended",
      why: "it was revoked",
      caller: "web",
      endedAt: expect.stringMatching(/^\d{4}-.*Z$/),
      endedBy: { event: "session_revoked", caller: "cli" },
      events: [{ event: "login", caller: "web" }, { event: "session_revoked" }],
    });
    const { stdout } = await run(["session", "get", strange.sessionId]);
    expect(stdout).toMatch(/^endedBy +cli \(session_revoked\)$/m);
    expect(stdout).toMatch(
      /\nevents:\nat +event +address +caller .*\n.* login +203\.0\.113\.66 +web .*\n.* session_revoked /,
    );
    for (const { accessToken, refreshToken } of [own, strange]) {
      for (const secret of [accessToken, refreshToken])
        expect(stdout + JSON.stringify(story)).not.toContain(secret);
    }
  });

  test("C01: says of a session whose token was stolen that it was, and who showed it", {
    timeout: slow,
  }, async () => {
    const stolen = await logIn(await newUser());
    const refresh = () => site.refresh(stolen.refreshToken);
    await advanceClock(site.database.url, pastTheGrace);
    await refresh();
    await advanceClock(site.database.url, pastTheGrace);
    // The latter where a try before it had no verdict.
    expect(["REFRESH_TOKEN_REUSED", "SESSION_ENDED"]).toContain(await refresh().catch(reasonOf));
    expect(await answer(["session", "get", stolen.sessionId])).toMatchObject({
      state: "ended",
      why: expect.stringContaining("stolen"),
      endedBy: { event: "refresh_reuse", caller: "web" },
    });
  });

  test("lists everything of a client, by pages", { timeout: slow }, async () => {
    const users = [await newUser(), await newUser(), await newUser()];
    const ids: string[] = [];
    for (const user of users) ids.unshift((await logIn(user, site.other)).sessionId);
    await logIn(users[0] ?? { email: "", password: "" });
    const page = async (...more: string[]) =>
      answer(["session", "list", "--client", "other", "--page-size", "2", ...more]);
    const first = await page();
    const listed: string[] = [];
    for (let one = first; ; one = await page("--page-token", one.nextPageToken)) {
      listed.push(...one.sessions.map(({ id }: { id: string }) => id));
      expect(one.sessions.length).toBeLessThanOrEqual(2);
      if (one.nextPageToken === "") break;
    }
    expect(listed.filter((id) => ids.includes(id))).toEqual(ids);
    expect(new Set(listed).size).toBe(listed.length);
    const { stdout, stderr } = await run(["session", "list", "--client", "other", "--page-size", "2"]);
    expect(stdout.split("\n")).toHaveLength(4);
    expect(stderr).toBe(`there are more: --page-token ${first.nextPageToken}\n`);
  });
});

describe("postern revoke", () => {
  test("ends a session, a user's, a client's, everybody's", { timeout: slow }, async () => {
    const [user, bystander] = [await newUser(), await newUser()];
    const revoked = { outcome: "revoked", sequence: expect.any(Number) };
    const one = await logIn(user);
    const two = await logIn(user, site.other);
    const three = await logIn(bystander, site.other);
    const four = await logIn(bystander);
    expect(await answer(["revoke", "--session", one.sessionId])).toEqual(revoked);
    expect(await isActive(one.accessToken)).toBe(false);
    expect(await isActive(two.accessToken)).toBe(true);
    expect(await answer(["revoke", "--user", user.email])).toEqual(revoked);
    expect(await isActive(two.accessToken)).toBe(false);
    expect(await isActive(three.accessToken)).toBe(true);
    expect(await answer(["revoke", "--client", "other"])).toEqual(revoked);
    expect(await isActive(three.accessToken)).toBe(false);
    expect(await isActive(four.accessToken)).toBe(true);
    const unsaid = await run(["revoke", "--everything"]);
    expect(unsaid).toMatchObject({ code: 2, stdout: "", stderr: expect.stringContaining("--yes") });
    expect(await isActive(four.accessToken)).toBe(true);
    expect(await answer(["revoke", "--everything", "--yes"])).toEqual(revoked);
    expect(await isActive(four.accessToken)).toBe(false);
    expect(await isActive((await logIn(bystander)).accessToken)).toBe(true);
  });

  test("ends a token that a file or stdin holds: an access token alone, of a refresh token its session", {
    timeout: slow,
  }, async () => {
    const user = await newUser();
    const [one, two] = [await logIn(user), await logIn(user)];
    const folder = await mkdtemp(join(tmpdir(), "postern-test-cli-"));
    try {
      const path = join(folder, "token");
      await writeFile(path, `${one.accessToken}\n`, { mode: 0o600 });
      expect(await answer(["revoke", "--token-file", path])).toMatchObject({ outcome: "revoked" });
    } finally {
      await rm(folder, { recursive: true });
    }
    expect(await isActive(one.accessToken)).toBe(false);
    expect(await isActive(one.refreshToken)).toBe(true);
    const fromStdin = await run(["revoke", "--token-file", "-"], { stdin: two.refreshToken });
    expect(fromStdin).toMatchObject({ code: 0, stderr: "" });
    expect(fromStdin.stdout).not.toContain(two.refreshToken);
    expect(await isActive(two.accessToken)).toBe(false);
    expect(await isActive(two.refreshToken)).toBe(false);
  });

  test("succeeds, and reports it, if there is nothing to revoke", { timeout: slow }, async () => {
    const secret = `ptn_rt_${randomBytes(40).toString("hex")}`;
    for (const [args, stdin] of [
      [["revoke", "--token-file", "-"], secret],
      [["revoke", "--session", `ses_${"0".repeat(26)}`], ""],
    ] as const) {
      const { code, stdout, stderr } = await run([...args, "--json"], { stdin });
      expect({ code, answer: JSON.parse(stdout) }).toMatchObject({ code: 0, answer: { outcome: "already" } });
      expect(stderr).toContain("nothing to revoke");
      expect(stdout + stderr).not.toContain(secret);
    }
  });
});

describe("what does not exist is reported, with where to look", () => {
  test.each<[string, string[], number, string]>([
    ["a session", ["session", "get", `ses_${"0".repeat(26)}`], 1, "no session has this ID"],
    ["a session to end", ["session", "end", `ses_${"0".repeat(26)}`], 1, "no session has this ID"],
    ["a user", ["session", "list", "--user", "nobody@example.com"], 1, "postern user list"],
    ["a user to revoke", ["revoke", "--user", "nobody"], 1, "postern user list"],
    ["a page", ["session", "list", "--client", "x", "--page-token", "x"], 2, "page_token"],
  ])("%s", { timeout: slow }, async (_, args, code, result) => {
    const ended = await run(args);
    expect(ended).toMatchObject({ code, stdout: "", stderr: expect.stringContaining(result) });
    expect(ended.stderr).not.toContain("unexpected");
  });
});

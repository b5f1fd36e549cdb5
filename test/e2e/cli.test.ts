import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { reasonOf } from "../support/clients/clients.ts";
import { runPostern } from "../support/servers/postern-command.ts";
import { ISSUER } from "../support/servers/server-process.ts";
import { type CliSite, openCliSite } from "./cli-site.ts";

const slow = 60_000;

let site: CliSite;
const run: CliSite["run"] = (...args) => site.run(...args);
const answer: CliSite["answer"] = (...args) => site.answer(...args);
const logIn: CliSite["logIn"] = (...args) => site.logIn(...args);
const isActive: CliSite["isActive"] = (token) => site.isActive(token);

beforeAll(async () => {
  site = await openCliSite();
});
afterAll(() => site?.[Symbol.asyncDispose]());

describe("postern user", () => {
  test(
    "create makes a password where none is given, prints it once, and the user logs in with it",
    async () => {
      const made = await answer(["user", "create", "--email", "made@example.com", "--username", "made"]);
      expect(made).toEqual({
        id: expect.stringMatching(/^usr_[0-9a-z]{26}$/),
        email: "made@example.com",
        username: "made",
        roles: [],
        password: expect.stringMatching(/^\S{12,}$/),
      });
      expect(await isActive((await logIn({ email: "made", password: made.password })).accessToken)).toBe(
        true,
      );
      const shown = await run(["user", "get", "made", "--json"]);
      expect(shown.stdout).toContain(made.id);
      expect(shown.stdout).not.toContain(made.password);
    },
    slow,
  );

  test(
    "create takes the password from a file or from stdin, and prints none",
    async () => {
      const folder = await mkdtemp(join(tmpdir(), "postern-test-cli-"));
      try {
        const path = join(folder, "password");
        await writeFile(path, "a password from a file\n");
        const file = await answer(["user", "create", "--email", "file@example.com", "--password-file", path]);
        const stdin = await answer(
          ["user", "create", "--email", "stdin@example.com", "--password-file", "-"],
          {
            stdin: "a password from stdin",
          },
        );
        expect(file).not.toHaveProperty("password");
        expect(stdin).not.toHaveProperty("password");
      } finally {
        await rm(folder, { recursive: true });
      }
      expect(await logIn({ email: "file@example.com", password: "a password from a file" })).toHaveProperty(
        "sessionId",
      );
      expect(await logIn({ email: "stdin@example.com", password: "a password from stdin" })).toHaveProperty(
        "sessionId",
      );
    },
    slow,
  );

  test(
    "disable ends what a user has and refuses the next login, until enable",
    async () => {
      const email = "disabled@example.com";
      const { id, password } = await answer(["user", "create", "--email", email]);
      const { accessToken, refreshToken } = await logIn({ email, password });
      expect(await answer(["user", "disable", email])).toMatchObject({ id, disabled: true });
      expect(await isActive(accessToken)).toBe(false);
      expect(await isActive(refreshToken)).toBe(false);
      expect(await logIn({ email, password }).catch(reasonOf)).toBe("INVALID_CREDENTIALS");

      expect(await answer(["user", "enable", "--id", id])).toMatchObject({ id, disabled: false });
      expect(await isActive((await logIn({ email, password })).accessToken)).toBe(true);
      expect(await isActive(accessToken)).toBe(false);
    },
    slow,
  );

  test(
    "set-password ends the user's sessions and lets only the new one in",
    async () => {
      const email = "changed@example.com";
      const { password } = await answer(["user", "create", "--email", email]);
      const { accessToken } = await logIn({ email, password });
      const stdin = "another long passphrase\n";
      const changed = await answer(["user", "set-password", email, "--password-file", "-"], { stdin });
      expect(changed).not.toHaveProperty("password");
      expect(await isActive(accessToken)).toBe(false);
      expect(await logIn({ email, password }).catch(reasonOf)).toBe("INVALID_CREDENTIALS");
      expect(await isActive((await logIn({ email, password: stdin.trim() })).accessToken)).toBe(true);
    },
    slow,
  );

  test(
    "sessions lists what revoke-sessions ends",
    async () => {
      const email = "sessions@example.com";
      const { id, password } = await answer(["user", "create", "--email", email]);
      const logins = [await logIn({ email, password }), await logIn({ email, password })];
      const { sessions, nextPageToken } = await answer(["user", "sessions", email]);
      expect(await answer(["session", "list", "--user", email])).toEqual({ sessions, nextPageToken });
      const ids = (sessions as { id: string }[]).map((session) => session.id);
      expect(ids).toEqual(expect.arrayContaining(logins.map(({ sessionId }) => sessionId)));
      expect(sessions[0]).toMatchObject({ userId: id, clientId: "web" });

      expect(await answer(["user", "revoke-sessions", email])).toEqual({
        outcome: "revoked",
        sequence: expect.any(Number),
      });
      for (const { accessToken } of logins) expect(await isActive(accessToken)).toBe(false);
      expect(await answer(["user", "sessions", email])).toMatchObject({ sessions: [] });
    },
    slow,
  );

  test(
    "set-roles and list: the whole list, page by page, as JSON and as a table",
    async () => {
      for (const name of ["lister-a", "lister-b"]) {
        await answer([
          "user",
          "create",
          "--email",
          `${name}@example.com`,
          "--username",
          name,
          "--role",
          "reader",
        ]);
      }
      expect(
        await answer(["user", "set-roles", "lister-a", "--role", "admin", "--role", "reader"]),
      ).toMatchObject({
        roles: ["admin", "reader"],
      });
      const list = ["user", "list", "--query", "lister-", "--page-size", "1"];
      const first = await answer(list);
      expect(first.users).toMatchObject([{ username: "lister-a", roles: ["admin", "reader"] }]);
      const second = await answer([...list, "--page-token", first.nextPageToken]);
      expect(second).toMatchObject({
        users: [{ username: "lister-b", roles: ["reader"] }],
        nextPageToken: "",
      });

      const table = await run(["user", "list", "--query", "lister-"]);
      expect(table).toMatchObject({ code: 0, stderr: "" });
      const [head, ...rows] = table.stdout.trimEnd().split("\n");
      expect(head).toMatch(/^id +email +username +roles /);
      expect(rows).toEqual([
        expect.stringMatching(/ lister-a +admin,reader /),
        expect.stringMatching(/ lister-b +reader /),
      ]);
    },
    slow,
  );
});

test(
  "postern recover ends everything that was issued before",
  async () => {
    const { password } = await answer(["user", "create", "--email", "recovered@example.com"]);
    const before = await logIn({ email: "recovered@example.com", password });
    const recovered = await run(["recover", "--json"]);
    expect(recovered).toMatchObject({ code: 0, stderr: expect.stringContaining("`postern key list`") });
    expect(JSON.parse(recovered.stdout)).toEqual({ sequence: expect.any(Number) });
    expect(await isActive(before.accessToken)).toBe(false);
    expect(await isActive(before.refreshToken)).toBe(false);
    const { refreshToken } = before;
    expect(await site.refresh(refreshToken).catch(reasonOf)).toBe("SESSION_ENDED");
    expect(await isActive((await logIn({ email: "recovered@example.com", password })).accessToken)).toBe(
      true,
    );
  },
  slow,
);

describe("postern check-config", () => {
  test("prints what holds, and no secret", async () => {
    const { code, stdout, stderr } = await run(["check-config", "--json"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(JSON.parse(stdout)).toMatchObject({
      POSTERN_ISSUER: ISSUER,
      POSTERN_ACCESS_TTL: "5m",
      POSTERN_MASTER_KEY: "(set)",
    });
    expect(stdout).not.toContain(site.masterKey);
    expect(stdout).not.toContain(new URL(site.database.url).password);
  });

  test("ends with 2 and reports every fault at once", async () => {
    const env = { ...site.environment, POSTERN_ACCESS_TTL: "soon", POSTERN_REFRESH_GRACE: "later" };
    const { code, stdout, stderr } = await runPostern(["check-config"], env);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain("POSTERN_ACCESS_TTL");
    expect(stderr).toContain("POSTERN_REFRESH_GRACE");
  });
});

describe("a command that is not understood", () => {
  test.each<[string, string[]]>([
    ["no command", []],
    ["an unknown command", ["user", "crate"]],
    ["an option that is missing", ["user", "create"]],
    ["an unknown option", ["user", "list", "--everything"]],
    ["two names of one user", ["user", "get", "--email", "a@example.com", "--username", "a"]],
    ["an invalid address", ["user", "create", "--email", "nobody"]],
  ])("ends with 2, and says nothing on stdout: %s", async (_, args) => {
    const { code, stdout, stderr } = await run(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).not.toBe("");
  });

  test("takes no secret from argv, and repeats none", async () => {
    const secret = "a-secret-in-argv";
    for (const given of [`--password=${secret}`, `--pasword=${secret}`]) {
      const { code, stdout, stderr } = await run(["user", "create", "--email", "argv@example.com", given]);
      expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
      expect(stderr).not.toContain(secret);
    }
  });
});

describe("a command that fails", () => {
  test("ends with 1 if the user does not exist, or exists already", async () => {
    const email = "twice@example.com";
    await answer(["user", "create", "--email", email]);
    for (const args of [
      ["user", "create", "--email", email],
      ["user", "get", "nobody@example.com"],
    ]) {
      const { code, stdout, stderr } = await run(args);
      expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
      expect(stderr).not.toContain("unexpected");
    }
  });

  test("ends with 1 where the database is away", async () => {
    const env = { ...site.environment, POSTERN_DATABASE_URL: "postgres://nobody:sesame@127.0.0.1:1/nothing" };
    const { code, stdout, stderr } = await runPostern(["user", "list"], env);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toContain("database");
    expect(stderr).not.toContain("sesame");
  });

  test("ends with 1 at a password that is too weak", async () => {
    const args = ["user", "create", "--email", "weak@example.com", "--password-file", "-"];
    const { code, stdout, stderr } = await run(args, { stdin: "correct123" });
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).not.toContain("correct123");
  });
});

test(
  "--help of the whole, of a group and of a command ends with 0 and asks for no configuration",
  async () => {
    for (const [args, names] of [
      [["--help"], ["serve", "migrate", "check-config", "user create", "recover"]],
      [
        ["user", "--help"],
        ["create", "get", "list", "disable", "enable", "set-password", "set-roles"],
      ],
      [
        ["user", "create", "--help"],
        ["--email", "--password-file", "--embedded", "--json", "--help"],
      ],
    ] as const) {
      const { code, stdout, stderr } = await runPostern(args);
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      for (const name of names) expect(stdout).toContain(name);
    }
  },
  slow,
);

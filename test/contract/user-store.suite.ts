import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { NewUser, UserStore } from "../../services/auth/src/domain/ports/user-store.ts";
import { newId } from "../support/postgres/stores.ts";

/** Two views of one store, as two replicas have. */
export interface UserStoreFixture extends AsyncDisposable {
  readonly stores: readonly [UserStore, UserStore];
}

const actor = { caller: "test", requestId: "r" };
const spared = { actor, excludeAdmins: true };
const all = { actor, excludeAdmins: false };

/** The snapshot but for its time. */
function unlessTime(snapshot: Awaited<ReturnType<UserStore["readForLogin"]>>) {
  return snapshot === undefined ? undefined : { ...snapshot, now: expect.any(Date) };
}

/** What every user store must do. */
export function userStoreSuite(open: () => Promise<UserStoreFixture>): void {
  let fixture: UserStoreFixture;
  let users: UserStore;
  let other: UserStore;

  beforeAll(async () => {
    fixture = await open();
    [users, other] = fixture.stores;
  });
  afterAll(() => fixture[Symbol.asyncDispose]());

  async function added(overrides: Partial<NewUser> = {}): Promise<NewUser> {
    const user = newUser(overrides);
    expect((await users.create(user, actor)).kind).toBe("created");
    return user;
  }

  describe("create", () => {
    test("answers with the user, who is then found by id, address and name", async () => {
      const user = newUser({ roles: ["reader"] });
      const outcome = await users.create(user, actor);
      expect(outcome).toMatchObject({
        kind: "created",
        user: {
          id: user.id,
          email: user.email,
          username: user.username,
          roles: ["reader"],
          disabled: false,
          lastLoginAt: undefined,
          loginCount: 0,
        },
      });
      const keys = [
        { id: user.id },
        { emailKey: user.emailKey },
        { usernameKey: user.usernameKey as string },
      ];
      for (const key of keys)
        expect(await other.find(key)).toEqual(outcome.kind === "created" && outcome.user);
    });

    test("many users have no name", async () => {
      const nameless = { username: undefined, usernameKey: undefined };
      await added(nameless);
      await added(nameless);
    });

    test("a taken address or name is reported, and nothing is stored", async () => {
      const user = await added();
      const sameEmail = newUser({ emailKey: user.emailKey });
      const sameName = newUser({ usernameKey: user.usernameKey });
      expect(await users.create(sameEmail, actor)).toEqual({ kind: "taken", field: "email" });
      expect(await users.create(sameName, actor)).toEqual({ kind: "taken", field: "username" });
      expect(await users.find({ id: sameEmail.id })).toBeUndefined();
      expect(await users.find({ id: sameName.id })).toBeUndefined();
    });

    test.each(["emailKey", "usernameKey"] as const)(
      "E03: of many on two replicas that race for one %s, one is created",
      async (field) => {
        const key = `raced${field}`;
        const outcomes = await Promise.all(
          Array.from({ length: 20 }, (_, i) =>
            (i % 2 === 0 ? users : other).create(newUser({ [field]: key }), actor),
          ),
        );
        expect(outcomes.filter(({ kind }) => kind === "created")).toHaveLength(1);
        const name = field === "emailKey" ? "email" : "username";
        const losers = outcomes.filter(({ kind }) => kind !== "created");
        for (const loser of losers) expect(loser).toEqual({ kind: "taken", field: name });
      },
    );
  });

  describe("find and readForLogin", () => {
    test("an unknown key is undefined", async () => {
      expect(await users.find({ id: newId() })).toBeUndefined();
      expect(await users.readForLogin({ emailKey: "nobody@example.com" })).toBeUndefined();
      expect(await users.readForLogin({ usernameKey: "nobody" })).toBeUndefined();
    });

    test("the snapshot holds what a login compares, by address and by name", async () => {
      const user = await added({ passwordHash: "hash" });
      const snapshot = await users.readForLogin({ emailKey: user.emailKey });
      expect(snapshot).toMatchObject({ userId: user.id, passwordHash: "hash", disabled: false });
      expect(await users.readForLogin({ usernameKey: user.usernameKey as string })).toEqual(
        unlessTime(snapshot),
      );
    });

    test("an address without a login is not known, for known and unknown users", async () => {
      const { emailKey } = await added({ passwordHash: "hash" });
      for (const address of [undefined, "", "192.0.2.1", "2001:db8:0:0::/64", "' or true --"]) {
        expect(await users.readForLogin({ emailKey }, address)).toMatchObject({ knowsAddress: false });
        expect(await users.readForLogin({ emailKey: "nobody@example.com" }, address)).toBeUndefined();
      }
    });

    test("one without a password has no hash", async () => {
      const user = await added({ passwordHash: undefined });
      expect((await users.readForLogin({ emailKey: user.emailKey }))?.passwordHash).toBeUndefined();
    });
  });

  describe("list", () => {
    test("gives each user once, in the order of ids, by pages and by prefix", async () => {
      const names = ["page-a", "page-b", "page-c", "page-d", "page-e"];
      const made: string[] = [];
      for (const usernameKey of names) made.push((await added({ usernameKey, username: usernameKey })).id);
      const first = await users.list({ after: undefined, limit: 2, prefix: "page-" });
      const second = await users.list({ after: first.at(-1)?.id, limit: 2, prefix: "page-" });
      const third = await users.list({ after: second.at(-1)?.id, limit: 2, prefix: "page-" });
      expect([...first, ...second, ...third].map(({ id }) => id)).toEqual(made);
      expect(third).toHaveLength(1);
    });

    test("the prefix also matches addresses, and has no wildcards", async () => {
      const { id } = await added({ emailKey: "50%_off@example.com" });
      expect((await users.list({ after: undefined, limit: 9, prefix: "50%_" })).map((u) => u.id)).toEqual([
        id,
      ]);
      expect(await users.list({ after: undefined, limit: 9, prefix: "5_%" })).toEqual([]);
    });
  });

  describe("changes", () => {
    test("a new password has another version and a later number of the log", async () => {
      const { id, emailKey } = await added({ passwordHash: "old" });
      const before = await users.readForLogin({ emailKey });
      expect(await users.setPassword(id, "new", all)).toMatchObject({ kind: "changed", user: { id } });
      const after = await other.readForLogin({ emailKey });
      expect(after?.passwordHash).toBe("new");
      expect(after?.passwordVersion).toBeGreaterThan(before?.passwordVersion ?? Number.NaN);
      expect(after?.rev).toBeGreaterThan(before?.rev ?? Number.NaN);
    });

    test("disabling twice ends once; enabling ends nothing", async () => {
      const { id, emailKey } = await added();
      const rev = async () => (await users.readForLogin({ emailKey }))?.rev ?? Number.NaN;
      const start = await rev();
      for (const times of [1, 2]) {
        const outcome = await users.setDisabled(id, true, all);
        expect(outcome, `time ${times}`).toMatchObject({ kind: "changed", user: { disabled: true } });
      }
      expect(await rev()).toBe(start + 1);
      expect((await users.readForLogin({ emailKey }))?.disabled).toBe(true);
      expect(await users.setDisabled(id, false, all)).toMatchObject({ user: { disabled: false } });
      expect(await rev()).toBe(start + 1);
    });

    test("roles are replaced, and nothing ends", async () => {
      const { id, emailKey } = await added({ roles: ["a", "b"] });
      const before = await users.readForLogin({ emailKey });
      expect(await users.setRoles(id, ["c"], all)).toMatchObject({ kind: "changed", user: { roles: ["c"] } });
      expect(await users.readForLogin({ emailKey })).toEqual(unlessTime(before));
    });

    const changes: [
      string,
      (store: UserStore, id: string, options: typeof all) => Promise<{ kind: string }>,
    ][] = [
      ["setPassword", (store, id, options) => store.setPassword(id, "taken over", options)],
      ["setDisabled", (store, id, options) => store.setDisabled(id, true, options)],
      ["setRoles", (store, id, options) => store.setRoles(id, [], options)],
    ];

    test.each(changes)("%s of an unknown user is `unknown`", async (_, change) => {
      expect(await change(users, newId(), all)).toEqual({ kind: "unknown" });
    });

    test.each(changes)("%s spares an administrator where it must, and changes nothing", async (_, change) => {
      const { id, emailKey } = await added({ roles: ["admin"], passwordHash: "hash" });
      const before = [await users.find({ id }), unlessTime(await users.readForLogin({ emailKey }))];
      expect(await change(users, id, spared)).toEqual({ kind: "administrator" });
      expect([await users.find({ id }), await users.readForLogin({ emailKey })]).toEqual(before);
      expect((await change(users, id, all)).kind).toBe("changed");
    });

    test.each(changes)("%s changes others where administrators are spared", async (_, change) => {
      const { id } = await added({ roles: ["administrator"] });
      expect((await change(users, id, spared)).kind).toBe("changed");
    });
  });
}

/** What every user store must do with the first administrator; each test gets a store without users. */
export function firstAdminSuite(open: () => Promise<UserStoreFixture>): void {
  const admin = () => newUser({ roles: ["admin"] });

  test("of many on two replicas one is created; later ones exist", async () => {
    await using fixture = await open();
    const [users, other] = fixture.stores;
    const outcomes = await Promise.all(
      Array.from({ length: 10 }, (_, i) => (i % 2 === 0 ? users : other).createFirstAdmin(admin(), actor)),
    );
    const kinds = outcomes.map(({ kind }) => kind).sort();
    expect(kinds).toEqual(["created", ...Array(9).fill("exists")]);
    const found = await users.list({ after: undefined, limit: 99, prefix: undefined });
    expect(found.map(({ roles }) => roles)).toEqual([["admin"]]);
  });

  test("the address of a user who is none is taken", async () => {
    await using fixture = await open();
    const [users] = fixture.stores;
    const user = newUser();
    await users.create(user, actor);
    expect(await users.createFirstAdmin({ ...admin(), emailKey: user.emailKey }, actor)).toEqual({
      kind: "taken",
    });
  });
}

function newUser(overrides: Partial<NewUser> = {}): NewUser {
  const id = newId();
  const name = `u${id.replaceAll("-", "")}`;
  const email = `${name}@example.com`;
  return {
    id,
    email,
    emailKey: email,
    username: name,
    usernameKey: name,
    roles: [],
    passwordHash: undefined,
    ...overrides,
  };
}

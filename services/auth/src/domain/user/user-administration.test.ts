import { describe, expect, test, vi } from "vitest";
import type { Caller } from "../caller/caller.ts";
import type { Permission } from "../caller/permission.ts";
import type { ChangeOptions, ChangeUserOutcome, NewUser, User } from "../ports/user-store.ts";
import { createFirstAdmin } from "./create-first-admin.ts";
import { createUser } from "./create-user.ts";
import { disableUser } from "./disable-user.ts";
import { enableUser } from "./enable-user.ts";
import { getUser } from "./get-user.ts";
import { setPassword } from "./set-password.ts";
import { setRoles } from "./set-roles.ts";

const id = "0190a5f0-7c1b-7abc-8def-0123456789ab";
const never = new AbortController().signal;
const good = "nine purple zebras";

function callerWith(...permissions: Permission[]): Caller {
  const none = new Set<string>();
  const limits = { scopes: none, audiences: none, clients: none, trustedAddress: false };
  return { name: "console", permissions: new Set(permissions), ...limits };
}

function call(...permissions: Permission[]) {
  return { caller: callerWith(...permissions), requestId: "request", signal: never };
}

function userWith(overrides: Partial<User> = {}): User {
  const at = new Date(0);
  const times = { createdAt: at, updatedAt: at, lastLoginAt: undefined, loginCount: 0 };
  return {
    id,
    email: "alice@x.example",
    username: undefined,
    roles: [],
    disabled: false,
    ...times,
    ...overrides,
  };
}

const passwords = {
  passwordHasher: { hash: async (password: string) => `hash of ${password}` },
  passwordPolicy: { minLength: 12, isCommon: (password: string) => password === "commonplaces" },
};

describe("createUser", () => {
  const create = vi.fn(async (user: NewUser) => ({
    kind: "created" as const,
    user: userWith({ email: user.email }),
  }));
  const deps = { ...passwords, users: { create }, newId: () => id };
  const alice = { email: "Alice@X.example", username: "Alice", password: good, roles: ["reader"] };

  test("stores folded keys, the hash and who did it", async () => {
    const user = await createUser(deps, { ...alice, ...call("users") });
    expect(user.email).toBe("Alice@X.example");
    expect(create).toHaveBeenLastCalledWith(
      {
        id,
        email: "Alice@X.example",
        emailKey: "alice@x.example",
        username: "Alice",
        usernameKey: "alice",
        roles: ["reader"],
        passwordHash: `hash of ${good}`,
      },
      { caller: "console", requestId: "request" },
    );
  });

  test("a user may go without name and password", async () => {
    await createUser(deps, { ...alice, username: undefined, password: undefined, ...call("users") });
    expect(create.mock.lastCall?.[0]).toMatchObject({ usernameKey: undefined, passwordHash: undefined });
  });

  test.each([
    [["users"], ["admin"], "NOT_PERMITTED"],
    [["login"], [], "NOT_PERMITTED"],
  ] as const)("%j may not add one with the roles %j", async (permissions, roles, reason) => {
    create.mockClear();
    const made = createUser(deps, { ...alice, roles, ...call(...permissions) });
    await expect(made).rejects.toMatchObject({ reason });
    expect(create).not.toHaveBeenCalled();
  });

  test("an administrator may add another", async () => {
    await createUser(deps, { ...alice, roles: ["admin"], ...call("admin") });
    expect(create.mock.lastCall?.[0].roles).toEqual(["admin"]);
  });

  test("refuses the user's own name as the password", async () => {
    const made = createUser(deps, { ...alice, password: "Alice@x.example", ...call("users") });
    await expect(made).rejects.toMatchObject({ reason: "WEAK_PASSWORD" });
  });

  test.each([
    ["email", "the e-mail address is taken"],
    ["username", "the user name is taken"],
  ] as const)("E03 a taken %s is named", async (field, message) => {
    const taken = { create: async () => ({ kind: "taken" as const, field }) };
    const made = createUser({ ...deps, users: taken }, { ...alice, ...call("users") });
    await expect(made).rejects.toMatchObject({ reason: "ALREADY_EXISTS", message });
  });
});

describe("changes of a user", () => {
  /** Answers as a store that holds one administrator. */
  const change = vi.fn(async (options: ChangeOptions): Promise<ChangeUserOutcome> => {
    if (options.excludeAdmins) return { kind: "administrator" };
    return { kind: "changed", user: userWith({ roles: ["admin"] }) };
  });
  const notice = vi.fn();
  const deps = {
    ...passwords,
    knownRevocations: { notice },
    users: {
      find: async () => userWith({ roles: ["admin"] }),
      setDisabled: (_: string, __: boolean, options: ChangeOptions) => change(options),
      setPassword: (_: string, __: string, options: ChangeOptions) => change(options),
      setRoles: (_: string, __: readonly string[], options: ChangeOptions) => change(options),
    },
  };
  const changes = {
    disableUser: (...permissions: Permission[]) => disableUser(deps, { userId: id, ...call(...permissions) }),
    enableUser: (...permissions: Permission[]) => enableUser(deps, { userId: id, ...call(...permissions) }),
    setPassword: (...permissions: Permission[]) =>
      setPassword(deps, { userId: id, password: good, ...call(...permissions) }),
    setRoles: (...permissions: Permission[]) =>
      setRoles(deps, { userId: id, roles: [], ...call(...permissions) }),
  };

  test.each(Object.entries(changes))(
    "%s spares administrators unless the caller is one",
    async (_, attempt) => {
      await expect(attempt("users")).rejects.toMatchObject({ reason: "NOT_PERMITTED" });
      await expect(attempt("admin")).resolves.toMatchObject({ id });
      change.mockClear();
      await expect(attempt("login", "revoke:any")).rejects.toMatchObject({ reason: "NOT_PERMITTED" });
      expect(change).not.toHaveBeenCalled();
    },
  );

  test.each(["disableUser", "setPassword"] as const)(
    "%s notices the revocation after the commit, and not if it is refused",
    async (name) => {
      notice.mockClear();
      await expect(changes[name]("users")).rejects.toMatchObject({ reason: "NOT_PERMITTED" });
      await expect(changes[name]("login")).rejects.toMatchObject({ reason: "NOT_PERMITTED" });
      change.mockResolvedValueOnce({ kind: "unknown" });
      await expect(changes[name]("admin")).rejects.toMatchObject({ reason: "NOT_FOUND" });
      expect(notice).not.toHaveBeenCalled();
      change.mockImplementationOnce(async () => {
        expect(notice).not.toHaveBeenCalled();
        return { kind: "changed", user: userWith() };
      });
      await changes[name]("admin");
      expect(notice).toHaveBeenCalledTimes(1);
    },
  );

  test.each(Object.entries(changes))("%s of an unknown user is NOT_FOUND", async (_, attempt) => {
    change.mockResolvedValueOnce({ kind: "unknown" });
    await expect(attempt("admin")).rejects.toMatchObject({ reason: "NOT_FOUND" });
  });

  test("who is no administrator cannot make one", async () => {
    change.mockClear();
    const made = setRoles(deps, { userId: id, roles: ["reader", "admin"], ...call("users") });
    await expect(made).rejects.toMatchObject({ reason: "NOT_PERMITTED" });
    expect(change).not.toHaveBeenCalled();
  });

  test("setPassword hashes nothing for an unknown user or a weak password", async () => {
    const hash = vi.fn(passwords.passwordHasher.hash);
    const unknown = {
      ...deps,
      passwordHasher: { hash },
      users: { ...deps.users, find: async () => undefined },
    };
    const input = { userId: id, ...call("admin") };
    await expect(setPassword(unknown, { ...input, password: good })).rejects.toMatchObject({
      reason: "NOT_FOUND",
    });
    const weak = setPassword({ ...deps, passwordHasher: { hash } }, { ...input, password: "commonplaces" });
    await expect(weak).rejects.toMatchObject({ reason: "WEAK_PASSWORD" });
    expect(hash).not.toHaveBeenCalled();
  });
});

describe("getUser", () => {
  const find = vi.fn(async () => userWith());
  const get = (key: Parameters<typeof getUser>[1]["key"]) =>
    getUser({ users: { find } }, { caller: callerWith("users"), key });

  test.each([
    [{ email: "ALICE@x.example" }, { emailKey: "alice@x.example" }],
    [{ username: "ALICE" }, { usernameKey: "alice" }],
    [{ id }, { id }],
  ])("%j is looked up as %j", async (key, found) => {
    await get(key);
    expect(find).toHaveBeenLastCalledWith(found);
  });

  test.each([{ email: "alice" }, { username: "alice@x.example" }, { username: "\ud800" }, { email: "@" }])(
    "E12 %j names no user",
    async (key) => {
      find.mockClear();
      await expect(get(key)).rejects.toMatchObject({ reason: "NOT_FOUND" });
      expect(find).not.toHaveBeenCalled();
    },
  );
});

describe("createFirstAdmin", () => {
  const input = { email: "Root@x.example", password: good, requestId: "start", signal: never };

  test.each(["created", "exists"] as const)("returns the store's result: %s", async (kind) => {
    const create = vi.fn(async (_: NewUser) => ({ kind }));
    const deps = { ...passwords, users: { createFirstAdmin: create }, newId: () => id };
    expect(await createFirstAdmin(deps, input)).toBe(kind);
    expect(create.mock.lastCall?.[0]).toMatchObject({ emailKey: "root@x.example", roles: ["admin"] });
  });

  test("an address that belongs to someone else is an error", async () => {
    const users = { createFirstAdmin: async () => ({ kind: "taken" as const }) };
    const made = createFirstAdmin({ ...passwords, users, newId: () => id }, input);
    await expect(made).rejects.toMatchObject({ reason: "ALREADY_EXISTS" });
  });
});

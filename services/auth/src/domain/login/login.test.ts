import { describe, expect, test, vi } from "vitest";
import type { FailedLogin } from "../audit/failed-logins.ts";
import type { Caller } from "../caller/caller.ts";
import { AuthError } from "../errors.ts";
import type { KeyRing } from "../keys/key-ring.ts";
import type { RefreshKey, SigningKey } from "../ports/key-material.ts";
import type { PasswordHasher } from "../ports/password-hasher.ts";
import type { NewSession, OpenOutcome } from "../ports/session-store.ts";
import type { LoginSnapshot } from "../ports/user-store.ts";
import { mintDeviceToken } from "../token/device-token.ts";
import { type LoginDeps, type LoginInput, login } from "./login.ts";
import { type LoginAttempt, LoginLimitError } from "./login-budgets.ts";

const userId = "0188bac7-4afa-78aa-bc3b-bd1eef28d881";
const deviceId = "0188bac7-4afa-78aa-bc3b-bd1eef28d882";
const newId = () => "0188bac7-4afa-78aa-bc3b-bd1eef28d883";
const now = new Date("2026-01-01T00:00:00Z");
const issuedAt = now.getTime() / 1000;
const device = { userId, deviceId, passwordVersion: 5, issuedAt };
const all = new Set(["*"]);
const refreshKey: RefreshKey = {
  number: 1,
  mac: () => new Uint8Array(32),
  verify: (_, mac) => mac.every((byte) => byte === 0),
};
const signingKey = { kid: "kid", alg: "ES256", sign: () => new Uint8Array(64) } as unknown as SigningKey;

const snapshot: LoginSnapshot = {
  userId,
  passwordHash: "right",
  passwordVersion: 5,
  disabled: false,
  rev: 0,
  knowsAddress: false,
  now,
  keysVersion: "k",
};
const input: LoginInput = {
  caller: {
    name: "web",
    permissions: all,
    scopes: all,
    audiences: all,
    clients: all,
    trustedAddress: true,
  } as Caller,
  identifier: "alice@x.example",
  password: "right",
  clientId: undefined,
  audience: ["api"],
  scope: [],
  device: "",
  deviceToken: "",
  clientAddress: "192.0.2.1",
  userAgent: "",
  requestId: "",
  signal: new AbortController().signal,
};

interface Options {
  readonly user?: LoginSnapshot | undefined;
  readonly hasher?: Partial<PasswordHasher>;
  readonly outcome?: OpenOutcome;
}

/** Logs in, and records the attempts that the budgets got. */
function bench({ hasher = {}, outcome, ...options }: Options = {}) {
  const user = "user" in options ? options.user : snapshot;
  const attempts: LoginAttempt[] = [];
  const settle = vi.fn(async (_failed: boolean) => {});
  const record = vi.fn(async (_login: FailedLogin, _reason: string) => {});
  const count = vi.fn((_login: FailedLogin, _budget: string) => {});
  const readForLogin = vi.fn(async (_key: unknown, _address?: string) => user);
  const open = vi.fn(async (session: NewSession): Promise<OpenOutcome> => outcome ?? opened(session));
  const notice = vi.fn();
  const deps: LoginDeps = {
    users: { readForLogin },
    sessions: { open },
    knownRevocations: { notice },
    passwordHasher: {
      reserveSlot: () => ({ [Symbol.dispose]() {} }),
      verify: async (password, hash) => password === hash,
      ...hasher,
    },
    loginBudgets: {
      async reserve(attempt) {
        attempts.push(attempt);
        return { settle };
      },
    },
    failedLogins: { record, count },
    keyRing: {
      refreshKey,
      signingKey,
      findRefreshKey: async () => refreshKey,
      follow: async () => {},
    } as unknown as KeyRing,
    defaultAudience: undefined,
    issuer: "https://x.example",
    policy: { accessTtlMs: 60_000 },
    newId,
  };
  return {
    attempts,
    settle,
    readForLogin,
    open,
    notice,
    record,
    count,
    deps,
    log: (overrides: Partial<LoginInput> = {}) => login(deps, { ...input, ...overrides }),
    reason: (overrides: Partial<LoginInput> = {}) =>
      login(deps, { ...input, ...overrides }).then(
        () => "opened",
        (error: unknown) => (error instanceof AuthError ? error.reason : error),
      ),
  };
}

function opened(session: NewSession): OpenOutcome {
  const times = { authTime: now, now, endsAt: new Date(now.getTime() + 60_000), generation: 0 };
  const grant = { ...session, ...times, sessionId: session.id, roles: [], keysVersion: "k" };
  const shown = { createdAt: now, lastUsedAt: now, expiresAt: now };
  return { kind: "opened", grant, session: { ...session, ...shown } };
}

describe("the reservation of a login", () => {
  const wrong: [string, Options, Partial<LoginInput>][] = [
    ["a wrong password", {}, { password: "wrong" }],
    ["an unknown user", { user: undefined }, {}],
    ["what no user can be called", {}, { identifier: "\u202e", password: "wrong" }],
    ["a disabled user, right password", { user: { ...snapshot, disabled: true } }, {}],
    ["a user without a password", { user: { ...snapshot, passwordHash: undefined } }, {}],
  ];

  test.each(wrong)("becomes a failure by %s", async (_, options, overrides) => {
    const { reason, settle, open } = bench(options);
    expect(await reason(overrides)).toBe("INVALID_CREDENTIALS");
    expect(settle.mock.calls).toEqual([[true]]);
    expect(open).not.toHaveBeenCalled();
  });

  test("is released by the right password, before the session opens", async () => {
    const { reason, settle, open } = bench();
    open.mockImplementationOnce(async (session) => {
      expect(settle.mock.calls).toEqual([[false]]);
      return opened(session);
    });
    expect(await reason()).toBe("opened");
    expect(settle).toHaveBeenCalledTimes(1);
  });

  test.each(["stale", "revoked"] as const)("is released if the session is %s", async (kind) => {
    const { reason, settle } = bench({ outcome: { kind } });
    expect(await reason()).toBe(kind === "stale" ? "INVALID_CREDENTIALS" : "CONFLICT");
    expect(settle.mock.calls).toEqual([[false]]);
  });

  test("D14: is released if nothing is hashed, because the queue is full or the caller has hung up", async () => {
    for (const fault of [new AuthError("OVERLOADED"), new Error("deadline")]) {
      const { log, settle } = bench({ hasher: { verify: () => Promise.reject(fault) } });
      await expect(log({ password: "wrong" })).rejects.toBe(fault);
      expect(settle.mock.calls).toEqual([[false]]);
    }
  });

  test("is not made if the queue is full before", async () => {
    const reserveSlot = () => {
      throw new AuthError("OVERLOADED");
    };
    const { reason, attempts, readForLogin } = bench({ hasher: { reserveSlot } });
    expect(await reason()).toBe("OVERLOADED");
    expect(attempts).toEqual([]);
    expect(readForLogin).not.toHaveBeenCalled();
  });
});

describe("K03: the audit", () => {
  const typed = { account: '{"emailKey":"alice@x.example"}', clientId: "web", caller: "web", requestId: "" };
  const reported = { ...typed, userId, clientAddress: "192.0.2.1" };

  const refusals: [string, Options, Partial<LoginInput>, FailedLogin][] = [
    ["wrong_password", {}, { password: "wrong" }, reported],
    ["unknown_user", { user: undefined }, {}, { ...reported, userId: undefined }],
    ["disabled", { user: { ...snapshot, disabled: true } }, {}, reported],
    ["no_password", { user: { ...snapshot, passwordHash: undefined } }, {}, reported],
  ];
  test.each(refusals)("has a failed login before the answer: %s", async (why, options, overrides, login) => {
    const { reason, record, settle } = bench(options);
    record.mockImplementationOnce(async () => {
      expect(settle).toHaveBeenCalled();
      throw new AuthError("UNAVAILABLE");
    });
    expect(await reason(overrides)).toBe("UNAVAILABLE");
    expect(await reason(overrides)).toBe("INVALID_CREDENTIALS");
    expect(record.mock.calls).toEqual([
      [login, why],
      [login, why],
    ]);
  });

  test("counts logins that a limit refuses, and records nothing about logins that were not checked", async () => {
    const { record, count, deps } = bench();
    for (const error of [new LoginLimitError("account", 1_000), new AuthError("OVERLOADED")]) {
      const reserve = () => Promise.reject(error);
      await expect(login({ ...deps, loginBudgets: { reserve } }, input)).rejects.toThrow(AuthError);
    }
    expect(count.mock.calls).toEqual([[reported, "account"]]);
    expect(record).not.toHaveBeenCalled();
  });

  test("has the canonical spelling of the caller's address", async () => {
    const { reason, record } = bench();
    for (const clientAddress of ["2001:DB8:0:0::9", "2001:db8::9", "::ffff:203.0.113.7", "203.0.113.7"])
      await reason({ password: "wrong", clientAddress });
    expect(record.mock.calls.map(([{ clientAddress }]) => clientAddress)).toEqual([
      ...["2001:db8::9", "2001:db8::9", "203.0.113.7", "203.0.113.7"],
    ]);
  });

  test("has no address that an untrusted caller reported", async () => {
    const { reason, record } = bench();
    await reason({ password: "wrong", caller: { ...input.caller, trustedAddress: false } });
    await reason({ password: "wrong", clientAddress: "" });
    expect(record.mock.calls.map(([{ clientAddress }]) => clientAddress)).toEqual([undefined, undefined]);
  });
});

describe("the notice of a revocation", () => {
  test("follows the commit of a login, which may have ended the oldest session", async () => {
    const { reason, open, notice } = bench();
    open.mockImplementationOnce(async (session) => {
      expect(notice).not.toHaveBeenCalled();
      return opened(session);
    });
    expect(await reason()).toBe("opened");
    expect(notice).toHaveBeenCalledTimes(1);
  });

  const refusals: [string, Options, Partial<LoginInput>, string][] = [
    ["with a wrong password", {}, { password: "wrong" }, "INVALID_CREDENTIALS"],
    ["after a change of the password", { outcome: { kind: "stale" } }, {}, "INVALID_CREDENTIALS"],
    ["after a revocation", { outcome: { kind: "revoked" } }, {}, "CONFLICT"],
  ];
  test.each(refusals)(
    "does not follow a login that is refused: %s",
    async (_, options, overrides, refusal) => {
      const { reason, notice } = bench(options);
      expect(await reason(overrides)).toBe(refusal);
      expect(notice).not.toHaveBeenCalled();
    },
  );
});

describe("the client of an attempt", () => {
  const attemptOf = async (options: Options, overrides: Partial<LoginInput> = {}) => {
    const { attempts, reason } = bench(options);
    await reason(overrides);
    expect(attempts).toHaveLength(1);
    return attempts[0];
  };
  const mint = (overrides: Partial<typeof device> = {}) =>
    mintDeviceToken(refreshKey, { ...device, ...overrides });
  const unknown = { account: '{"emailKey":"alice@x.example"}', address: "192.0.2.1", knownBy: undefined };

  test("is unknown, in the same way for existing and unknown users", async () => {
    expect(await attemptOf({})).toEqual(unknown);
    expect(await attemptOf({ user: undefined })).toEqual(unknown);
    expect(await attemptOf({ user: { ...snapshot, disabled: true } })).toEqual(unknown);
    expect(await attemptOf({}, { identifier: "Alice@X.EXAMPLE" })).toEqual(unknown);
    expect(await attemptOf({}, { identifier: " alice@x.example\u00a0" })).toEqual(unknown);
  });

  test("D08: has a folded address, from a trusted caller only", async () => {
    const { readForLogin, reason, attempts } = bench();
    await reason({ clientAddress: "::ffff:192.0.2.1" });
    await reason({ clientAddress: "2001:db8:1:2:3::4" });
    await reason({ caller: { ...input.caller, trustedAddress: false } });
    await reason({ clientAddress: "" });
    const addresses = ["192.0.2.1", "2001:db8:1:2::/64", undefined, undefined];
    expect(attempts.map(({ address }) => address)).toEqual(addresses);
    expect(readForLogin.mock.calls.map(([, address]) => address)).toEqual(addresses);
  });

  test("is known by an address of the account", async () => {
    const user = { ...snapshot, knowsAddress: true };
    expect(await attemptOf({ user })).toEqual({ ...unknown, knownBy: { kind: "address" } });
  });

  test("is known by its device, also if the address is known", async () => {
    const knownBy = { kind: "device", userId, deviceId };
    expect(await attemptOf({}, { deviceToken: mint() })).toEqual({ ...unknown, knownBy });
    const user = { ...snapshot, knowsAddress: true };
    expect(await attemptOf({ user }, { deviceToken: mint() })).toEqual({ ...unknown, knownBy });
  });

  test("is known by its device if the password versions are equal modulo 2³²", async () => {
    const user = { ...snapshot, passwordVersion: 2 ** 32 + 5 };
    expect(await attemptOf({ user }, { deviceToken: mint() })).toMatchObject({ knownBy: { deviceId } });
  });

  test("with a device from before a change of the password shares one budget with all such devices", async () => {
    const knownBy = { kind: "device", userId, deviceId: "outdated" };
    for (const device of [
      { passwordVersion: 4 },
      { passwordVersion: 4, deviceId: newId() },
      { passwordVersion: 6 },
    ]) {
      expect(await attemptOf({}, { deviceToken: mint(device) })).toMatchObject({ knownBy });
    }
  });

  test("with a device from before a change of the password is known by its address, whose budget such devices cannot use up", async () => {
    const user = { ...snapshot, knowsAddress: true };
    const deviceToken = mint({ passwordVersion: 4 });
    expect(await attemptOf({ user }, { deviceToken })).toMatchObject({ knownBy: { kind: "address" } });
  });

  const strange: [string, string][] = [
    ["of another user", mint({ userId: newId() })],
    ["90 days old", mint({ issuedAt: issuedAt - 90 * 86_400 })],
    ["forged", mintDeviceToken({ ...refreshKey, mac: () => new Uint8Array(32).fill(1) }, device)],
    ["cut short", mint().slice(0, -1)],
    ["that is none", "something"],
  ];
  test.each(strange)("is unknown with a device token %s", async (_, deviceToken) => {
    expect(await attemptOf({}, { deviceToken })).toEqual(unknown);
  });

  test("is unknown with a device token of a deleted user", async () => {
    expect(await attemptOf({ user: undefined }, { deviceToken: mint() })).toEqual(unknown);
  });
});

describe("the device token in the answer", () => {
  test("is of a new device, or of the same device again", async () => {
    const { log } = bench();
    const fresh = (id: string) =>
      mintDeviceToken(refreshKey, { userId, deviceId: id, passwordVersion: 5, issuedAt });
    expect((await log()).deviceToken).toBe(fresh(newId()));
    const earlier = mintDeviceToken(refreshKey, {
      userId,
      deviceId,
      passwordVersion: 4,
      issuedAt: issuedAt - 9,
    });
    expect((await log({ deviceToken: earlier })).deviceToken).toBe(fresh(deviceId));
    const foreign = mintDeviceToken(refreshKey, { ...device, userId: newId() });
    expect((await log({ deviceToken: foreign })).deviceToken).toBe(fresh(newId()));
  });
});

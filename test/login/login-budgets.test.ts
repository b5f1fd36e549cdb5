import { Code, ConnectError } from "@connectrpc/connect";
import { AdminService } from "@postern/proto/postern/admin/v1/admin_service_pb.js";
import { AuthService } from "@postern/proto/postern/auth/v1/auth_service_pb.js";
import { ErrorDetailSchema, Reason } from "@postern/proto/postern/error/v1/error_detail_pb.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createClients } from "../support/clients/clients.ts";
import { postJson } from "../support/clients/wire.ts";
import { guessWrong, knownDevice, limitedTo, newAddress, verdict, WRONG } from "../support/load/guesses.ts";
import { createUser, PASSWORD } from "../support/people/people.ts";
import { startServer, TOKENS } from "../support/servers/server-process.ts";
import { type Replica, startTwoServers, type TwoServers } from "../support/servers/two-servers.ts";

const LOGIN = "/postern.auth.v1.AuthService/Login";

let two: TwoServers;
let one: Replica;

beforeAll(async () => {
  two = await startTwoServers(limitedTo("account=3/1h,account_all=9/1h,address=12/1h"));
  one = two.a;
});
afterAll(() => two[Symbol.asyncDispose]());

describe("D05 no client locks another one out", () => {
  test("from many addresses: the victim's device and the victim's address are let in all the while", async () => {
    const { email } = await createUser(one.users);
    const home = newAddress();
    let deviceToken = await knownDevice(one.web, { identifier: email, clientAddress: home });
    const counted: Record<string, number> = {};
    for (let attack = 0; attack < 12; attack++) {
      const clientAddress = newAddress();
      for (const [what, times] of Object.entries(
        await guessWrong(one.web, { identifier: email, clientAddress }, 4),
      )) {
        counted[what] = (counted[what] ?? 0) + times;
      }
      deviceToken = await knownDevice(one.web, {
        identifier: email,
        clientAddress: newAddress(),
        deviceToken,
      });
      expect(await verdict(one.web, { identifier: email, clientAddress: home })).toBe("answered");
    }
    // All addresses together get at most `account_all`.
    expect(counted).toEqual({ INVALID_CREDENTIALS: 9, RATE_LIMITED: 39 });
    for (const password of [PASSWORD, WRONG]) {
      expect(await verdict(one.web, { identifier: email, clientAddress: newAddress(), password })).toBe(
        "RATE_LIMITED",
      );
    }
  });

  test("by the victim's own address: the device is let in", async () => {
    const { email } = await createUser(one.users);
    const home = { identifier: email, clientAddress: newAddress() };
    const deviceToken = await knownDevice(one.web, home);
    expect(await guessWrong(one.web, home, 5)).toEqual({ INVALID_CREDENTIALS: 3, RATE_LIMITED: 2 });
    expect(await verdict(one.web, home)).toBe("RATE_LIMITED");
    expect(await verdict(one.web, { ...home, deviceToken })).toBe("answered");
    // What is spent is spent there alone.
    expect(await verdict(one.web, { ...home, clientAddress: newAddress() })).toBe("answered");
  });

  test("through a back end that sends no address: the device may log in", async () => {
    const { email: identifier } = await createUser(one.users);
    const deviceToken = await knownDevice(one.other, { identifier });
    for (let attack = 0; attack < 5; attack++) {
      await guessWrong(one.other, { identifier }, 2);
      expect(await verdict(one.other, { identifier, deviceToken })).toBe("answered");
    }
    expect(await verdict(one.other, { identifier })).toBe("RATE_LIMITED");
  });

  test("through one back end's address that has guessed at many: devices and known addresses are let in", async () => {
    const [{ email }, another] = [await createUser(one.users), await createUser(one.users)];
    const clientAddress = newAddress();
    const deviceToken = await knownDevice(one.web, { identifier: email, clientAddress });
    const guesses: Record<string, number>[] = [];
    for (let user = 0; user < 14; user++) {
      guesses.push(await guessWrong(one.web, { identifier: `nobody${user}@postern.test`, clientAddress }, 1));
    }
    expect(guesses.slice(0, 12)).toEqual(Array(12).fill({ INVALID_CREDENTIALS: 1 }));
    expect(guesses.slice(12)).toEqual(Array(2).fill({ RATE_LIMITED: 1 }));
    expect(await verdict(one.web, { identifier: another.email, clientAddress })).toBe("RATE_LIMITED");
    expect(await verdict(one.web, { identifier: email, clientAddress, deviceToken })).toBe("answered");
    expect(await verdict(one.web, { identifier: email, clientAddress })).toBe("answered");
  });

  test("a device with a used-up budget is refused alone, and a forged or foreign device token counts as unknown", async () => {
    const [mine, theirs] = [await createUser(one.users), await createUser(one.users)];
    const { email } = mine;
    const clientAddress = newAddress();
    const deviceToken = await knownDevice(one.web, { identifier: email });
    const foreign = await knownDevice(one.web, { identifier: theirs.email });
    const outsider = { identifier: email, clientAddress };
    expect(await guessWrong(one.web, { ...outsider, deviceToken }, 4)).toEqual({
      INVALID_CREDENTIALS: 3,
      RATE_LIMITED: 1,
    });
    expect(await verdict(one.web, { ...outsider, deviceToken })).toBe("RATE_LIMITED");
    // The three guesses used the device's budget, so the unknown client has its whole budget.
    for (const token of [foreign, `${deviceToken.slice(0, -1)}0`, "ptn_dv_"]) {
      expect(await guessWrong(one.web, { ...outsider, deviceToken: token }, 1)).toEqual({
        INVALID_CREDENTIALS: 1,
      });
    }
    expect(await verdict(one.web, { ...outsider, deviceToken: foreign })).toBe("RATE_LIMITED");
  });

  test("after a change of the password the devices from before share one budget, and lock out no known address", async () => {
    const { id, email: identifier } = await createUser(one.users);
    const clientAddress = newAddress();
    const [first, second, third] = [
      await knownDevice(one.web, { identifier, clientAddress }),
      await knownDevice(one.web, { identifier }),
      await knownDevice(one.web, { identifier }),
    ];
    expect(await guessWrong(one.web, { identifier, deviceToken: first }, 4)).toMatchObject({
      RATE_LIMITED: 1,
    });
    expect(await verdict(one.web, { identifier, deviceToken: second })).toBe("answered");
    const password = `${PASSWORD}!`;
    await one.users.setPassword({ userId: id, password });
    const renewed = await knownDevice(one.web, { identifier, deviceToken: third, password });
    expect(await guessWrong(one.web, { identifier, deviceToken: first }, 2)).toEqual({
      INVALID_CREDENTIALS: 2,
    });
    expect(await guessWrong(one.web, { identifier, deviceToken: second }, 2)).toEqual({
      INVALID_CREDENTIALS: 1,
      RATE_LIMITED: 1,
    });
    for (const deviceToken of [first, second, third]) {
      expect(await verdict(one.web, { identifier, deviceToken, password })).toBe("RATE_LIMITED");
      expect(await verdict(one.web, { identifier, deviceToken, password, clientAddress })).toBe("answered");
    }
    expect(await verdict(one.web, { identifier, deviceToken: renewed, password })).toBe("answered");
  });
});

describe("a refusal has the retry delay", () => {
  test("by Connect: 429 with Retry-After, in whole seconds", async () => {
    const { email: identifier } = await createUser(one.users);
    const clientAddress = newAddress();
    await guessWrong(one.web, { identifier, clientAddress }, 3);
    for (const password of [PASSWORD, WRONG]) {
      const json = JSON.stringify({ identifier, password, clientAddress });
      const answer = await postJson(`${one.server.http}${LOGIN}`, TOKENS.web, json);
      expect(answer.status).toBe(429);
      expect(JSON.parse(answer.body.toString())).toMatchObject({ code: "resource_exhausted" });
      expect(answer.headers["retry-after"]).toMatch(/^\d+$/);
      expect(Number(answer.headers["retry-after"])).toBeGreaterThan(3_000);
      expect(Number(answer.headers["retry-after"])).toBeLessThanOrEqual(3_600);
    }
  });

  test("by gRPC: RESOURCE_EXHAUSTED, with the delay and the reason", async () => {
    const { email: identifier } = await createUser(one.users);
    await guessWrong(one.other, { identifier }, 3);
    const error = ConnectError.from(
      await one.other.login({ identifier, password: PASSWORD }).catch((thrown: unknown) => thrown),
    );
    const [detail] = error.findDetails(ErrorDetailSchema);
    expect([error.code, detail?.reason]).toEqual([Code.ResourceExhausted, Reason.RATE_LIMITED]);
    expect(Number(detail?.retryAfter?.seconds)).toBeGreaterThan(3_000);
    expect(Number(detail?.retryAfter?.seconds)).toBeLessThanOrEqual(3_600);
    expect(Number(error.metadata.get("retry-after"))).toBeLessThanOrEqual(3_600);
  });
});

describe("D08 one household is one bucket", () => {
  test.each([
    [
      "of IPv4, mapped into IPv6",
      ["198.51.100.7", "::ffff:198.51.100.7", "::FFFF:c633:6407", "0:0:0:0:0:ffff:c633:6407"],
    ],
    [
      "of one /64",
      ["2001:db8:5:6::1", "2001:db8:5:6:ffff::2", "2001:0DB8:0005:0006::9", "2001:db8:5:6::198.51.100.7"],
    ],
  ])("however its address is written: %s", async (_, addresses) => {
    const { email: identifier } = await createUser(one.users);
    const verdicts: Record<string, number>[] = [];
    for (const clientAddress of addresses)
      verdicts.push(await guessWrong(one.web, { identifier, clientAddress }, 1));
    expect(verdicts).toEqual([...Array(3).fill({ INVALID_CREDENTIALS: 1 }), { RATE_LIMITED: 1 }]);
  });

  test("of which one address is known, all are", async () => {
    const { email: identifier } = await createUser(one.users);
    await knownDevice(one.web, { identifier, clientAddress: "2001:db8:7:8::1" });
    for (let address = 0; address < 3; address++) {
      await guessWrong(one.web, { identifier, clientAddress: newAddress() }, 3);
    }
    expect(await verdict(one.web, { identifier, clientAddress: "2001:db8:7:8:9::2" })).toBe("answered");
    expect(await verdict(one.web, { identifier, clientAddress: "2001:db8:7:9::1" })).toBe("RATE_LIMITED");
  });

  test("headers with addresses are ignored", async () => {
    const { email: identifier } = await createUser(one.users);
    const address = newAddress();
    const statuses: number[] = [];
    for (let host = 1; host <= 5; host++) {
      const lie = `203.0.113.${host}`;
      const headers = [
        ["x-forwarded-for", `${lie}, ${address}`],
        ["forwarded", `for=${lie}`],
        ["x-real-ip", lie],
        ["x-client-ip", lie],
        ["cf-connecting-ip", lie],
      ] as const;
      const json = JSON.stringify({ identifier, password: WRONG, clientAddress: address });
      statuses.push((await postJson(`${one.server.http}${LOGIN}`, TOKENS.web, json, headers)).status);
    }
    expect(statuses).toEqual([401, 401, 401, 429, 429]);
  });

  test("the address from an untrusted caller is ignored", async () => {
    const { email: identifier } = await createUser(one.users);
    const home = newAddress();
    const deviceToken = await knownDevice(one.web, { identifier, clientAddress: home });
    const verdicts: Record<string, number>[] = [];
    for (const clientAddress of [newAddress(), newAddress(), home, home, ""]) {
      verdicts.push(await guessWrong(one.other, { identifier, clientAddress }, 1));
    }
    const [wrong, refused] = [{ INVALID_CREDENTIALS: 1 }, { RATE_LIMITED: 1 }];
    expect(verdicts).toEqual([wrong, wrong, wrong, refused, refused]);
    // Nor does a login through it make one known.
    const away = newAddress();
    await knownDevice(one.other, { identifier, clientAddress: away, deviceToken });
    const { sessions } = await one.admin.listSessions({ userId: await idOf(identifier) });
    expect(sessions.map(({ clientAddress }) => clientAddress)).toEqual(["", home]);
    for (let address = 0; address < 3; address++) {
      await guessWrong(one.web, { identifier, clientAddress: newAddress() }, 3);
    }
    expect(await verdict(one.web, { identifier, clientAddress: away })).toBe("RATE_LIMITED");
    expect(await verdict(one.web, { identifier, clientAddress: home })).toBe("answered");
  });

  test("a caller that sends no address uses no address budget, nor its own", async () => {
    for (const auth of [one.other, one.web]) {
      for (let user = 0; user < 15; user++) {
        const { email: identifier } = { email: `nobody${newAddress()}@postern.test` };
        expect(await guessWrong(auth, { identifier }, 1)).toEqual({ INVALID_CREDENTIALS: 1 });
      }
    }
    const json = JSON.stringify({
      identifier: "someone@postern.test",
      password: WRONG,
      clientAddress: "127.0.0.1",
    });
    expect((await postJson(`${one.server.http}${LOGIN}`, TOKENS.web, json)).status).toBe(401);
  });
});

async function idOf(email: string): Promise<string> {
  const { user } = await one.users.getUser({ key: { case: "email", value: email } });
  return user?.id ?? "";
}

describe("D09 every door counts", () => {
  test("gRPC, gRPC-Web and Connect share what is counted", async () => {
    const { email: identifier } = await createUser(one.users);
    const clientAddress = newAddress();
    const doors = (["grpc", "grpc-web", "connect", "grpc", "grpc-web", "connect"] as const).map(
      (protocol) => {
        const { grpc, http } = one.server;
        return createClients({
          baseUrl: protocol === "grpc" ? grpc : http,
          protocol,
          credential: TOKENS.web,
        });
      },
    );
    const verdicts: string[] = [];
    for (const { auth } of doors)
      verdicts.push(await verdict(auth, { identifier, clientAddress, password: WRONG }));
    expect(verdicts).toEqual([...Array(3).fill("INVALID_CREDENTIALS"), ...Array(3).fill("RATE_LIMITED")]);
    for (const door of doors) door[Symbol.dispose]();
  });

  test("a user's name, written in any way, counts as one", async () => {
    const username = `orchard${newAddress().replaceAll(".", "")}`;
    await one.users.createUser({ email: `${username}@postern.test`, username, password: PASSWORD });
    const verdicts: Record<string, number>[] = [];
    for (const identifier of [username, username.toUpperCase(), username.replace("o", "O"), username]) {
      verdicts.push(await guessWrong(one.other, { identifier }, 1));
    }
    expect(verdicts).toEqual([...Array(3).fill({ INVALID_CREDENTIALS: 1 }), { RATE_LIMITED: 1 }]);
  });

  test("no other method reveals whether a password is right", async () => {
    const taking = [...AuthService.methods, ...AdminService.methods]
      .filter(({ input }) => input.fields.some(({ name }) => name.includes("password")))
      .map(({ name }) => name);
    expect(taking.sort()).toEqual(["CreateUser", "Login", "SetPassword"]);
    const { id, email } = await createUser(one.users);
    for (const password of [PASSWORD, WRONG]) {
      const { user } = await one.users.setPassword({ userId: id, password });
      expect(user).toMatchObject({ id, email });
    }
    for (const password of [PASSWORD, WRONG]) {
      await expect(one.users.createUser({ email, password })).rejects.toMatchObject({
        code: Code.AlreadyExists,
      });
    }
  });

  test("a session goes on while its user cannot log in, and refreshing gives no guess back", async () => {
    const { email: identifier } = await createUser(one.users);
    const { outcome } = await one.other.login({ identifier, password: PASSWORD });
    await guessWrong(one.other, { identifier }, 3);
    const { tokens } = await one.other.refresh({ refreshToken: outcome.value?.tokens?.refreshToken ?? "" });
    expect(await one.other.introspect({ token: tokens?.accessToken ?? "" })).toMatchObject({ active: true });
    expect(await verdict(one.other, { identifier })).toBe("RATE_LIMITED");
  });
});

describe("the setting", () => {
  test("each limit is the one that it names", async () => {
    const env = limitedTo("address=2/1h");
    await using server = await startServer({ databaseUrl: two.databaseUrl, env: { ...two.env, ...env } });
    using web = createClients({ baseUrl: server.http, credential: TOKENS.web });
    const clientAddress = newAddress();
    const { email: identifier } = await createUser(one.users);
    for (const name of ["a", "b"]) {
      expect(await guessWrong(web.auth, { identifier: name, clientAddress }, 1)).toEqual({
        INVALID_CREDENTIALS: 1,
      });
    }
    expect(await verdict(web.auth, { identifier, clientAddress })).toBe("RATE_LIMITED");
    expect(await guessWrong(web.auth, { identifier }, 12)).toEqual({ INVALID_CREDENTIALS: 12 });
  });

  test("all switched off: no login is refused", async () => {
    const env = limitedTo("account=off");
    await using server = await startServer({ databaseUrl: two.databaseUrl, env: { ...two.env, ...env } });
    using web = createClients({ baseUrl: server.http, credential: TOKENS.web });
    const { email: identifier } = await createUser(one.users);
    const outsider = { identifier, clientAddress: newAddress() };
    expect(await guessWrong(web.auth, outsider, 12)).toEqual({ INVALID_CREDENTIALS: 12 });
    const deviceToken = await knownDevice(web.auth, outsider);
    expect(await guessWrong(web.auth, { ...outsider, deviceToken }, 12)).toEqual({ INVALID_CREDENTIALS: 12 });
  });
});

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { LoginRequestSchema } from "@postern/proto/postern/auth/v1/auth_service_pb.js";
import {
  type ErrorDetail,
  ErrorDetailSchema,
  Reason,
} from "@postern/proto/postern/error/v1/error_detail_pb.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connectCode, frame, grpc, post, postJson, type WireAnswer } from "../support/clients/wire.ts";
import { guessWrong, limitedTo, verdict, WRONG } from "../support/load/guesses.ts";
import { createUser, PASSWORD } from "../support/people/people.ts";
import { TOKENS } from "../support/servers/server-process.ts";
import { type Replica, startTwoServers, type TwoServers } from "../support/servers/two-servers.ts";

const LOGIN = "/postern.auth.v1.AuthService/Login";
const authorization = `Bearer ${TOKENS.other}`;
const windowSeconds = 3_600;

let two: TwoServers;
let one: Replica;

beforeAll(async () => {
  two = await startTwoServers(limitedTo(`account=6/${windowSeconds}s`));
  one = two.a;
});
afterAll(() => two[Symbol.asyncDispose]());

/** Kinds of accounts that a client must not be able to distinguish. */
async function makePeople(name: string): Promise<ReadonlyMap<string, string>> {
  const disabled = await createUser(one.users);
  await one.users.disableUser({ userId: disabled.id });
  const without = { email: `${name}-without@postern.test`, username: `${name}-without` };
  await one.users.createUser(without);
  await one.users.createUser({
    email: `${name}@postern.test`,
    username: `${name}-known`,
    password: PASSWORD,
  });
  return new Map([
    ["known", (await createUser(one.users)).email],
    ["unknown", `${name}-nobody@postern.test`],
    ["disabled", disabled.email],
    ["without a password", without.email],
    ["known by name", `${name}-known`],
    ["unknown by name", `${name}-knows`],
    ["an impossible name", `${name}\u202e`],
  ]);
}

const protocols = ["connect", "grpc-web", "grpc"] as const;

async function ask(
  protocol: (typeof protocols)[number],
  identifier: string,
  password: string,
): Promise<WireAnswer> {
  const message = { identifier, password };
  const { grpc: grpcUrl, http } = one.server;
  if (protocol === "connect") return postJson(`${http}${LOGIN}`, TOKENS.other, JSON.stringify(message));
  const binary = frame(toBinary(LoginRequestSchema, create(LoginRequestSchema, message)));
  if (protocol === "grpc") return grpc(grpcUrl, LOGIN, { authorization }, binary);
  const headers = [
    ["content-type", "application/grpc-web+proto"],
    ["authorization", authorization],
  ] as const;
  return post(`${http}${LOGIN}`, headers, binary);
}

/** All of an answer but its time and its name. */
function exact({ status, headers, body }: WireAnswer): string {
  const { date, ...others } = headers;
  const text = JSON.stringify({ status, others, body: body.toString("latin1") });
  return text.replace(/(x-request-id[":\s]+)[0-9a-f-]{36}/, "$1");
}

/** Without the retry delays, and what depends on their lengths. */
function blurred(answer: WireAnswer): string {
  return exact(answer)
    .replace(/(retry-?after\W+)[\d.]+/gi, "$1")
    .replace(/"content-length":"\d+"/, "")
    .replace(encodedDetail, (_, name: string, encoded: string) => {
      const { at, detail } = detailIn(encoded);
      const before = Buffer.from(encoded, "base64").subarray(0, at).toString("latin1");
      // Only the text: the detail's lengths are between.
      const texts = before.match(/[ -~]{6,}/g) ?? [];
      return [name, ...texts, Reason[detail.reason], detail.retryAfter !== undefined].join(" ");
    })
    .replace(frameLength, "$1");
}

/** Of gRPC-Web's trailers: it comes before the first of them. */
const frameLength = /("body":")[^"]{1,30}?(?=grpc-)/;
const encodedDetail = /(value\\":\\"|grpc-status-details-bin[":\s]+)([\w+/]+=*)/;

/** The error's detail, and its start: it is the last field of a `google.rpc.Status`. */
function detailIn(encoded: string): { at: number; detail: ErrorDetail } {
  const bytes = Buffer.from(encoded, "base64");
  for (let at = 0; at < bytes.length; at++) {
    try {
      const detail = fromBinary(ErrorDetailSchema, bytes.subarray(at));
      if (detail.reason !== Reason.UNSPECIFIED && detail.$unknown === undefined) return { at, detail };
    } catch {
      // It does not begin here.
    }
  }
  throw new Error(`there is no detail in ${encoded}`);
}

/** The retry delay in seconds, in header and detail. */
function retryAfter(answer: WireAnswer): [header: number, detail: number] {
  const text = exact(answer);
  const { retryAfter: span } = detailIn(encodedDetail.exec(text)?.[2] ?? "").detail;
  return [Number(/retry-after\W+(\d+)/.exec(text)?.[1]), Number(span?.seconds) + Number(span?.nanos) / 1e9];
}

describe("known, unknown and disabled accounts are answered alike", () => {
  test.each(protocols)("by %s", async (protocol) => {
    const people = await makePeople(protocol);
    const startedAt = performance.now();
    const judged = new Set<string>();
    for (const [who, identifier] of people) {
      // Of one who is disabled the password is right.
      const password = who === "disabled" ? PASSWORD : WRONG;
      judged.add(exact(await ask(protocol, identifier, password)));
    }
    expect([...judged]).toHaveLength(1);
    expect([...judged][0]).toMatch(/unknown( |%20)user( |%20)or( |%20)wrong( |%20)password/);

    const refused = new Set<string>();
    for (const identifier of people.values()) {
      await guessWrong(one.other, { identifier }, 6);
      for (const password of [PASSWORD, WRONG]) {
        const answer = await ask(protocol, identifier, password);
        refused.add(blurred(answer));
        const elapsed = (performance.now() - startedAt) / 1000;
        for (const seconds of retryAfter(answer)) {
          expect(seconds).toBeGreaterThan(windowSeconds - elapsed - 60);
          expect(seconds).toBeLessThanOrEqual(windowSeconds);
        }
      }
    }
    expect([...refused]).toHaveLength(1);
    expect([...refused][0]).toContain("RATE_LIMITED true");
    expect([...refused]).not.toEqual([...judged]);
  });
});

describe("what is no login is refused before it is hashed or counted", () => {
  test("D11: a password of more than 1,024 bytes, by its bytes", async () => {
    const { email: identifier } = await createUser(one.users);
    for (const password of ["x".repeat(1_025), "é".repeat(513), "x".repeat(20_000), ""]) {
      for (let time = 0; time < 3; time++)
        expect(await verdict(one.other, { identifier, password })).toBe("INVALID_REQUEST");
    }
    const large = JSON.stringify({ identifier, password: "x".repeat(1024 * 1024) });
    expect(connectCode(await postJson(`${one.server.http}${LOGIN}`, TOKENS.other, large))).toBe(
      "resource_exhausted",
    );
    expect(await guessWrong(one.other, { identifier, password: "x".repeat(1_024) }, 7)).toEqual({
      INVALID_CREDENTIALS: 6,
      RATE_LIMITED: 1,
    });
  });

  test("D11: what is allowed is hashed whole: 129 characters, 1,024 bytes, spaces", async () => {
    for (const password of [
      "plum ".repeat(26).slice(0, 129),
      "orchard é".repeat(102),
      `plum${" ".repeat(20)}`,
    ]) {
      const email = `d11-${password.length}@postern.test`;
      await one.users.createUser({ email, password });
      expect(await verdict(one.other, { identifier: email, password })).toBe("answered");
      expect(await verdict(one.other, { identifier: email, password: password.slice(0, -1) })).toBe(
        "INVALID_CREDENTIALS",
      );
    }
  });

  test("D12: two passwords that share 72 bytes, or 1,000, are two", async () => {
    for (const shared of [72, 1_000]) {
      const email = `d12-${shared}@postern.test`;
      const start = "plum orchard ".repeat(80).slice(0, shared);
      await one.users.createUser({ email, password: `${start}bridge` });
      expect(await verdict(one.other, { identifier: email, password: `${start}bridge` })).toBe("answered");
      for (const end of ["", "b", "bridges", "Bridge"]) {
        expect(await verdict(one.other, { identifier: email, password: `${start}${end}` })).toBe(
          "INVALID_CREDENTIALS",
        );
      }
    }
  });
});

import type { DescMethodUnary, MessageInitShape } from "@bufbuild/protobuf";
import { AuthService } from "@postern/proto/postern/auth/v1/auth_service_pb.js";
import { parseId } from "../../services/auth/src/lib/type-id.ts";
import type { OpenedSession } from "../support/people/session-source.ts";
import type { BareName } from "./bare.ts";
import { password } from "./people.ts";
import type { System } from "./system.ts";
import { grpcFrameOf, jsonOf, type Protocol, pathOf } from "./wire-forms.ts";

/** What is called. */
export interface Method {
  readonly name: string;
  readonly path: string;
  /** Undefined: no RPC, but a GET. */
  readonly rpc: DescMethodUnary | undefined;
  /** What of the bare work one call cannot do without. */
  readonly contains: readonly BareName[];
  /** Calls from which to guess how many fill a round. */
  readonly firstCalls: number;
  /** Prepares what this number of calls needs. */
  plan(system: System, calls: number): Promise<Plan>;
}

/** Calls that can be made. */
export interface Plan {
  /** The messages of the calls in their order; the last is followed by the first. None: GETs. */
  readonly json: readonly string[];
  readonly grpc: readonly Buffer[];
  /**
   * To be asked once all calls were answered.
   * @throws {Error} where the database, or a client of the usual kind, knows otherwise
   */
  check(protocol: Protocol, calls: number): Promise<void>;
}

const tokens = new WeakMap<System, Promise<OpenedSession[]>>();
const sampleSize = 5;

const introspect: Method = {
  ...ofRpc(AuthService.method.introspect),
  contains: ["verify"],
  firstCalls: 400,
  async plan(system) {
    const made = tokens.get(system) ?? system.openSessions(system.people.length);
    tokens.set(system, made);
    const sessions = await made;
    return planOf(
      AuthService.method.introspect,
      sessions.map(({ accessToken }) => ({ token: accessToken })),
      // None that is found active now was not before.
      (protocol) => demandActive(system, protocol, sampleOf(sessions), true),
    );
  },
};

const refresh: Method = {
  ...ofRpc(AuthService.method.refresh),
  contains: ["sign", "group commit"],
  firstCalls: 200,
  async plan(system, calls) {
    const sessions = await system.openSessions(calls);
    const ids = sessions.map(({ id }) => parseId("ses", id));
    // A token younger than the grace is returned unchanged, and nothing is rotated.
    await system.query(
      "update postern.sessions set rotated_at = rotated_at - interval '1 hour' where id = any ($1::uuid[])",
      [ids],
    );
    return planOf(
      AuthService.method.refresh,
      sessions.map(({ refreshToken }) => ({ refreshToken })),
      async (protocol) => {
        const found = await countSessions(system, "generation = 1 and id = any ($1::uuid[])", [ids]);
        demandCount("sessions were refreshed once", calls, found);
        using client = system.client(protocol);
        const [one] = await system.openSessions(1);
        const answer = await client.auth.refresh({ refreshToken: one?.refreshToken ?? "" });
        const { accessToken = "" } = answer.tokens ?? {};
        await demandActive(system, protocol, [{ accessToken }], true);
      },
    );
  },
};

const login: Method = {
  ...ofRpc(AuthService.method.login),
  contains: ["argon2", "sign", "commit"],
  firstCalls: 40,
  async plan(system) {
    const before = await countSessions(system, "true");
    return planOf(
      AuthService.method.login,
      system.people.map(({ email }) => ({ identifier: email, password })),
      async (protocol, calls) => {
        demandCount("sessions were opened", calls, (await countSessions(system, "true")) - before);
        using client = system.client(protocol);
        const { outcome } = await client.auth.login({ identifier: system.people[0]?.email ?? "", password });
        const { accessToken = "" } = outcome.value?.tokens ?? {};
        await demandActive(system, protocol, [{ accessToken }], true);
      },
    );
  },
};

const revoke: Method = {
  ...ofRpc(AuthService.method.revoke),
  contains: ["commit"],
  firstCalls: 200,
  async plan(system, calls) {
    const sessions = await system.openSessions(calls);
    const ids = sessions.map(({ id }) => parseId("ses", id));
    return planOf(
      AuthService.method.revoke,
      sessions.map(({ id }) => ({ target: { case: "sessionId" as const, value: id } })),
      async (protocol) => {
        const found = await countSessions(system, "ended_by = 'revoked' and id = any ($1::uuid[])", [ids]);
        demandCount("sessions were revoked", calls, found);
        await demandActive(system, protocol, sampleOf(sessions), false);
      },
    );
  },
};

const jwks: Method = {
  name: "JWKS",
  path: "/.well-known/jwks.json",
  rpc: undefined,
  contains: [],
  firstCalls: 1_000,
  plan: async ({ server }) => ({
    json: [],
    grpc: [],
    async check() {
      const { keys } = (await (await fetch(`${server.urls.http}${jwks.path}`)).json()) as { keys: unknown[] };
      if (keys.length === 0) throw new Error("the key set is empty");
    },
  }),
};

/** In the order of the report. */
export const methods = { introspect, refresh, login, revoke, jwks };

function ofRpc(rpc: DescMethodUnary): Pick<Method, "name" | "path" | "rpc"> {
  return { name: rpc.name, path: pathOf(rpc), rpc };
}

function planOf<M extends DescMethodUnary>(
  method: M,
  messages: readonly MessageInitShape<M["input"]>[],
  check: Plan["check"],
): Plan {
  return {
    json: messages.map((message) => jsonOf(method, message)),
    grpc: messages.map((message) => grpcFrameOf(method, message)),
    check,
  };
}

/** Some from the beginning, the middle and the end. */
function sampleOf<T>(all: readonly T[]): T[] {
  const step = Math.max(1, (all.length - 1) / (sampleSize - 1));
  return all.filter((_, index) => index % Math.floor(step) === 0).slice(0, sampleSize);
}

async function demandActive(
  system: System,
  protocol: Protocol,
  shown: readonly Pick<OpenedSession, "accessToken">[],
  expected: boolean,
): Promise<void> {
  using client = system.client(protocol);
  for (const { accessToken } of shown) {
    const { active } = await client.auth.introspect({ token: accessToken });
    if (active !== expected) throw new Error(`a token is ${active ? "" : "not "}active after all`);
  }
}

async function countSessions(
  system: System,
  condition: string,
  values: readonly unknown[] = [],
): Promise<number> {
  const sql = `select count(*) as count from postern.sessions where ${condition}`;
  return Number((await system.query(sql, values))[0]?.["count"]);
}

function demandCount(what: string, expected: number, found: number): void {
  if (found !== expected) throw new Error(`${found} of ${expected} ${what}`);
}

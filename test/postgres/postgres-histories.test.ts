import { create, toBinary } from "@bufbuild/protobuf";
import { ErrorDetailSchema, Reason } from "@postern/proto/postern/error/v1/error_detail_pb.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { HttpAnswer } from "../support/load/http-connection.ts";
import { type Lie, startLyingProxy } from "../support/load/lying-proxy.ts";
import { type MixedLoadOptions, startMixedLoad } from "../support/load/mixed-load.ts";
import { describeReport, faultsOf, type LoadReport } from "../support/load/report.ts";
import { scaled } from "../support/run/scale.ts";
import { startServer } from "../support/servers/server-process.ts";
import { startTwoServers, type TwoServers } from "../support/servers/two-servers.ts";

const hour = { POSTERN_ACCESS_TTL: "1h" };

/** Operations under a fault: 400 find each of the planted ones in 99.9 % of runs. */
const operations = (count: number, atLeast = 400) => scaled(count, { atLeast });
/** Each session costs a dozen calls when the load ends, so there are only as many as keep the lanes busy. */
const sessions = scaled(240, { atLeast: 60 });

test("C04 N02: no operation has a wrong answer while connections are cut, a server is killed and a server is restarted", {
  timeout: 300_000,
}, async ({ annotate }) => {
  // So short that sessions rotate again and again.
  await using two = await startTwoServers({ ...hour, POSTERN_REFRESH_GRACE: "3s" });
  let b = two.b.server;
  const startB = async () => {
    b = await startServer({ databaseUrl: two.databaseUrl, env: two.env });
  };
  await using load = await startMixedLoad(two, {
    urls: [() => two.a.server.http, () => b.http],
    lanes: scaled(32, { atLeast: 16 }),
    users: sessions / 4,
    sessions,
    // Frequent enough that both occur, even with the fewest operations, in all but about one run of 3,000.
    weights: { login: 0.5, revokeUser: 0.5 },
  });
  await using _ = { [Symbol.asyncDispose]: async () => void (await b.stop()) };

  const cut = () =>
    two.query(`select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and application_name like 'postern%'`);
  let requested = 0;
  const more = (count: number, atLeast?: number) => {
    requested += operations(count, atLeast);
    return load.more(operations(count, atLeast));
  };
  await more(3_000, 100);
  for (let times = 0; times < 5; times++) {
    expect((await cut()).length).toBeGreaterThan(0);
    await more(400, 100);
  }
  await b.kill9();
  await more(500);
  await startB();
  await more(10_500);
  await Promise.all([b.stop(), more(500)]);
  await startB();
  await more(3_500);

  const report = await load.finish();
  await annotate(describeReport(report));
  expect(faultsOf(report)).toEqual([]);
  expect(report.checked).toBeGreaterThan(requested);
  for (const one of [
    "login: opened",
    "revoke token: answered",
    "revoke session: answered",
    "revoke user: answered",
  ]) {
    expect(report.outcomes[one], one).toBeGreaterThan(0);
  }
  expect(report.outcomes["refresh with rotation: granted"]).toBeGreaterThan(scaled(100, { atLeast: 20 }));
  expect(report.verified.living).toBeGreaterThan(scaled(100, { atLeast: 20 }));
  expect(report.verified.dead).toBeGreaterThan(scaled(100, { atLeast: 20 }));
});

/** A Connect error as the server would frame it. */
function refusal(reason: Reason): HttpAnswer {
  const value = Buffer.from(toBinary(ErrorDetailSchema, create(ErrorDetailSchema, { reason })));
  const details = [{ type: ErrorDetailSchema.typeName, value: value.toString("base64") }];
  return { status: 401, body: JSON.stringify({ code: "unauthenticated", details }) };
}

/** Changes every n-th call of a method. */
function everyNth(nth: number, of: string, answer: () => HttpAnswer | undefined): () => Lie {
  return () => {
    let count = 0;
    return async ({ method }, ask) => {
      if (method !== of) return ask();
      count += 1;
      return count % nth === 0 ? answer() : ask();
    };
  };
}

/** Caches active tokens without an expiry. */
function staleCache(): Lie {
  const known = new Map<string, HttpAnswer>();
  return async ({ method, body }, ask) => {
    const cached = method === "Introspect" ? known.get(body) : undefined;
    if (cached) return cached;
    const answer = await ask();
    if (method === "Introspect" && answer.body.includes('"active":true')) known.set(body, answer);
    return answer;
  };
}

interface Planted {
  readonly name: string;
  readonly lie: () => Lie;
  /** The field of a report that shows the fault. */
  readonly shows: (report: LoadReport) => readonly unknown[];
  readonly options?: MixedLoadOptions;
}

const planted: readonly Planted[] = [
  {
    name: "a replica that goes by what it knew before a Revoke",
    lie: staleCache,
    shows: ({ violations }) => violations.filter(({ rule }) => rule !== "unfounded"),
  },
  {
    name: "a replica that finds living tokens inactive",
    lie: everyNth(7, "Introspect", () => ({ status: 200, body: "{}" })),
    shows: ({ violations }) => violations.filter(({ rule }) => rule !== "revoked"),
  },
  {
    name: "a Revoke that is answered and not carried out",
    lie: everyNth(5, "Revoke", () => ({ status: 200, body: '{"sequence":"1"}' })),
    shows: ({ violations, wrong }) => (violations.length > 0 ? [...violations, ...wrong] : []),
  },
  {
    name: "a living session refused",
    lie: everyNth(10, "Refresh", () => refusal(Reason.SESSION_ENDED)),
    shows: ({ lost }) => lost,
  },
  {
    name: "an impossible refusal",
    lie: everyNth(10, "Refresh", () => refusal(Reason.INTERNAL)),
    shows: ({ wrong }) => wrong,
  },
  {
    name: "a call that is never answered",
    lie: everyNth(60, "Introspect", () => undefined),
    shows: ({ pastDeadline }) => pastDeadline,
    options: { deadlineMs: 1_000, slackMs: 1_000 },
  },
];

describe("a planted fault is caught:", () => {
  let two: TwoServers;
  beforeAll(async () => {
    two = await startTwoServers(hour);
  });
  afterAll(() => two?.[Symbol.asyncDispose]());

  test.for(planted)("$name", { timeout: 60_000 }, async ({ lie, shows, options }, { annotate }) => {
    await using proxy = await startLyingProxy(two.b.server.http, lie());
    await using load = await startMixedLoad(two, {
      urls: [() => two.a.server.http, () => proxy.url],
      lanes: 8,
      users: 10,
      sessions: 40,
      ...options,
    });
    await load.more(scaled(800, { atLeast: 400 }));
    proxy.restore();
    const report = await load.finish();
    const { violations, wrong, lost, pastDeadline } = report;
    await annotate(`${describeReport(report)}\n${faultsOf(report).join("\n")}`);
    expect(shows(report)).not.toEqual([]);
    expect([...violations, ...wrong, ...lost, ...pastDeadline]).toHaveLength(shows(report).length);
  });
});

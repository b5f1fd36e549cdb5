import { create } from "@bufbuild/protobuf";
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createClients, type Protocol, reasonOf } from "../support/clients/clients.ts";
import { connectCode, connectReason, postJson } from "../support/clients/wire.ts";
import { createDatabase, type TestDatabase } from "../support/postgres/database.ts";
import { type ServerProcess, startServer, TOKENS } from "../support/servers/server-process.ts";

let database: TestDatabase;
let server: ServerProcess;

beforeAll(async () => {
  database = await createDatabase();
  server = await startServer({ databaseUrl: database.url });
});

afterAll(async () => {
  await server?.stop();
  await database?.drop();
});

describe("a time in a request for the audit", () => {
  const ask = async (field: "since" | "until", seconds: bigint, nanos: number, protocol: Protocol) => {
    const baseUrl = protocol === "grpc" ? server.grpc : server.http;
    using clients = createClients({ baseUrl, protocol, credential: TOKENS.admin });
    const time = create(TimestampSchema, { seconds, nanos });
    return await clients.admin.listAuditEvents({ [field]: time, pageSize: 1 }).then(() => "OK", reasonOf);
  };
  // 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z (google/protobuf/timestamp.proto).
  const [first, last] = [-62_135_596_800n, 253_402_300_799n];

  test.each([
    ["the year -5952", -250_000_000_000n, 0],
    ["the year 0", first - 1n, 0],
    ["the year 0, to the nanosecond", first - 1n, 999_999_999],
    ["the year 10,000", last + 1n, 0],
    ["the year 200,000", 6_249_223_123_200n, 0],
    ["the largest number of seconds", 2n ** 63n - 1n, 0],
    ["the smallest number of seconds", -(2n ** 63n), 0],
    ["negative nanoseconds", 1_700_000_000n, -1],
    ["one billion nanoseconds", 1_700_000_000n, 1_000_000_000],
    ["the largest number of nanoseconds", 1_700_000_000n, 2_147_483_647],
  ])("that is %s is refused", async (_, seconds, nanos) => {
    for (const field of ["since", "until"] as const) {
      for (const protocol of ["grpc", "grpc-web", "connect-binary"] as const) {
        expect(await ask(field, seconds, nanos, protocol)).toBe("INVALID_REQUEST");
      }
    }
  });

  test.each([
    ["the first", first, 0],
    ["the last", last, 999_999_999],
    ["the last before 1970", -1n, 999_999_999],
  ])("that is %s is accepted", async (_, seconds, nanos) => {
    for (const field of ["since", "until"] as const) {
      for (const protocol of ["grpc", "connect"] as const) {
        expect(await ask(field, seconds, nanos, protocol)).toBe("OK");
      }
    }
  });

  test.each(["0000-12-31T23:59:59Z", "10000-01-01T00:00:00Z", "2026-01-01", "2026-01-01T00:00:00", ""])(
    "%j in JSON is refused",
    async (time) => {
      const answer = await postJson(
        `${server.http}/postern.admin.v1.AdminService/ListAuditEvents`,
        TOKENS.admin,
        JSON.stringify({ since: time }),
      );
      expect([connectCode(answer), connectReason(answer)]).toEqual(["invalid_argument", "INVALID_REQUEST"]);
    },
  );
});

test("an invented page token or cursor is refused, or is a valid position", async () => {
  using clients = createClients({ baseUrl: server.grpc, protocol: "grpc", credential: TOKENS.admin });
  const places = ["00", "7f", "80", "ff"].map((byte) => Buffer.from(byte.repeat(16), "hex"));
  for (const pageToken of places.map((place) => place.toString("base64url"))) {
    const pages = [
      clients.admin.listUsers({ pageToken }),
      clients.admin.listAuditEvents({ pageToken }),
      clients.admin.listAuditEvents({ pageToken, oldestFirst: true }),
    ];
    for (const page of pages) expect(await page.then(() => "OK", reasonOf)).toMatch(/^OK$|^INVALID_REQUEST$/);
  }
  for (const number of ["9999999999999999", "99999999999999999999", "-1", "1e3"]) {
    const watch = async () => {
      for await (const _ of clients.auth.watchRevocations({ cursor: `rev_${"7".repeat(26)}.${number}` }))
        return "OK";
      return "nothing";
    };
    expect(await watch().catch(reasonOf)).toMatch(/^CURSOR_TOO_OLD$|^INVALID_REQUEST$/);
  }
  for (const pageSize of [1_001, 2 ** 32 - 1]) {
    expect(await clients.admin.listAuditEvents({ pageSize }).then(() => "OK", reasonOf)).toBe(
      "INVALID_REQUEST",
    );
  }
});

import { randomBytes } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  connectCode,
  frame,
  grpc,
  grpcStatus,
  introspectRequest,
  postJson,
} from "../support/clients/wire.ts";
import { each } from "../support/each.ts";
import { createDatabase, type TestDatabase } from "../support/postgres/database.ts";
import { type ServerProcess, startServer, TOKENS } from "../support/servers/server-process.ts";

const INTROSPECT = "/postern.auth.v1.AuthService/Introspect";
const megabyte = 1024 * 1024;
/** Messages of each kind, so many at once. */
const count = 64;
const atOnce = 16;
/** What a bomb holds when it is unpacked; were it unpacked, so many at once would show. */
const bombBytes = 40 * megabyte;
/** More than as many ordinary messages take, by how much they differ among themselves: half of one bomb unpacked. */
const slack = bombBytes / 2;

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

/** Bytes of memory that the server had at most while `work` was done, above those it had before. */
async function peakAbove(work: () => Promise<unknown>): Promise<number> {
  // 5 resets the peak (proc(5)).
  await writeFile(`/proc/${server.pid}/clear_refs`, "5");
  const before = await memory("VmRSS");
  await work();
  return (await memory("VmHWM")) - before;
}

async function memory(field: "VmRSS" | "VmHWM"): Promise<number> {
  const status = await readFile(`/proc/${server.pid}/status`, "utf8");
  return Number(new RegExp(`^${field}:\\s*(\\d+) kB$`, "m").exec(status)?.[1]) * 1024;
}

/** The code of the answer; none without an error. */
async function byConnect(body: Uint8Array): Promise<string | undefined> {
  const headers = [["content-encoding", "gzip"] as const];
  return connectCode(await postJson(`${server.http}${INTROSPECT}`, TOKENS.web, body, headers));
}
async function byGrpc(message: Uint8Array): Promise<string | undefined> {
  const headers = { authorization: `Bearer ${TOKENS.web}`, "grpc-encoding": "gzip" };
  const answer = await grpc(server.grpc, INTROSPECT, headers, frame(message, true));
  return { 0: undefined, 3: "invalid_argument", 8: "resource_exhausted" }[grpcStatus(answer)];
}

/** As long as the bombs on the wire, and not much longer unpacked. */
const plainToken = randomBytes(30_000).toString("base64");
const kinds = [
  {
    protocol: "Connect",
    call: byConnect,
    plain: gzipSync(JSON.stringify({ token: plainToken })),
    bombs: {
      "a bomb": gzipSync(JSON.stringify({ token: "a".repeat(bombBytes) })),
      "one in another": gzipSync(gzipSync(Buffer.alloc(bombBytes))),
    },
  },
  {
    protocol: "gRPC",
    call: byGrpc,
    plain: gzipSync(introspectRequest(plainToken)),
    bombs: { "a bomb": gzipSync(introspectRequest("a".repeat(bombBytes))) },
  },
];

describe.runIf(process.platform === "linux")("L02 a message that unpacks to 1,000 times its size", () => {
  test.for(kinds)(
    "by $protocol uses no more memory than one that does not",
    async ({ call, plain, bombs }, { annotate }) => {
      const many = (body: Uint8Array) => each(Array(count).fill(body), atOnce, call);
      // The growth by this many calls does not come from the bombs.
      for (const body of [plain, ...Object.values(bombs)]) await many(body);
      const most = await peakAbove(() => many(plain));
      for (const [name, bomb] of Object.entries(bombs)) {
        const peak = await peakAbove(async () => {
          for (const code of await many(bomb))
            expect(["resource_exhausted", "invalid_argument"]).toContain(code);
        });
        await annotate(`${name}: ${mb(peak)}, an ordinary message as long: ${mb(most)}`);
        expect(peak).toBeLessThan(most + slack);
      }
    },
  );
});

function mb(bytes: number): string {
  return `${(bytes / megabyte).toFixed(1)} MiB`;
}

import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { type CallOptions, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { AuthService } from "@postern/proto/postern/auth/v1/auth_service_pb.js";
import type { Revocation } from "@postern/proto/postern/auth/v1/revocation_pb.js";
import { ErrorDetailSchema, Reason } from "@postern/proto/postern/error/v1/error_detail_pb.js";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { createCalls } from "../../call/calls.ts";
import type { FinishedCall } from "../../call/finished-call.ts";
import type { Caller } from "../../domain/caller/caller.ts";
import type { Permission } from "../../domain/caller/permission.ts";
import { AuthError } from "../../domain/errors.ts";
import type { LogEntry } from "../../domain/ports/revocation-log.ts";
import { createRevocationBroadcaster } from "../../domain/revocation/revocation-broadcaster.ts";
import { createPathRouter } from "../../lib/path-router.ts";
import { encodeEntry } from "../convert/revocation.ts";
import { createRpcHandlers } from "../rpc-handlers.ts";
import { createUnknownCallHandler } from "../unknown-call.ts";
import { type AuthMethodDeps, createAuthMethods } from "./auth.ts";

const path = `/${AuthService.typeName}/WatchRevocations`;
const idOf = (seq: number) => `00000000-0000-7000-8000-${String(seq).padStart(12, "0")}`;

/** The service behind a real listener, over a log kept by hand, on a clock that the test moves. */
async function open() {
  const clock = { ms: 0 };
  const caller = { refusal: undefined as AuthError | undefined };
  const closing = new AbortController();
  const finished: FinishedCall[] = [];
  const log: LogEntry[] = [];
  let known = 0;
  const broadcaster = createRevocationBroadcaster(encodeEntry);
  function read(): void {
    const head = { seq: log.length, tail: idOf(log.length) };
    const asOf = new Date(1_000_000 + clock.ms);
    broadcaster.append({ head, asOf, keysVersion: "k0", entries: log.slice(known) });
    known = log.length;
  }
  broadcaster.replace({ head: { seq: 0, tail: idOf(0) }, asOf: new Date(), keysVersion: "k0", entries: [] });
  const deps = {
    knownRevocations: { watch: broadcaster.join, readNow: async () => read() },
    keyRing: { version: "k0", publicKeys: [] },
    monotonicMs: () => clock.ms,
    random: () => 0.5,
    closing: closing.signal,
  };
  const calls = createCalls({
    async authenticate(authorization) {
      if (caller.refusal !== undefined) throw caller.refusal;
      const permission = authorization?.slice("Bearer ".length) as Permission;
      return { name: "reader", permissions: new Set([permission]) } as unknown as Caller;
    },
    isOverloaded: () => false,
    onAccepted() {},
    onFinished: (call) => finished.push(call),
    onShed() {},
  });
  const newRequestId = () => "request";
  const methods = createAuthMethods(deps as unknown as AuthMethodDeps);
  const handlers = createRpcHandlers({ methods, calls, newRequestId, onFault() {} });
  const router = createPathRouter(handlers, createUnknownCallHandler(newRequestId));
  const server = createServer(router).listen(0, "127.0.0.1");
  await once(server, "listening");
  const sockets = new Set<Socket>();
  server.on("connection", (socket) => sockets.add(socket));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const options = { baseUrl, httpVersion: "1.1" as const };
  const transports = {
    json: createConnectTransport({ ...options, useBinaryFormat: false }),
    binary: createConnectTransport({ ...options, useBinaryFormat: true }),
    "grpc-web": createGrpcWebTransport(options),
  };
  return {
    baseUrl,
    clock,
    caller,
    closing,
    finished,
    broadcaster,
    read,
    breakConnections(): void {
      for (const socket of sockets) socket.destroy();
    },
    revoke(clientId: string): void {
      const seq = log.length + 1;
      const target = { kind: "client", id: clientId } as const;
      log.push({ seq, id: idOf(seq), previousId: idOf(seq - 1), target, forgetAfterMs: 9e12 });
      read();
    },
    watch(by: keyof typeof transports = "json", cursor = "", more: CallOptions = {}) {
      const headers = { authorization: "Bearer watch", ...more.headers };
      const messages = createClient(AuthService, transports[by]).watchRevocations(
        { cursor },
        { ...more, headers },
      );
      return messages[Symbol.asyncIterator]();
    },
  };
}

const outcomes = (finished: readonly FinishedCall[]) =>
  finished.map(({ error }) => (error instanceof AuthError ? error.reason : error));
const reasonOf = (error: unknown) =>
  Reason[ConnectError.from(error).findDetails(ErrorDetailSchema)[0]?.reason ?? 0];

describe("WatchRevocations", () => {
  test.each(["json", "binary", "grpc-web"] as const)("by %s sends entries as they come", async (by) => {
    const server = await open();
    server.revoke("before");
    const stream = server.watch(by);
    const first = (await stream.next()).value;
    expect(first).toMatchObject({
      revocations: [{ sequence: 1n, target: { case: "clientId", value: "before" } }],
      keys: { jwks: '{"keys":[]}' },
      checkpoint: { asOf: { seconds: 1_000n }, maxStaleness: { seconds: 10n }, sequence: 1n },
    });
    server.revoke("after");
    const second = (await stream.next()).value;
    expect(second?.revocations.map(({ target }: Revocation) => target.value)).toEqual(["after"]);
    const again = server.watch(by, first?.cursor);
    expect((await again.next()).value?.cursor).toBe(second?.cursor);
    server.closing.abort();
    expect([(await stream.next()).done, (await again.next()).done]).toEqual([true, true]);
    expect(outcomes(server.finished)).toEqual([undefined, undefined]);
    expect(server.broadcaster.watchers).toBe(0);
  });

  test.each(["json", "binary", "grpc-web"] as const)(
    "by %s is over with its connection, also where an update was being written at that moment",
    async (by) => {
      const server = await open();
      const [quiet, written] = [server.watch(by), server.watch(by)];
      await quiet.next();
      await written.next();
      server.breakConnections();
      // Node has not reported it yet.
      server.revoke("one");
      await expect(quiet.next()).rejects.toThrow();
      await expect(written.next()).rejects.toThrow();
      await vi.waitFor(() => expect(server.broadcaster.watchers).toBe(0), 20_000);
      expect(server.finished).toHaveLength(2);
    },
  );

  test("of a caller whose credential has expired ends with INVALID_CLIENT, and is reported once", async () => {
    const server = await open();
    const stream = server.watch();
    await stream.next();
    server.caller.refusal = new AuthError("INVALID_CLIENT");
    server.revoke("one");
    expect((await stream.next()).value?.revocations).toHaveLength(1);
    server.clock.ms = 30_000;
    server.revoke("two");
    expect(await stream.next().catch(reasonOf)).toBe("INVALID_CLIENT");
    expect(outcomes(server.finished)).toEqual(["INVALID_CLIENT"]);
  });

  test("of a caller that has lost the permission ends with NOT_PERMITTED", async () => {
    const server = await open();
    const stream = server.watch();
    await stream.next();
    server.caller.refusal = new AuthError("NOT_PERMITTED");
    server.clock.ms = 30_000;
    server.read();
    expect(await stream.next().catch(reasonOf)).toBe("NOT_PERMITTED");
  });

  test("continues while the caller's permission cannot be checked", async () => {
    const server = await open();
    const stream = server.watch();
    await stream.next();
    server.caller.refusal = new AuthError("UNAVAILABLE");
    server.clock.ms = 30_000;
    server.revoke("one");
    expect((await stream.next()).value?.revocations).toHaveLength(1);
  });

  test("that is refused is reported once, with its reason", async () => {
    const server = await open();
    server.caller.refusal = new AuthError("INVALID_CLIENT");
    expect(await server.watch().next().catch(reasonOf)).toBe("INVALID_CLIENT");
    server.caller.refusal = undefined;
    const other = server.watch("binary", "", { headers: { authorization: "Bearer login" } });
    expect(await other.next().catch(reasonOf)).toBe("NOT_PERMITTED");
    expect(outcomes(server.finished)).toEqual(["INVALID_CLIENT", "NOT_PERMITTED"]);
  });

  test.each([
    ["JSON that is none", "application/connect+json", "{"],
    ["JSON of another type", "application/connect+json", '{"cursor":["s3cr3t"]}'],
    ["binary that ends early", "application/connect+proto", "\x0a\x32s3cr3t"],
    ["binary that is not UTF-8, by gRPC-Web", "application/grpc-web+proto", "\x0a\x02\xc3\x28"],
  ])(
    "of %s is INVALID_REQUEST, reported once, and the answer repeats nothing of it",
    async (_, type, message) => {
      const server = await open();
      const head = Buffer.alloc(5);
      head.writeUInt32BE(message.length, 1);
      const answer = await fetch(server.baseUrl + path, {
        method: "POST",
        headers: { "content-type": type, authorization: "Bearer watch" },
        body: Buffer.concat([head, Buffer.from(message, "latin1")]),
      });
      const text = await answer.text();
      expect(text).toMatch(/invalid_argument|grpc-status: 3/);
      expect(text).toContain("WatchRevocationsRequest");
      expect(text).not.toContain("s3cr3t");
      expect(outcomes(server.finished)).toEqual(["INVALID_REQUEST"]);
    },
  );

  test.each([
    ["of another server", "x", "call again without one"],
    ["too long", "x".repeat(129), "128 characters"],
    ["with a NUL", "\0", "U+0000"],
  ])("from a cursor that is %s is INVALID_REQUEST, and says why", async (_, cursor, why) => {
    const server = await open();
    const error = await server
      .watch("json", cursor)
      .next()
      .catch((thrown: unknown) => thrown);
    expect([reasonOf(error), String(error)]).toEqual(["INVALID_REQUEST", expect.stringContaining(why)]);
  });

  test("from an entry that is unknown is CURSOR_TOO_OLD", async () => {
    const server = await open();
    const cursor = "rev_00000000000000000000000007.7";
    expect(await server.watch("grpc-web", cursor).next().catch(reasonOf)).toBe("CURSOR_TOO_OLD");
    expect(outcomes(server.finished)).toEqual(["CURSOR_TOO_OLD"]);
  });
});

describe("L09: deadlines of a stream", () => {
  test.each([
    ["json", { "connect-timeout-ms": "9999999999" }],
    ["grpc-web", { "grpc-timeout": "99999999H" }],
  ] as const)("by %s: one that no timer can count is none", async (by, headers) => {
    const server = await open();
    const stream = server.watch(by, "", { headers });
    await stream.next();
    server.revoke("one");
    expect((await stream.next()).value?.revocations).toHaveLength(1);
    expect(server.finished).toEqual([]);
  });

  test("one that is short ends it", async () => {
    const server = await open();
    const stream = server.watch("json", "", { headers: { "connect-timeout-ms": "50" } });
    await stream.next();
    expect(await stream.next()).toMatchObject({ done: true });
    expect(server.broadcaster.watchers).toBe(0);
  });
});

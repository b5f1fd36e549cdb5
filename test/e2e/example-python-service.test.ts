import { execFileSync, spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { decodeJwt, exportJWK, generateKeyPair, SignJWT } from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createTestIssuer } from "../../services/client/src/testing/index.ts";
import { startTcpProxy } from "../support/faults/tcp-proxy.ts";
import { poll } from "../support/poll.ts";
import { freePort } from "../support/ports.ts";
import { TOKENS } from "../support/servers/server-process.ts";
import { run } from "./packed-client.ts";
import { startSite } from "./protected-site.ts";
import { startScriptedFeed } from "./scripted-feed.ts";
import { type ServiceProcess, startService } from "./service-process.ts";

const EXAMPLE = `${import.meta.dirname}/../../examples/python-service`;
const PYTHON = "/usr/bin/python3";

const isThere = (() => {
  try {
    execFileSync(PYTHON, ["-c", "import grpc, google.protobuf, jwt, cryptography"], { stdio: "ignore" });
    execFileSync("protoc", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
})();
const packages = "python3-grpcio, python3-protobuf, python3-jwt, python3-cryptography and protobuf-compiler";

describe.skipIf(!isThere)(
  `examples/python-service (skipped without Debian's ${packages})`,
  { timeout: 180_000 },
  () => {
    let stubs: string;
    beforeAll(async () => {
      stubs = await mkdtemp(join(tmpdir(), "postern-stubs-"));
      await run("sh", [join(EXAMPLE, "stubs.sh"), stubs], {});
    }, 600_000);
    afterAll(() => rm(stubs, { recursive: true }));

    async function start(env: Readonly<Record<string, string>>): Promise<ServiceProcess> {
      const port = await freePort();
      const paths = { PYTHONPATH: stubs, PYTHONDONTWRITEBYTECODE: "1" };
      return startService({
        command: PYTHON,
        args: ["service.py"],
        cwd: EXAMPLE,
        port,
        env: { ...paths, TOKEN: TOKENS.admin, PORT: String(port), ...env },
      });
    }

    const becomes = (service: ServiceProcess, token: string, wanted: number) =>
      poll(`the answer is ${wanted}`, 60_000, async () => {
        const status = await service.status("/", token);
        if (status !== wanted) throw new Error(`the answer is ${status}; output: ${service.output()}`);
        return true;
      });

    test("lets a token in until it, or its user, is revoked", async () => {
      await using site = await startSite();
      const grpc = new URL(site.server.grpc);
      await using proxy = await startTcpProxy({ host: grpc.hostname, port: Number(grpc.port) });
      await using service = await start({ POSTERN_GRPC: `127.0.0.1:${proxy.port}`, ISSUER: site.issuer });
      const [one, two, three] = await Promise.all([site.tokens(), site.tokens(), site.tokens()]);
      await becomes(service, one.accessToken, 200);
      expect(await service.status("/")).toBe(401);
      expect(await service.status("/", one.accessToken.slice(0, -1))).toBe(401);
      expect(await service.status("/", one.refreshToken)).toBe(401);

      await site.auth.revoke({ target: { case: "token", value: one.accessToken } });
      await becomes(service, one.accessToken, 401);
      await site.auth.revoke({ target: { case: "userId", value: two.userId } });
      await becomes(service, two.accessToken, 401);
      expect(await service.status("/", three.accessToken)).toBe(200);

      // The network drops everything: there is no verdict, and the service connects again by itself.
      const { taken } = proxy;
      proxy.hold();
      await becomes(service, three.accessToken, 503);
      await poll("a new connection", 60_000, async () => (proxy.taken > taken ? true : undefined));
      proxy.restore();
      await becomes(service, three.accessToken, 200);
      expect(await service.status("/", one.accessToken)).toBe(401);
    });

    const python = (code: string) =>
      spawnSync(PYTHON, ["-c", code], {
        cwd: EXAMPLE,
        encoding: "utf8",
        env: { PATH: process.env["PATH"], PYTHONPATH: stubs, PYTHONDONTWRITEBYTECODE: "1" },
      });

    test("counts time while the machine is suspended, and subtracts none if the clock is set back", () => {
      const { stdout, stderr } = python(`
import time
import verifier
mono, wall = 0.0, 1_790_000_000.0
time.monotonic, time.time = lambda: mono, lambda: wall
clock = verifier.Clock()
def passed(by_mono, by_wall):
    global mono, wall
    before = clock.now()
    mono, wall = mono + by_mono, wall + by_wall
    return clock.now() - before
print(passed(0, 3600), passed(0, -7200), passed(5, 5), passed(0, 3600))
`);
      expect([stdout.trim(), stderr]).toEqual(["3600.0 0.0 5.0 3600.0", ""]);
    });

    test("refuses a secret token that cannot be sent in a header, and does not repeat it", () => {
      const made = 'verifier.Verifier("127.0.0.1:1", "hush" + chr(10) + "hush", "a", "b")';
      const { stdout } = python(`
import verifier
try:
    ${made}
except ValueError as error:
    print(error)
`);
      expect(stdout).toContain("the secret token must be printable ASCII");
      expect(stdout).not.toContain("hush");
    });

    test("follows the rules of the stream, with any time in the database", async () => {
      await using issuer = await createTestIssuer();
      const { publicKey, privateKey } = await generateKeyPair("ES256");
      const mine = { ...(await exportJWK(publicKey)), kid: "key_mine", alg: "ES256" };
      const answer = await fetch(`${issuer.url}/.well-known/jwks.json`);
      const published = (await answer.json()) as { keys: object[] };
      const jwks = JSON.stringify({ keys: [...published.keys, mine] });
      await using feed = await startScriptedFeed();
      await using service = await start({
        POSTERN_GRPC: `127.0.0.1:${feed.port}`,
        ISSUER: issuer.url,
        AUDIENCE: "test",
      });
      const [sessionId, otherSessionId] = [issuer.newId("ses"), issuer.newId("ses")];
      const subject = issuer.newId("usr");
      const revoked = await issuer.token({ sessionId });
      const other = await issuer.token({ sessionId: otherSessionId });
      const good = await issuer.token({ subject, claims: { rev: 1 } });
      const status = (token: string) => service.status("/", token);

      const hour = 3_600_000;
      // Two hours behind all others.
      const asOf = () => timestampFromMs(Date.now() - 2 * hour);
      const forgetAfter = timestampFromMs(Date.now() + 2 * hour);
      const checkpoint = (sequence: bigint, staleMs = hour) => ({
        checkpoint: { asOf: asOf(), maxStaleness: durationFromMs(staleMs), sequence },
      });
      const bySession = (value: string) => {
        const target = { case: "sessionId" as const, value };
        return { sequence: 1n, forgetAfter, target };
      };

      // Before the first checkpoint it says nothing.
      const first = await feed.call(0);
      expect([first.cursor, first.authorization]).toEqual(["", `Bearer ${TOKENS.admin}`]);
      first.send({ keys: { jwks }, revocations: [bySession(sessionId)], cursor: "c1" });
      expect(await status(good)).toBe(503);
      first.send({ ...checkpoint(1n), cursor: "c1" });
      await becomes(service, good, 200);
      expect(await status(revoked)).toBe(401);

      // It goes on with its cursor; refused, it starts over and keeps what it knows until the first checkpoint.
      first.end();
      const second = await feed.call(1);
      expect(second.cursor).toBe("c1");
      second.end(new ConnectError("unknown", Code.OutOfRange));
      const third = await feed.call(2);
      expect(third.cursor).toBe("");
      third.send({ keys: { jwks }, revocations: [bySession(otherSessionId)], cursor: "c2" });
      third.end();
      const fourth = await feed.call(3);
      expect(fourth.cursor).toBe("c2");
      expect([await status(revoked), await status(other)]).toEqual([401, 200]);
      fourth.send({ ...checkpoint(1n), cursor: "c2" });
      await becomes(service, revoked, 200);
      expect(await status(other)).toBe(401);

      // A user's entry hits what was authenticated before it, and a number that the log never had is from a lost history.
      const byUser = { sequence: 2n, forgetAfter, target: { case: "userId" as const, value: subject } };
      fourth.send({ revocations: [byUser], ...checkpoint(2n), cursor: "c3" });
      await becomes(service, good, 401);
      expect(await status(await issuer.token({ subject, claims: { rev: 2 } }))).toBe(200);
      const longAgo = Math.floor((Date.now() - 3 * hour) / 1_000);
      expect(await status(await issuer.token({ claims: { rev: 2, iat: longAgo } }))).toBe(200);
      expect(await status(await issuer.token({ claims: { rev: 3, iat: longAgo } }))).toBe(401);

      // The same key may sign tokens of other types.
      const ofType = (typ: string) =>
        new SignJWT(decodeJwt(revoked))
          .setProtectedHeader({ alg: "ES256", kid: "key_mine", typ })
          .sign(privateKey);
      expect([await status(await ofType("at+jwt")), await status(await ofType("JWT"))]).toEqual([200, 401]);

      // Anyone can send a deeply nested header or a long token.
      const deep = Buffer.from("[".repeat(3_000) + "]".repeat(3_000)).toString("base64url");
      expect([await status(`${deep}.AA.AA`), await status(`${revoked}${"A".repeat(8_192)}`)]).toEqual([
        401, 401,
      ]);

      // An unknown entry makes it stale until the log was read again.
      fourth.send({ revocations: [{ sequence: 3n, forgetAfter }], cursor: "c4" });
      await becomes(service, revoked, 503);
      const fifth = await feed.call(4);
      expect(fifth.cursor).toBe("");
      fifth.send({ keys: { jwks }, ...checkpoint(3n), cursor: "c5" });
      await becomes(service, revoked, 200);

      // Without checkpoints it is too old in the end.
      fifth.send({ ...checkpoint(3n, 1_000), cursor: "c5" });
      await becomes(service, revoked, 503);
    });
  },
);

import { execFile } from "node:child_process";
import { once } from "node:events";
import http2 from "node:http2";
import { promisify } from "node:util";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { type Client, credentials, makeGenericClientConstructor, status } from "@grpc/grpc-js";
import { AuthService } from "@postern/proto/postern/auth/v1/auth_service_pb.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createClients } from "../support/clients/clients.ts";
import { frame, grpc, grpcStatus, openGrpc, post, readAnswer } from "../support/clients/wire.ts";
import { createDatabase, type TestDatabase } from "../support/postgres/database.ts";
import { type ServerProcess, startServer, TOKENS } from "../support/servers/server-process.ts";

/** Debian's own Python, to which python3-grpcio belongs. */
const PYTHON = "/usr/bin/python3";
const execute = promisify(execFile);
const grpcio = await execute(PYTHON, ["-c", "import grpc"]).then(
  () => true,
  () => false,
);
const UNIMPLEMENTED = 12;

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

describe("a call of an unknown method", () => {
  const unknown = [
    "/postern.auth.v1.AuthService/Nothing",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    "/grpc.health.v1.Health/List",
    "/nothing",
  ];

  test.each(unknown)(
    "gets UNIMPLEMENTED by gRPC, on both listeners, with and without a credential: %s",
    async (path) => {
      for (const authorization of [undefined, `Bearer ${TOKENS.web}`, "Bearer of nobody"]) {
        const headers = authorization === undefined ? {} : { authorization };
        const answer = await grpc(server.grpc, path, headers, frame(Buffer.alloc(0)));
        expect(answer).toMatchObject({
          status: 200,
          headers: { "grpc-status": "12", "content-type": "application/grpc+proto" },
        });
        expect(answer.headers["x-request-id"]).toMatch(/^[\w-]{36}$/);
        for (const type of ["application/grpc-web", "application/grpc-web+json", "application/grpc"]) {
          const byHttp1 = await post(
            `${server.http}${path}`,
            [["content-type", type]],
            frame(Buffer.alloc(0)),
          );
          expect([byHttp1.status, grpcStatus(byHttp1)]).toEqual([200, UNIMPLEMENTED]);
          expect(byHttp1.headers["content-type"]).toBe(type);
        }
      }
    },
  );

  test("gets one frame that ends the stream, before the client ends its side", async () => {
    const session = http2.connect(server.grpc);
    const stream = openGrpc(session, unknown[0] ?? "", {});
    const closed = once(stream, "close");
    const head = once(stream, "response");
    expect(grpcStatus(await readAnswer(stream))).toBe(UNIMPLEMENTED);
    const [, flags] = await head;
    expect(flags & http2.constants.NGHTTP2_FLAG_END_STREAM).toBe(http2.constants.NGHTTP2_FLAG_END_STREAM);
    await closed;
    session.destroy();
  });

  test("gets 404 by Connect, which its clients report as `unimplemented`", async () => {
    const answer = await post(`${server.http}${unknown[0]}`, [["content-type", "application/json"]], "{}");
    expect(answer.status).toBe(404);
  });

  test("is not a request for an HTTP endpoint with the content type application/grpc", async () => {
    const headers = [["content-type", "application/grpc"] as const];
    const key = await post(`${server.http}/.well-known/jwks.json`, headers, "");
    expect([key.status, key.headers["allow"]]).toEqual([405, "GET, HEAD"]);
    const asked = [["x-forwarded-method", "POST"] as const, ["x-forwarded-uri", "/a"] as const];
    expect((await post(`${server.http}/forward-auth`, [...headers, ...asked], "")).status).toBe(401);
  });

  test.each(["connect", "connect-binary", "grpc-web", "grpc"] as const)(
    "is reported as unimplemented by Connect's own client over %s",
    async (protocol) => {
      using clients = createClients({ baseUrl: protocol === "grpc" ? server.grpc : server.http, protocol });
      const method = { ...AuthService.method.introspect, name: "Nothing" };
      const service = { ...AuthService, method: { introspect: method }, methods: [method] };
      const client = createClient(service as unknown as typeof AuthService, clients.transport);
      const error = await client.introspect({ token: "a" }).then(() => undefined, ConnectError.from);
      expect(error?.code).toBe(Code.Unimplemented);
    },
  );

  test("is reported as unimplemented by grpc-js", async () => {
    const Generic = makeGenericClientConstructor({}, "Any");
    const client: Client = new Generic(new URL(server.grpc).host, credentials.createInsecure());
    const same = (message: Buffer) => message;
    const code = new Promise((resolve) =>
      client.makeUnaryRequest(unknown[1] ?? "", same, same, Buffer.alloc(0), (error) => resolve(error?.code)),
    );
    expect(await code).toBe(status.UNIMPLEMENTED);
    client.close();
  });

  test.skipIf(!grpcio)(
    "is reported as unimplemented by gRPC's Python client (skipped if /usr/bin/python3 has no python3-grpcio)",
    async () => {
      const script = [
        "import grpc, sys",
        "channel = grpc.insecure_channel(sys.argv[1])",
        "same = lambda message: message",
        "for path in sys.argv[2:]:",
        "    for call in [",
        "        lambda: channel.unary_unary(path, same, same)(b'', timeout=20),",
        "        lambda: list(channel.stream_stream(path, same, same)(iter([b'']), timeout=20)),",
        "    ]:",
        "        try:",
        "            call()",
        "        except grpc.RpcError as error:",
        "            print(error.code().name, error.details())",
      ].join("\n");
      const { stdout } = await execute(PYTHON, ["-c", script, new URL(server.grpc).host, ...unknown], {
        env: { PATH: process.env["PATH"] },
      });
      const lines = stdout.trim().split("\n");
      expect(lines).toHaveLength(2 * unknown.length);
      for (const line of lines) expect(line).toBe("UNIMPLEMENTED Postern does not serve this method");
    },
  );
});

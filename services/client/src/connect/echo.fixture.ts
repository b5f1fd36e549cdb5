import { once } from "node:events";
import { createServer, type Http2Session } from "node:http2";
import type { AddressInfo } from "node:net";
import { create, createFileRegistry } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema, file_google_protobuf_wrappers } from "@bufbuild/protobuf/wkt";
import {
  type CallOptions,
  type ConnectRouter,
  createClient,
  type HandlerContext,
  type Interceptor,
} from "@connectrpc/connect";
import {
  type ConnectNodeAdapterOptions,
  connectNodeAdapter,
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
  Http2SessionManager,
} from "@connectrpc/connect-node";

const text = ".google.protobuf.StringValue";
const method = (name: string, clientStreaming: boolean, serverStreaming: boolean) => ({
  name,
  inputType: text,
  outputType: text,
  clientStreaming,
  serverStreaming,
});

const registry = createFileRegistry(
  create(FileDescriptorProtoSchema, {
    name: "echo.proto",
    package: "test",
    syntax: "proto3",
    dependency: ["google/protobuf/wrappers.proto"],
    service: [
      {
        name: "Echo",
        method: [
          method("Unary", false, false),
          method("ServerStream", false, true),
          method("ClientStream", true, false),
          method("Bidi", true, true),
        ],
      },
    ],
  }),
  () => file_google_protobuf_wrappers,
);

const found = registry.getService("test.Echo");
if (found === undefined) throw new Error("the service is not there");
/** A service with a method of each kind. */
export const Echo = found;

export const kinds = ["unary", "serverStream", "clientStream", "bidi"] as const;
export const protocols = ["connect", "grpc", "grpc-web"] as const;

type Options = Parameters<ConnectRouter["service"]>[2];
/** Answers with one text, for any request, possibly before the request has arrived. */
export type Answer = (context: HandlerContext) => string;

export function registerEcho(router: ConnectRouter, answer: Answer, options?: Options): void {
  const one = (_: unknown, context: HandlerContext) => ({ value: answer(context) });
  async function* stream(_: unknown, context: HandlerContext) {
    yield { value: answer(context) };
  }
  const methods = { unary: one, clientStream: one, serverStream: stream, bidi: stream };
  // The types of a service that was not generated know no method.
  router.service(Echo, methods as object, options);
}

/** Serves by every protocol over h2c. */
export async function serveEcho(options: ConnectNodeAdapterOptions) {
  const sessions = new Set<Http2Session>();
  const server = createServer(connectNodeAdapter(options));
  server.on("session", (session) => sessions.add(session));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const manager = new Http2SessionManager(baseUrl);

  /** Calls a method with one message, and resolves to the one that comes back. */
  async function call(
    protocol: (typeof protocols)[number],
    kind: (typeof kinds)[number],
    callOptions: CallOptions = {},
    interceptors: Interceptor[] = [],
  ): Promise<string> {
    const common = { baseUrl, interceptors, sessionManager: manager };
    const transport = {
      connect: () => createConnectTransport({ ...common, httpVersion: "2" }),
      grpc: () => createGrpcTransport(common),
      "grpc-web": () => createGrpcWebTransport({ ...common, httpVersion: "2" }),
    }[protocol]();
    const echo = createClient(Echo, transport) as unknown as Record<string, (...args: unknown[]) => unknown>;
    async function* messages() {
      yield { value: "hello" };
    }
    const isStreamed = kind === "clientStream" || kind === "bidi";
    const answer = echo[kind]?.(isStreamed ? messages() : { value: "hello" }, callOptions);
    if (kind === "unary" || kind === "clientStream") return ((await answer) as { value: string }).value;
    const all: string[] = [];
    for await (const { value } of answer as AsyncIterable<{ value: string }>) all.push(value);
    return all.join();
  }

  return {
    call,
    baseUrl,
    async [Symbol.asyncDispose]() {
      manager.abort();
      for (const session of sessions) session.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

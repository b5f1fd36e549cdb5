import { execFileSync } from "node:child_process";
import {
  create,
  createFileRegistry,
  type DescEnum,
  type DescField,
  type DescFile,
  type DescMessage,
  fromBinary,
  toBinary,
} from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import {
  HeaderValueOption_HeaderAppendAction as AppendAction,
  file_envoy_config_core_v3_base,
} from "@postern/proto/envoy/config/core/v3/base_pb.js";
import { file_envoy_service_auth_v3_attribute_context } from "@postern/proto/envoy/service/auth/v3/attribute_context_pb.js";
import {
  CheckRequestSchema,
  CheckResponseSchema,
  file_envoy_service_auth_v3_external_auth,
} from "@postern/proto/envoy/service/auth/v3/external_auth_pb.js";
import { file_envoy_type_v3_http_status } from "@postern/proto/envoy/type/v3/http_status_pb.js";
import { file_google_rpc_status } from "@postern/proto/google/rpc/status_pb.js";
import { describe, expect, test } from "vitest";
import { envoyCheck, envoyContracts } from "./support/clients/envoy.ts";

const ours: readonly DescFile[] = [
  file_envoy_service_auth_v3_external_auth,
  file_envoy_service_auth_v3_attribute_context,
  file_envoy_config_core_v3_base,
  file_envoy_type_v3_http_status,
  file_google_rpc_status,
];
const modules = envoyContracts.folders.map((path) => ({ path }));
const image = execFileSync(
  "buf",
  [
    ...["build", envoyContracts.root, "--config", JSON.stringify({ version: "v2", modules })],
    ...["--path", `${envoyContracts.root}/envoy-api/envoy/service/auth/v3`],
    ...["--as-file-descriptor-set", "-o", "-"],
  ],
  { maxBuffer: 2 ** 24 },
);
const whole = createFileRegistry(fromBinary(FileDescriptorSetSchema, image));

describe("every field equals Envoy's", () => {
  const messages = ours.flatMap(({ messages }) => messages.flatMap(withNested));
  const enums = [
    ...ours.flatMap(({ enums }) => enums),
    ...messages.flatMap(({ nestedEnums }) => nestedEnums),
  ];

  test.each(messages.map((message) => [message.typeName, message] as const))("%s", (name, message) => {
    const theirs = new Set(whole.getMessage(name)?.fields.map(fieldShape));
    for (const field of message.fields) expect(theirs).toContain(fieldShape(field));
  });

  test.each(enums.map((one) => [one.typeName, one] as const))("%s", (name, one) => {
    expect(valuesOf(whole.getEnum(name))).toEqual(expect.arrayContaining(valuesOf(one)));
  });

  test("and there are some", () => {
    expect(messages.length).toBeGreaterThan(8);
    expect(enums).toHaveLength(2);
  });
});

test("what Envoy writes we read", () => {
  const bytes = envoyCheck?.requestSerialize({
    attributes: {
      source: {
        address: { socket_address: { address: "10.0.0.1", port_value: 1234 } },
        principal: "spiffe://a",
      },
      destination: { address: { pipe: { path: "/x" } }, labels: { a: "b" } },
      request: {
        time: { seconds: "1", nanos: 2 },
        http: {
          id: "17",
          method: "GET",
          path: "/a?b",
          host: "h:1",
          scheme: "https",
          query: "q",
          fragment: "f",
          headers: { ":path": "/a?b", authorization: "Bearer x" },
          protocol: "HTTP/1.1",
          size: -1,
          body: "body",
          raw_body: Buffer.from("raw"),
          header_map: {
            headers: [
              { key: "a", value: "b" },
              { key: "c", raw_value: Buffer.from([0xff]) },
            ],
          },
        },
      },
      context_extensions: { virtual_host: "v" },
      metadata_context: { filter_metadata: { f: { fields: { k: { stringValue: "v" } } } } },
      tls_session: { sni: "s" },
    },
  });
  const { attributes } = fromBinary(CheckRequestSchema, new Uint8Array(bytes ?? []));
  expect(attributes?.request?.http).toMatchObject({
    method: "GET",
    path: "/a?b",
    host: "h:1",
    headers: { ":path": "/a?b", authorization: "Bearer x" },
    headerMap: {
      headers: [
        { key: "a", value: "b" },
        { key: "c", value: "", rawValue: new Uint8Array([0xff]) },
      ],
    },
  });
});

test("I06: text that is not UTF-8 is read all the same, and is not what it was", () => {
  const text = Buffer.from("/a\xffb", "latin1");
  const field = (number: number, bytes: Buffer) =>
    Buffer.concat([Buffer.from([number * 8 + 2, bytes.length]), bytes]);
  const headers = field(3, Buffer.concat([field(1, Buffer.from("a")), field(2, text)]));
  const http = Buffer.concat([field(4, text), field(5, text), field(2, text), headers]);
  const { attributes } = fromBinary(CheckRequestSchema, field(1, field(4, field(2, http))));
  const read = "/a\ufffdb";
  expect(attributes?.request?.http).toMatchObject({
    method: read,
    path: read,
    host: read,
    headers: { a: read },
  });
});

test("what we write Envoy reads", () => {
  const header = { key: "x-postern-subject", value: "usr_1" };
  const set = { header, appendAction: AppendAction.OVERWRITE_IF_EXISTS_OR_ADD };
  const theirs = { header, append_action: "OVERWRITE_IF_EXISTS_OR_ADD" };
  const read = (init: Parameters<typeof create<typeof CheckResponseSchema>>[1]) =>
    envoyCheck?.responseDeserialize(
      Buffer.from(toBinary(CheckResponseSchema, create(CheckResponseSchema, init))),
    );
  expect(
    read({
      status: { code: 0 },
      httpResponse: { case: "okResponse", value: { headers: [set], headersToRemove: ["a", "b"] } },
    }),
  ).toMatchObject({
    status: {},
    http_response: "ok_response",
    ok_response: { headers: [theirs], headers_to_remove: ["a", "b"] },
  });
  expect(
    read({
      status: { code: 16, message: "m" },
      httpResponse: { case: "deniedResponse", value: { status: { code: 401 }, headers: [set] } },
    }),
  ).toMatchObject({
    status: { code: 16, message: "m" },
    denied_response: { status: { code: "Unauthorized" }, headers: [theirs] },
  });
});

function withNested(message: DescMessage): DescMessage[] {
  // The entries of maps are messages of their own.
  return [message, ...message.nestedMessages.flatMap(withNested)];
}

function fieldShape({ name, number, proto, oneof }: DescField): string {
  return `${name} = ${number}: ${proto.label} ${proto.type} ${proto.typeName} in ${oneof?.name}`;
}

function valuesOf(one: DescEnum | undefined): string[] {
  return one?.values.map(({ name, number }) => `${name} = ${number}`) ?? [];
}

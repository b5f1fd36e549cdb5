import { execFileSync } from "node:child_process";
import {
  createFileRegistry,
  type DescEnum,
  type DescExtension,
  type DescField,
  type DescFile,
  type DescMessage,
  fromBinary,
} from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { file_buf_validate_validate } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { expect, test } from "vitest";

const image = execFileSync("buf", ["build", "--as-file-descriptor-set", "-o", "-"], {
  cwd: `${import.meta.dirname}/..`,
  maxBuffer: 2 ** 24,
});
const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, image));

test("our copy of buf/validate/validate.proto says what the package that checks the rules says", () => {
  const ours = registry.getFile("buf/validate/validate.proto");
  expect(ours && shapeOf(ours)).toEqual(shapeOf(file_buf_validate_validate));
});

test("exactly these methods are served", () => {
  const methods = [...registry]
    .filter((desc) => desc.kind === "service")
    .flatMap((service) => service.methods.map((m) => `${service.typeName}/${m.name} ${m.methodKind}`));
  expect(methods.sort()).toEqual([
    "envoy.service.auth.v3.Authorization/Check unary",
    "grpc.health.v1.Health/Check unary",
    "grpc.health.v1.Health/Watch server_streaming",
    "postern.admin.v1.AdminService/CreateUser unary",
    "postern.admin.v1.AdminService/DisableUser unary",
    "postern.admin.v1.AdminService/EnableUser unary",
    "postern.admin.v1.AdminService/GetUser unary",
    "postern.admin.v1.AdminService/ListAuditEvents unary",
    "postern.admin.v1.AdminService/ListUsers unary",
    "postern.admin.v1.AdminService/SetPassword unary",
    "postern.auth.v1.AuthService/Introspect unary",
    "postern.auth.v1.AuthService/ListSessions unary",
    "postern.auth.v1.AuthService/Login unary",
    "postern.auth.v1.AuthService/Refresh unary",
    "postern.auth.v1.AuthService/Revoke unary",
    "postern.auth.v1.AuthService/WatchRevocations server_streaming",
  ]);
});

/** Names, numbers and types of everything in a file, in an order that does not hang on the text's. */
function shapeOf(file: DescFile): string[] {
  return [
    ...file.messages.flatMap(messageShape),
    ...file.enums.flatMap(enumShape),
    ...file.extensions.map((e) => `extend ${e.extendee.typeName} ${fieldShape(e)}`),
  ].sort();
}

function messageShape(message: DescMessage): string[] {
  return [
    message.toString(),
    ...message.fields.map((field) => `${message.typeName}.${fieldShape(field)} in ${field.oneof?.name}`),
    ...message.nestedMessages.flatMap(messageShape),
    ...message.nestedEnums.flatMap(enumShape),
    ...message.nestedExtensions.map(
      (e) => `${message.typeName}: extend ${e.extendee.typeName} ${fieldShape(e)}`,
    ),
  ];
}

function enumShape(desc: DescEnum): string[] {
  return desc.values.map((value) => `${desc.typeName}.${value.name} = ${value.number}`);
}

function fieldShape({ name, number, proto }: DescField | DescExtension): string {
  return `${name} = ${number}: ${proto.label} ${proto.type} ${proto.typeName}`;
}

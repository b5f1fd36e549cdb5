import {
  create,
  type DescMethodUnary,
  type MessageInitShape,
  toBinary,
  toJsonString,
} from "@bufbuild/protobuf";
import { frame } from "../support/clients/wire.ts";

export type Protocol = "JSON" | "gRPC";

/** Where a case's calls go. */
export interface Target {
  /** Base URL of the listener. */
  readonly url: string;
  readonly path: string;
  /** Sent as `authorization: Bearer …`; undefined: a GET that asks for no rights. */
  readonly credential: string | undefined;
}

/** A whole request of HTTP/1.1; a GET if there is no body. */
export function httpRequest({ url, path, credential }: Target, body?: string): Buffer {
  const head = [
    `${body === undefined ? "GET" : "POST"} ${path} HTTP/1.1`,
    `host: ${new URL(url).host}`,
    ...(credential === undefined ? [] : [`authorization: Bearer ${credential}`]),
    ...(body === undefined
      ? []
      : ["content-type: application/json", `content-length: ${Buffer.byteLength(body)}`]),
  ];
  return Buffer.from(`${head.join("\r\n")}\r\n\r\n${body ?? ""}`);
}

/** A message as the body of a call by Connect's JSON. */
export function jsonOf<M extends DescMethodUnary>({ input }: M, init: MessageInitShape<M["input"]>): string {
  return toJsonString(input, create(input, init));
}

/** A message as the body of a call by gRPC. */
export function grpcFrameOf<M extends DescMethodUnary>(
  { input }: M,
  init: MessageInitShape<M["input"]>,
): Buffer {
  return frame(toBinary(input, create(input, init)));
}

export function pathOf({ parent, name }: DescMethodUnary): string {
  return `/${parent.typeName}/${name}`;
}

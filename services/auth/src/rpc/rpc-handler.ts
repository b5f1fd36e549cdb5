import type { DescMethod } from "@bufbuild/protobuf";
import type { OpenCall } from "../call/calls.ts";
import type { NodeRequest, NodeResponse } from "../lib/node-http.ts";

/** One method as a transport serves it. */
export interface RpcHandler {
  readonly method: DescMethod;
  readonly path: string;
  /** HTTP methods. */
  readonly allowedMethods: readonly string[];
  /** Answers the request, and finishes the call. */
  serve(call: OpenCall, request: NodeRequest, response: NodeResponse): Promise<void>;
}

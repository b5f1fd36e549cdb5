import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  HeaderValueOption_HeaderAppendAction as AppendAction,
  type HeaderValue,
  type HeaderValueOptionSchema,
} from "@postern/proto/envoy/config/core/v3/base_pb.js";
import type { AttributeContext_HttpRequest } from "@postern/proto/envoy/service/auth/v3/attribute_context_pb.js";
import {
  Authorization,
  type CheckRequest,
  type CheckResponseSchema,
} from "@postern/proto/envoy/service/auth/v3/external_auth_pb.js";
import {
  type AuthorizeDeps,
  authorizeRequest,
  type ProxiedRequest,
  type Verdict,
} from "../../domain/access/authorize-request.ts";
import {
  describeIdentity,
  identitySpellings,
  looksLikeIdentity,
} from "../../domain/access/proxy/identity-headers.ts";
import { AuthError } from "../../domain/errors.ts";
import { statusCodes } from "../status-codes.ts";
import { type Method, unary } from "./method.ts";

type Answer = MessageInitShape<typeof CheckResponseSchema>;
type SetHeader = MessageInitShape<typeof HeaderValueOptionSchema>;

/**
 * `envoy.service.auth.v3.Authorization`. A denial is an answer. An unknown verdict is an answer too, with status 503,
 * because Envoy reports nothing to its client about a call that fails.
 */
export function createEnvoyMethods(deps: AuthorizeDeps): Method[] {
  return [
    unary(Authorization.method.check, async (_call, request) => {
      const headers = headersOf(request.attributes?.request?.http);
      try {
        return toAnswer(await authorizeRequest(deps, toProxiedRequest(request, headers)), headers);
      } catch (error) {
        if (!(error instanceof AuthError && error.reason === "UNAVAILABLE")) throw error;
        const seconds = Math.ceil((error.retryAfterMs ?? 1_000) / 1000);
        return deny(503, statusCodes.unavailable, [["retry-after", String(seconds)]]);
      }
    }),
  ];
}

type Header = readonly [name: string, value: string];

/** Each header by itself where Envoy sends them so, else joined by their names. */
function headersOf(http: AttributeContext_HttpRequest | undefined): readonly Header[] {
  const joined = Object.entries(http?.headers ?? {});
  const single = (http?.headerMap?.headers ?? []).map((header): Header => [header.key, textOf(header)]);
  return [...joined, ...single].map(([name, value]) => [name.toLowerCase(), value]);
}

function textOf({ value, rawValue }: HeaderValue): string {
  return value === "" ? Buffer.from(rawValue).toString("latin1") : value;
}

/** What names the request is only what Envoy says of it, never a header that the client may have sent. */
function toProxiedRequest({ attributes }: CheckRequest, headers: readonly Header[]): ProxiedRequest {
  const { method = "", host = "", path = "" } = attributes?.request?.http ?? {};
  const authorization = headers.filter(([name]) => name === "authorization").map(([, value]) => value);
  return { method, host, target: path, authorization };
}

function toAnswer(verdict: Verdict, headers: readonly Header[]): Answer {
  if (verdict.kind === "refuse") {
    const { status, challenge } = verdict;
    const code = {
      400: statusCodes.invalid_argument,
      401: statusCodes.unauthenticated,
      403: statusCodes.permission_denied,
    }[status];
    return deny(status, code, challenge === undefined ? [] : [["www-authenticate", challenge]]);
  }
  const identity = new Map(
    Object.entries(describeIdentity(verdict.claims)).filter(([, value]) => value !== ""),
  );
  const spellings = new Set([
    ...identitySpellings,
    ...headers.map(([name]) => name).filter(looksLikeIdentity),
  ]);
  // Envoy removes after it has set: what is set must not be among them.
  const removed = [...spellings].filter((name) => !identity.has(name));
  return {
    status: { code: 0 },
    httpResponse: {
      case: "okResponse",
      value: { headers: [...identity].map(toSetHeader), headersToRemove: removed },
    },
  };
}

function deny(status: number, code: number, headers: readonly Header[]): Answer {
  return {
    status: { code },
    httpResponse: {
      case: "deniedResponse",
      value: { status: { code: status }, headers: headers.map(toSetHeader) },
    },
  };
}

/** Envoy appends by default, also to what the client has sent. */
function toSetHeader([key, value]: Header): SetHeader {
  return { header: { key, value }, appendAction: AppendAction.OVERWRITE_IF_EXISTS_OR_ADD };
}

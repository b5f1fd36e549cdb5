import { grpc } from "./generators/grpc.ts";
import { h2load } from "./generators/h2load.ts";
import type { Generator, Load } from "./generators/load.ts";
import { wrk } from "./generators/wrk.ts";
import { type Method, methods, type Plan } from "./methods.ts";
import { httpRequest, type Protocol, type Target } from "./wire-forms.ts";

/** A method by a protocol, and what sends it. */
export interface Case {
  /** Such as `Refresh JSON`. */
  readonly name: string;
  readonly method: Method;
  readonly protocol: Protocol;
  readonly generator: { readonly name: string; readonly send: Generator; readonly sendsOne: boolean };
}

const generators = {
  wrk: { name: "wrk", send: wrk, sendsOne: false },
  h2load: { name: "h2load", send: h2load, sendsOne: true },
  /** Ours, for messages that differ from call to call. */
  frames: { name: "frames", send: grpc, sendsOne: false },
};

const { introspect, refresh, login, revoke, jwks } = methods;

export const cases: readonly Case[] = [
  caseOf(introspect, "JSON", generators.wrk),
  caseOf(introspect, "gRPC", generators.h2load),
  caseOf(refresh, "JSON", generators.wrk),
  caseOf(refresh, "gRPC", generators.frames),
  caseOf(login, "JSON", generators.wrk),
  caseOf(login, "gRPC", generators.frames),
  caseOf(revoke, "JSON", generators.wrk),
  caseOf(revoke, "gRPC", generators.frames),
  caseOf(jwks, "JSON", generators.wrk),
];

/** Where a case's calls go on a server. */
export function targetOf(
  { method, protocol }: Case,
  urls: Readonly<Record<"http" | "grpc", string>>,
  credential: string,
): Target {
  return {
    url: protocol === "gRPC" ? urls.grpc : urls.http,
    path: method.path,
    credential: method.rpc === undefined ? undefined : credential,
  };
}

/** What the case's generator is to send. */
export function loadOf({ protocol, generator }: Case, target: Target, plan: Plan, calls: number): Load {
  const requests =
    protocol === "gRPC"
      ? plan.grpc
      : plan.json.length === 0
        ? [httpRequest(target)]
        : plan.json.map((body) => httpRequest(target, body));
  return { ...target, calls, requests: generator.sendsOne ? requests.slice(0, 1) : requests };
}

function caseOf(method: Method, protocol: Protocol, generator: Case["generator"]): Case {
  return { name: `${method.name} ${protocol}`, method, protocol, generator };
}

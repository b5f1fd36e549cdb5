import { createRequire } from "node:module";
import { dirname } from "node:path";
import { type Client, credentials, loadPackageDefinition, type ServiceError } from "@grpc/grpc-js";
import { loadSync, type PackageDefinition, type ServiceDefinition } from "@grpc/proto-loader";

/** Envoy's own contracts, whole, as gRPC's own library brings them. */
export const envoyContracts = {
  root: `${dirname(createRequire(import.meta.url).resolve("@grpc/grpc-js-xds/package.json"))}/deps`,
  folders: ["envoy-api", "googleapis", "protoc-gen-validate", "xds"],
} as const;

const envoyDefinition: PackageDefinition = loadSync("envoy/service/auth/v3/external_auth.proto", {
  includeDirs: envoyContracts.folders.map((name) => `${envoyContracts.root}/${name}`),
  keepCase: true,
  longs: String,
  enums: String,
  oneofs: true,
});

/** Encodes and decodes `Check`'s messages by them. */
export const envoyCheck = (envoyDefinition["envoy.service.auth.v3.Authorization"] as ServiceDefinition)[
  "Check"
];

/** What Envoy makes of the answer to a check. */
export interface Checked {
  /** Of gRPC; 0 lets the request pass. */
  readonly code: number;
  /** Of HTTP, where it is denied. */
  readonly status: number | undefined;
  /** The headers that are set: on the request where it passes, on the answer where not. */
  readonly headers: Readonly<Record<string, string>>;
  readonly removed: readonly string[];
}

/** Envoy's side of external authorization: a gRPC client without Postern's code. */
export interface Envoy extends Disposable {
  /** @throws {ServiceError} where the call itself fails */
  check(message: unknown, deadlineMs?: number): Promise<Checked>;
  /** A request with these headers, of which those with one name are joined as Envoy joins them. */
  request(line: RequestParts): Promise<Checked>;
}

export interface RequestParts {
  readonly path: string;
  readonly method?: string;
  readonly host?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

interface Answer {
  readonly status?: { readonly code?: number };
  readonly denied_response?: {
    readonly status?: { readonly code?: string };
    readonly headers?: readonly HeaderOption[];
  };
  readonly ok_response?: {
    readonly headers?: readonly HeaderOption[];
    readonly headers_to_remove?: readonly string[];
  };
}

interface HeaderOption {
  readonly header?: { readonly key?: string; readonly value?: string };
  readonly append_action?: string;
}

const statuses: Readonly<Record<string, number>> = {
  BadRequest: 400,
  Unauthorized: 401,
  Forbidden: 403,
  ServiceUnavailable: 503,
};

type CheckMethod = (
  message: unknown,
  options: { readonly deadline: number },
  done: (error: ServiceError | null, answer: Answer) => void,
) => void;

/** @param baseUrl of the grpc listener */
export function connectEnvoy(baseUrl: string): Envoy {
  const loaded = loadPackageDefinition(envoyDefinition) as unknown as {
    envoy: { service: { auth: { v3: { Authorization: new (...args: unknown[]) => Client } } } };
  };
  const client = new loaded.envoy.service.auth.v3.Authorization(
    new URL(baseUrl).host,
    credentials.createInsecure(),
  ) as Client & { readonly Check: CheckMethod };

  async function check(message: unknown, deadlineMs = 20_000): Promise<Checked> {
    const answer = await new Promise<Answer>((resolve, reject) => {
      client.Check(message, { deadline: Date.now() + deadlineMs }, (error, answer) =>
        error === null ? resolve(answer) : reject(error),
      );
    });
    const { denied_response: denied, ok_response: ok } = answer;
    return {
      code: answer.status?.code ?? 0,
      status: denied === undefined || denied === null ? undefined : statuses[denied.status?.code ?? ""],
      headers: overwritten((ok ?? denied)?.headers ?? []),
      removed: ok?.headers_to_remove ?? [],
    };
  }
  return {
    check,
    request({ path, method = "GET", host = "api.example.com", headers = {} }) {
      const pseudo = { ":path": path, ":method": method, ":authority": host, ":scheme": "https" };
      const http = { id: "1", method, host, path, scheme: "https", protocol: "HTTP/2", size: -1 };
      return check({ attributes: { request: { http: { ...http, headers: { ...pseudo, ...headers } } } } });
    },
    [Symbol.dispose]: () => client.close(),
  };
}

/** @throws {Error} if a header would be added to one that the client has sent */
function overwritten(options: readonly HeaderOption[]): Record<string, string> {
  return Object.fromEntries(
    options.map(({ header, append_action }) => {
      if (append_action !== "OVERWRITE_IF_EXISTS_OR_ADD") throw new Error(`${header?.key} is appended`);
      return [header?.key ?? "", header?.value ?? ""];
    }),
  );
}

/**
 * What the upstream gets of a request that passes: Envoy sets first and removes then. Envoy has names in lower case; of two
 * headers that are then alike, the last.
 */
export function passOn(headers: Readonly<Record<string, string>>, checked: Checked): Record<string, string> {
  const removed = new Set(checked.removed);
  const lower = Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]),
  );
  const set = Object.entries({ ...lower, ...checked.headers });
  return Object.fromEntries(set.filter(([name]) => !removed.has(name)));
}

import { type Import, resolveOwn, type SourceFile } from "./imports.ts";

interface Layer {
  readonly name: string;
  /** Its folder or file; of two that fit a file, the first in the table counts. */
  readonly path: string;
  /** Names of the layers it may import, itself not named. `"any"`: all of them. */
  readonly allow: readonly string[] | "any";
  /** The packages and builtins it may import; absent: any. */
  readonly packages?: readonly string[];
}

/** `node:url` for the names of hosts (`domainToASCII`), which is arithmetic and no I/O. */
const DOMAIN_PACKAGES = ["node:url"];

/** The table of ARCHITECTURE.md. */
const LAYERS: readonly Layer[] = [
  { name: "gen", path: "gen/", allow: [] },
  { name: "client core", path: "services/client/src/core/", allow: [], packages: [] },
  { name: "client", path: "services/client/src/", allow: ["gen", "client core"] },
  { name: "bin", path: "services/auth/bin/", allow: ["main"] },
  { name: "main", path: "services/auth/src/main.ts", allow: ["cli", "config", "domain"] },
  { name: "embedded", path: "services/auth/src/embedded/", allow: ["lib"] },
  { name: "config", path: "services/auth/src/config/", allow: ["domain", "lib"] },
  { name: "listen", path: "services/auth/src/listen/", allow: ["lib"] },
  { name: "telemetry", path: "services/auth/src/telemetry/", allow: ["call", "domain", "lib", "listen"] },
  { name: "call", path: "services/auth/src/call/", allow: ["domain", "lib"] },
  {
    name: "cli",
    path: "services/auth/src/cli/",
    allow: ["config", "server", "telemetry", "embedded", "domain", "lib"],
  },
  { name: "server", path: "services/auth/src/server/", allow: "any" },
  {
    name: "domain",
    path: "services/auth/src/domain/",
    allow: ["lib", "client core"],
    packages: DOMAIN_PACKAGES,
  },
  { name: "store", path: "services/auth/src/store/postgres/", allow: ["domain", "lib"] },
  { name: "memory", path: "services/auth/src/store/memory/", allow: ["domain", "lib"] },
  { name: "redis", path: "services/auth/src/store/redis/", allow: ["domain", "lib"] },
  { name: "crypto", path: "services/auth/src/crypto/", allow: ["domain", "lib", "client core"] },
  { name: "rpc", path: "services/auth/src/rpc/", allow: ["call", "domain", "gen", "lib"] },
  { name: "http", path: "services/auth/src/http/", allow: ["call", "domain", "lib"] },
  { name: "lib", path: "services/auth/src/lib/", allow: [] },
  { name: "test", path: "test/", allow: "any" },
];

const DOMAIN = "services/auth/src/domain/";
/** Levels inside the domain: a folder or file imports itself and lower levels only. */
const LEVELS: readonly (readonly string[])[] = [
  ["errors.ts", "page.ts", "ports", "caller"],
  ["keys", "user", "audit", "cleaning"],
  ["token"],
  ["revocation", "session"],
  ["login", "access"],
];

/** Layers that take types of the domain, and of what runs its errors and ports alone. */
const TYPES_OF_DOMAIN = ["store", "memory", "redis", "crypto"];
/** Each driver has one layer that speaks it. */
const DRIVERS: Readonly<Record<string, string>> = { pg: "store", ioredis: "redis" };
const DOMAIN_VALUES = /^services\/auth\/src\/domain\/(errors\.ts$|ports\/)/;

const TEST_PACKAGES = /^(vitest|fast-check|node:.+)$/;
const MAX_LINES = 400;

/** Every violation of the architecture's rules in these files, one line each. */
export function violations(files: readonly SourceFile[]): string[] {
  return [...files.flatMap(violationsIn), ...cycles(files)];
}

function violationsIn(file: SourceFile): string[] {
  const layer = layerOf(file.path);
  if (!layer) return [`${file.path}: in no layer of the table`];
  const faults = file.imports.map((wanted) => faultOf(file.path, layer, wanted));
  if (file.lines > MAX_LINES) faults.push(`has ${file.lines} lines, more than ${MAX_LINES}`);
  if (!mayReadEnvironment(file.path) && /\bprocess\s*(\?\.|\.|\[\s*["'`])\s*env\b/.test(file.code)) {
    faults.push("reads process.env");
  }
  return faults.filter((fault) => fault !== undefined).map((fault) => `${file.path}: ${fault}`);
}

function faultOf(path: string, layer: Layer, { specifier, typeOnly }: Import): string | undefined {
  if (specifier === undefined) return "imports what no reader can tell";
  const isTest = path.endsWith(".test.ts");
  const target = resolveOwn(path, specifier);
  if (target === undefined) return packageFault(layer, specifier, isTest);
  const other = layerOf(target);
  if (!other) return `imports ${target}, which is in no layer`;
  const suite = suiteOf(target);
  if (suite !== undefined && suite !== "support" && suite !== suiteOf(path)) {
    return `imports ${target}, though suites share test/support/ only`;
  }
  // Tests of commands run them as a command line does; tests of the domain use the store that needs nothing.
  if (isTest && (suite === "support" || ["main", "memory"].includes(other.name))) return undefined;
  const isAllowed = layer.allow === "any" ? !isForeign(path, other) : layer.allow.includes(other.name);
  if (other !== layer && !isAllowed) return `${layer.name} imports ${target} of ${other.name}`;
  const fault = levelFault(path, target);
  if (fault !== undefined) return fault;
  const isValueOfDomain = other.name === "domain" && !typeOnly && !DOMAIN_VALUES.test(target);
  if (isValueOfDomain && TYPES_OF_DOMAIN.includes(layer.name) && !isTest) {
    return `${layer.name} imports more than types of ${target}`;
  }
  return undefined;
}

/** The server shares the client's core, and nothing else of the client. */
function isForeign(path: string, { name }: Layer): boolean {
  return path.startsWith("services/auth/") && name === "client";
}

function levelFault(path: string, target: string): string | undefined {
  if (!path.startsWith(DOMAIN) || !target.startsWith(DOMAIN)) return undefined;
  const [from = "", to = ""] = [path, target].map((one) => one.slice(DOMAIN.length).split("/", 1)[0]);
  const [level, other] = [from, to].map((part) => LEVELS.findIndex((names) => names.includes(part)));
  if (level === undefined || other === undefined || level < 0 || other < 0)
    return `${from} or ${to} has no level`;
  // What is on the ground may share its types.
  if (from === to || other < level || (level === 0 && other === 0)) return undefined;
  return `${from} imports ${target}, which is on no lower level`;
}

/** The folder of `test/` that a file belongs to. Helpers point one way: from suites to `support`. */
function suiteOf(path: string): string | undefined {
  return /^test\/([^/]+)\//.exec(path)?.[1];
}

function packageFault(layer: Layer, specifier: string, isTest: boolean): string | undefined {
  const allowed = layer.packages;
  const owner = DRIVERS[specifier];
  if (owner !== undefined && layer.name !== owner && layer.name !== "test")
    return `${layer.name} imports ${specifier}`;
  if (specifier === "node:process" && layer.name !== "test")
    return "imports node:process, which hides process.env";
  if (!allowed || allowed.includes(specifier) || (isTest && TEST_PACKAGES.test(specifier))) return undefined;
  return `${layer.name} imports the package ${specifier}`;
}

function mayReadEnvironment(path: string): boolean {
  return path === "services/auth/src/config/env.ts" || path.startsWith("test/");
}

function layerOf(path: string): Layer | undefined {
  return LAYERS.find((layer) => path.startsWith(layer.path));
}

/** One line for each import that closes a circle, found by a walk in depth. */
function cycles(files: readonly SourceFile[]): string[] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const done = new Set<string>();
  const found: string[] = [];
  function walk(path: string, trail: readonly string[]): void {
    const start = trail.indexOf(path);
    if (start >= 0) {
      found.push(`cycle: ${[...trail.slice(start), path].join(" → ")}`);
      return;
    }
    if (done.has(path)) return;
    for (const { specifier } of byPath.get(path)?.imports ?? []) {
      const target = specifier === undefined ? undefined : resolveOwn(path, specifier);
      if (target !== undefined) walk(target, [...trail, path]);
    }
    done.add(path);
  }
  for (const path of byPath.keys()) walk(path, []);
  return found;
}

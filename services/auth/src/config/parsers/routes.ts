import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  type Scalar,
  visit,
} from "yaml";
import { canonicalHost, readHost } from "../../domain/access/proxy/request-host.ts";
import {
  coveredBy,
  type RoutePath,
  type RoutePlace,
  readRoutePath,
} from "../../domain/access/proxy/route-path.ts";
import type { Route, RouteAuth } from "../../domain/access/proxy/route-table.ts";
import { SettingError } from "../error.ts";

/** One entry of the routes file, before the default audience is filled in. */
export interface RouteEntry extends Omit<Route, "audiences"> {
  /** Undefined if it is left out. */
  readonly audiences: readonly string[] | undefined;
}

type Member = "host" | "path" | "methods" | "auth" | "scopes" | "audiences";
type Fields = ReadonlyMap<Member, unknown>;
/** Throws the fault of an entry. */
type Fail = (message: string) => never;

const members: readonly Member[] = ["host", "path", "methods", "auth", "scopes", "audiences"];
const auths: readonly RouteAuth[] = ["required", "optional", "public"];
const mostEntries = 1_000;
const scopeForm = /^[!#-[\]-~]{1,128}$/;
const audienceForm = /^[!-~]{1,255}$/;
const methodForm = /^[A-Z][A-Z0-9-]{0,31}$/;

/**
 * Parses the routes file, strictly. Faults name the entry (counted from 1) and its line, and never quote it, because the path
 * can name another file by mistake.
 */
export function parseRoutes(text: string): readonly RouteEntry[] {
  const lines = new LineCounter();
  const contents = readYaml(text, lines);
  if (!isSeq(contents)) throw new SettingError("write a YAML list of entries, each with `path` and `auth`");
  if (contents.items.length === 0)
    throw new SettingError("the list is empty, so every request would be refused");
  if (contents.items.length > mostEntries) throw new SettingError(`has more than ${mostEntries} entries`);
  const entries: RouteEntry[] = [];
  const places: RoutePlace[] = [];
  for (const [index, item] of contents.items.entries()) {
    const fail = (message: string): never => {
      const { line } = lines.linePos((item as Node).range?.[0] ?? 0);
      throw new SettingError(`entry ${index + 1} (line ${line}) ${message}`);
    };
    const { entry, place } = parseEntry(item, fail);
    const covers = coveredBy(place, places);
    if (covers !== undefined) fail(unreachable(covers));
    entries.push(entry);
    places.push(place);
  }
  return entries;
}

/**
 * The routes, with the default audience for entries without one. Without a file, every request needs a valid token for that
 * audience. Without the audience, every request is refused.
 */
export function toRoutes(
  entries: readonly RouteEntry[] | undefined,
  defaultAudience: string | undefined,
): readonly Route[] {
  const audiences = defaultAudience === undefined ? [] : [defaultAudience];
  if (entries !== undefined)
    return entries.map((entry) => ({ ...entry, audiences: entry.audiences ?? audiences }));
  if (defaultAudience === undefined) return [];
  return [{ host: undefined, path: "/*", methods: undefined, auth: "required", scopes: [], audiences }];
}

/**
 * The YAML 1.2 core schema without anchors, aliases, tags and merges: they can expand a text or change its meaning.
 */
function readYaml(text: string, lineCounter: LineCounter): unknown {
  const at = (offset: number) => {
    const { line, col } = lineCounter.linePos(offset);
    return `line ${line}, column ${col}`;
  };
  const options = { version: "1.2", schema: "core", merge: false, resolveKnownTags: false } as const;
  try {
    const document = parseDocument(text, {
      ...options,
      stringKeys: true,
      prettyErrors: false,
      logLevel: "error",
      lineCounter,
    });
    visit(document, {
      Node(_, node) {
        const where = at(node.range?.[0] ?? 0);
        if (isAlias(node) || node.anchor !== undefined)
          throw new SettingError(`has an anchor or alias at ${where}; write the value out instead`);
        if (node.tag !== undefined)
          throw new SettingError(`has a tag at ${where}; leave it out, and put text in quotes`);
      },
    });
    const [fault] = [...document.errors, ...document.warnings];
    if (fault !== undefined)
      throw new SettingError(`is not plain YAML at ${at(fault.pos[0])} (${fault.code})`);
    return document.contents;
  } catch (error) {
    // The stack is full.
    if (error instanceof RangeError) throw new SettingError("is nested too deeply");
    throw error;
  }
}

function parseEntry(item: unknown, fail: Fail): { entry: RouteEntry; place: RoutePlace } {
  const fields = readFields(item, fail);
  const auth = auths.find((word) => word === fields.get("auth"));
  if (auth === undefined) fail(`needs \`auth\`: write ${auths.map((word) => `\`${word}\``).join(", ")}`);
  const scopes = parseList(fields, "scopes", scopeForm, fail);
  const audiences = parseList(fields, "audiences", audienceForm, fail);
  if (auth === "public" && (scopes ?? audiences) !== undefined) {
    fail(
      "is public, so tokens are not checked: leave out `scopes` and `audiences`, or write `auth: required`",
    );
  }
  if (auth === "optional" && scopes !== undefined) {
    fail(
      "requires scopes, but a request without a token would pass: write `auth: required`, or leave out `scopes`",
    );
  }
  if (audiences?.includes("*")) fail("has `*` in `audiences`: name the audiences");
  const listed = parseList(fields, "methods", methodForm, fail);
  const methods = listed === undefined ? undefined : new Set(listed);
  const host = parseHost(fields, fail);
  const { path, read } = parsePath(fields, fail);
  return {
    entry: { host, path, methods, auth, scopes: scopes ?? [], audiences },
    place: { host, methods, path: read },
  };
}

/** Returns a string unchanged, and a list of strings as an array. */
function readFields(item: unknown, fail: Fail): Fields {
  if (!isMap(item)) return fail("is not a mapping: write `path: …` and `auth: …`");
  return new Map(
    item.items.map(({ key, value }): [Member, unknown] => {
      const member = members.find((name) => isScalar(key) && key.value === name);
      if (member === undefined) fail(`has an unknown field; there are ${members.join(", ")}`);
      const textOf = (scalar: Scalar) =>
        typeof scalar.value === "string"
          ? scalar.value
          : fail(`needs text for \`${member}\`: put the value in quotes`);
      if (isScalar(value)) return [member, textOf(value)];
      const list = isSeq(value) ? value.items : undefined;
      return [member, list?.map((one) => (isScalar(one) ? textOf(one) : undefined))];
    }),
  );
}

const listAdvice: Readonly<Record<string, string>> = {
  scopes: "scopes (RFC 6749 section 3.3)",
  audiences: "audiences, of 1 to 255 visible ASCII characters each",
  methods: "methods in upper case",
};

function parseList(fields: Fields, member: Member, form: RegExp, fail: Fail): readonly string[] | undefined {
  if (!fields.has(member)) return undefined;
  const list = fields.get(member);
  if (!Array.isArray(list) || !list.every((word) => typeof word === "string" && form.test(word))) {
    return fail(`has \`${member}\` that are not a list of ${listAdvice[member]}`);
  }
  if (list.length === 0) fail(`has an empty list of \`${member}\`: add a value, or leave the field out`);
  if (new Set(list).size !== list.length) fail(`has a value twice in \`${member}\``);
  return list;
}

function parseHost(fields: Fields, fail: Fail): string | undefined {
  if (!fields.has("host")) return undefined;
  const host = fields.get("host");
  if (typeof host !== "string" || readHost(host) !== host) {
    return fail(
      "has a `host` that is not a host name in lower case without port, final dot and wildcard; put an IPv6 address in brackets and quotes",
    );
  }
  if (canonicalHost(host) !== host) {
    return fail(
      "has a `host` that is an address in an unusual spelling: write IPv4 as four decimal numbers, and IPv6 in brackets and in its shortest form",
    );
  }
  return host;
}

function parsePath(fields: Fields, fail: Fail): { path: string; read: RoutePath } {
  const path = fields.get("path");
  if (typeof path !== "string" || !path.startsWith("/")) {
    return fail("needs `path`: a path that begins with `/`, and may end in `*`");
  }
  const read = readRoutePath(path);
  return read === undefined ? fail(pathAdvice) : { path, read };
}

const pathAdvice =
  "has a `path` that no request can have: write it without query, `//`, segments `.` and `..`, `;`, a `*` that is not at the end, and encoded `/` `.` `\\` `%` `?` `#`; percent-encode what RFC 3986 does not allow in a path";

function unreachable(covers: readonly number[]): string {
  const names = covers.map((index) => index + 1).join(" and ");
  return `can never be reached, because entry ${names} comes first and matches all of its requests: move it up, or remove it (case, full-width letters, white space and dots at the ends of segments make no difference)`;
}

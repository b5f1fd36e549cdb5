import { globSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { violations } from "./support/checks/architecture.ts";
import { readSource } from "./support/checks/imports.ts";

const SRC = "services/auth/src";

describe("the architecture", () => {
  const top = `${import.meta.dirname}/..`;
  const paths = globSync(["services/**/*.{ts,js}", "test/**/*.{ts,js}"], {
    cwd: top,
    exclude: ["**/node_modules/**"],
  });

  test("finds the sources", () => {
    expect(paths).toContain("test/architecture.test.ts");
    expect(paths).toContain(`${SRC}/domain/errors.ts`);
  });

  test("holds", () => {
    expect(violations(paths.map((path) => readSource(path, readFileSync(`${top}/${path}`, "utf8"))))).toEqual(
      [],
    );
  });
});

describe("a planted fault is reported:", () => {
  test.each([
    ["an import of a forbidden layer", "domain/user/a.ts", `import { b } from "../../store/postgres/b.ts";`],
    [
      "an import of its type alone",
      "domain/user/a.ts",
      `import type { B } from "../../store/postgres/b.ts";`,
    ],
    ["a type query", "domain/user/a.ts", `export type B = import("../../rpc/b.ts").B;`],
    ["a re-export", "store/postgres/a.ts", `export * from "../../crypto/b.ts";`],
    ["an import() of a sibling", "http/a.ts", `await import("../rpc/b.ts");`],
    ["a computed import()", "http/a.ts", `await import(process.argv[2]);`],
    [
      "generated code in the domain",
      "domain/a.ts",
      `import { A } from "@postern/proto/postern/user/v1/user_pb.js";`,
    ],
    ["a higher level of the domain", "domain/session/a.ts", `import { b } from "../login/b.ts";`],
    ["the same level of the domain", "domain/user/a.ts", `import type { B } from "../keys/b.ts";`],
    ["a folder of the domain without a level", "domain/elsewhere/a.ts", `import "../errors.ts";`],
    ["a package in the domain", "domain/a.ts", `import { z } from "jose";`],
    ["a builtin in the domain", "domain/a.ts", `import { createHash } from "node:crypto";`],
    [
      "a value of the domain in a store",
      "store/postgres/a.ts",
      `import { f } from "../../domain/user/f.ts";`,
    ],
    ["pg outside the store", "server/a.ts", `import { Pool } from "pg";`],
    ["the environment outside env.ts", "server/a.ts", "export const home = process.env.HOME;"],
    ["the environment in brackets", "server/a.ts", `export const home = process["env"]["HOME"];`],
    ["the environment by its module", "server/a.ts", `import { env } from "node:process";`],
    ["the client's verifier in server", "server/a.ts", `import "../../../client/src/verifier/verifier.ts";`],
    ["the client's core in a store", "store/redis/a.ts", `import "../../../../client/src/core/claims.ts";`],
    ["a long file", "server/a.ts", "export {};\n".repeat(401)],
    ["a file in no layer", "elsewhere/a.ts", "export {};"],
    ["an import of a file in no layer", "server/a.ts", `import "../elsewhere/b.ts";`],
  ])("%s", (_, path, text) => {
    expect(violations([readSource(`${SRC}/${path}`, text)])).toHaveLength(1);
  });

  test.each([
    ["a suite in a helper", "test/support/a.ts", `import { b } from "../login/b.ts";`],
    ["a suite in another one", "test/e2e/a.ts", `import { b } from "../login/b.ts";`],
    ["a suite in a unit test", `${SRC}/lib/a.test.ts`, `import { b } from "../../../../test/bench/b.ts";`],
  ])("%s", (_, path, text) => {
    expect(violations([readSource(path, text)])).toHaveLength(1);
  });

  test("a circle", () => {
    const files = [
      readSource(`${SRC}/lib/a.ts`, `import "./b.ts";`),
      readSource(`${SRC}/lib/b.ts`, `import type { C } from "./c.ts";`),
      readSource(`${SRC}/lib/c.ts`, `export { a } from "./a.ts";`),
    ];
    expect(violations(files)).toEqual([
      `cycle: ${SRC}/lib/a.ts → ${SRC}/lib/b.ts → ${SRC}/lib/c.ts → ${SRC}/lib/a.ts`,
    ]);
  });
});

describe("what the rules allow is not reported:", () => {
  test.each([
    [
      "the domain's errors in a store",
      "store/postgres/a.ts",
      `import { AuthError } from "../../domain/errors.ts";`,
    ],
    [
      "types of the domain in a store",
      "store/postgres/a.ts",
      `import type { F } from "../../domain/user/f.ts";`,
    ],
    ["a lower level of the domain", "domain/login/a.ts", `import { b } from "../session/b.ts";`],
    ["the client's core in the domain", "domain/a.ts", `import "../../../client/src/core/claims.ts";`],
    ["pg in the store", "store/postgres/a.ts", `import { Pool } from "pg";`],
    ["another folder in server", "server/a.ts", `import { b } from "../rpc/b.ts";`],
    ["the environment in env.ts", "config/env.ts", "export const env = process.env;"],
    ["the environment in a comment", "server/a.ts", "// process.env is read by env.ts\nexport {};"],
    [
      "test support in a test",
      "domain/a.test.ts",
      `import { poll } from "../../../../test/support/poll.ts";`,
    ],
  ])("%s", (_, path, text) => {
    expect(violations([readSource(`${SRC}/${path}`, text)])).toEqual([]);
  });
});

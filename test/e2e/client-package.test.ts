import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { poll } from "../support/poll.ts";
import { freePort } from "../support/ports.ts";
import { TOKENS } from "../support/servers/server-process.ts";
import { type PackedClient, packClient, run } from "./packed-client.ts";
import { startSite } from "./protected-site.ts";
import { examplesIn, publicExports } from "./public-exports.ts";
import { END_WITH_TEST, startService } from "./service-process.ts";

/** npm may take its time. */
const slow = 300_000;
const TOP = `${import.meta.dirname}/../..`;

const entries = ["index", "connect/index", "express/index", "fastify/index", "testing/index"];

let packed: PackedClient;
let folder: string;

beforeAll(async () => {
  packed = await packClient();
  folder = await packed.install(["fastify", "express", "@types/express", "@types/node"]);
}, slow);
afterAll(() => packed?.[Symbol.asyncDispose]());

/** Prepended to snippets that use the verifier of an earlier snippet. */
const given = `declare const verifier: import("@postern/client").Verifier;\n`;

/** The `ts` blocks of a document, in their order. */
async function snippets(path: string): Promise<string[]> {
  const text = await readFile(join(TOP, path), "utf8");
  return [...text.matchAll(/^```ts\n(.*?)^```/gms)].map(([, code = ""]) => code);
}

async function typeCheck(files: Readonly<Record<string, string>>): Promise<string> {
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  const compilerOptions = {
    target: "es2024",
    module: "nodenext",
    types: ["node"],
    noEmit: true,
    strict: true,
    skipLibCheck: false,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
  };
  const config = join(folder, "tsconfig.json");
  await writeFile(config, JSON.stringify({ compilerOptions, files: Object.keys(files) }));
  return run("tsc", ["-p", config], { cwd: folder });
}

describe("the packages hold", () => {
  test("what was built of the client, with its types, and nothing else", () => {
    const files = packed.files["@postern/client"] ?? [];
    const others = files.filter((file) => !/^dist\/[\w/-]+\.(?:js|d\.ts)$/.test(file));
    expect(others.sort()).toEqual(["LICENSE", "README.md", "package.json"]);
    for (const entry of entries) {
      expect(files).toEqual(expect.arrayContaining([`dist/${entry}.js`, `dist/${entry}.d.ts`]));
    }
    expect(files.filter((file) => /test\.|fixture|auth\/src/.test(file))).toEqual([]);
  });

  test("every file that the package exports", async () => {
    const { exports } = JSON.parse(await readFile(join(TOP, "services/client/package.json"), "utf8"));
    const targets = Object.values<string>(exports).map((target) => target.replace(/^\.\//, ""));
    expect(packed.files["@postern/client"]).toEqual(expect.arrayContaining(targets));
  });

  test("what was generated of the contracts, and nothing else", () => {
    const files = packed.files["@postern/proto"] ?? [];
    const others = files.filter((file) => !/^src\/[\w/]+_pb\.(?:js|d\.ts)$/.test(file));
    expect(others.sort()).toEqual(["LICENSE", "package.json"]);
    expect(files).toContain("src/postern/auth/v1/auth_service_pb.js");
  });
});

test("the snippets of both READMEs compile with the strictest settings, without further types", {
  timeout: slow,
}, async () => {
  const [protect = ""] = await snippets("README.md");
  const documented = await snippets("services/client/README.md");
  expect(documented.length).toBeGreaterThan(3);
  const files = Object.fromEntries(
    documented.map((code, index) => [
      `documented-${index}.ts`,
      code.includes("const verifier =") ? code : given + code,
    ]),
  );
  expect(await typeCheck({ "protect.ts": protect, ...files })).toBe("");
});

describe("documentation of the exports", () => {
  const source = join(TOP, "services/client/src");

  test("every export has a doc comment, and every function, constant and class an example", async () => {
    for (const entry of entries) {
      const found = await publicExports(join(source, `${entry}.ts`));
      expect(found.length).toBeGreaterThan(2);
      for (const { name, isValue, doc } of found) {
        expect(doc, `${entry}: ${name} has no doc comment`).not.toBe("");
        if (isValue) expect(examplesIn(doc), `${entry}: ${name} has no example`).not.toEqual([]);
      }
    }
  });

  test("the example of every export compiles", { timeout: slow }, async () => {
    const files: Record<string, string> = {};
    for (const entry of entries) {
      for (const { name, doc } of await publicExports(join(source, `${entry}.ts`))) {
        for (const [index, code] of examplesIn(doc).entries()) {
          // Every example compiles alone.
          files[`${entry.replace("/", "-")}-${name}-${index}.ts`] = `${code}\nexport {};\n`;
        }
      }
    }
    expect(Object.keys(files).length).toBeGreaterThan(20);
    expect(await typeCheck(files)).toBe("");
  });

  test("an export without a comment, and an example that does not compile, are found", async () => {
    const path = join(folder, "planted.ts");
    await writeFile(
      path,
      "export function bare(): void {}\n/** Documented.\n * @example\n * ```ts\n * missing();\n * ```\n */\nexport const other = 1;\n",
    );
    const [bare, other] = await publicExports(path);
    expect([bare?.isValue, bare?.doc]).toEqual([true, ""]);
    const [code = ""] = examplesIn(other?.doc ?? "");
    await expect(typeCheck({ "planted-example.ts": code })).rejects.toThrow("missing");
  });
});

test("the compiler reports a missing option", { timeout: slow }, async () => {
  const code = `import { createVerifier } from "@postern/client";\ncreateVerifier({ issuer: "https://a.example" });\n`;
  await expect(typeCheck({ "wrong.ts": code })).rejects.toThrow("audience");
});

test("the README's service lets a token in until it is revoked", { timeout: slow }, async () => {
  await using site = await startSite();
  const port = await freePort();
  const [protect = ""] = await snippets("README.md");
  const code = protect.replace("http://127.0.0.1:8080", site.issuer).replace("3000", String(port));
  await writeFile(join(folder, "service.ts"), code);
  await using service = await startService({
    command: process.execPath,
    args: ["--import", END_WITH_TEST, "service.ts"],
    cwd: folder,
    env: { TOKEN: TOKENS.admin },
    port,
  });
  const { accessToken } = await site.tokens();
  expect(await service.status("/")).toBe(401);
  expect(await service.status("/", accessToken)).toBe(200);
  expect(await service.status("/", `${accessToken}x`)).toBe(401);
  await site.auth.revoke({ target: { case: "token", value: accessToken } });
  await poll("the revoked token is refused", 20_000, async () =>
    (await service.status("/", accessToken)) === 401 ? true : undefined,
  );
  expect(await service.status("/", (await site.tokens()).accessToken)).toBe(200);
});

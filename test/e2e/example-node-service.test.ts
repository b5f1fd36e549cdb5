import { cp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { poll } from "../support/poll.ts";
import { freePort } from "../support/ports.ts";
import { TOKENS } from "../support/servers/server-process.ts";
import { packClient, run } from "./packed-client.ts";
import { startSite } from "./protected-site.ts";
import { END_WITH_TEST, startService } from "./service-process.ts";

const EXAMPLE = `${import.meta.dirname}/../../examples/node-service`;

test("examples/node-service answers the right callers, and ends on SIGTERM", {
  timeout: 300_000,
}, async () => {
  await using packed = await packClient();
  const folder = await packed.install(["@types/node"]);
  await cp(join(EXAMPLE, "service.ts"), join(folder, "service.ts"));
  const compilerOptions = {
    target: "es2024",
    module: "nodenext",
    types: ["node"],
    noEmit: true,
    strict: true,
  };
  await writeFile(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["service.ts"] }));
  await run("tsc", ["-p", folder], {});

  await using site = await startSite();
  const port = await freePort();
  await using service = await startService({
    command: process.execPath,
    args: ["--import", END_WITH_TEST, "service.ts"],
    cwd: folder,
    env: { ISSUER: site.issuer, TOKEN: TOKENS.admin, PORT: String(port) },
    port,
  });
  const { status } = service;
  const reader = await site.tokens(["orders.read"]);
  const other = await site.tokens();
  expect(await status("/healthz")).toBe(200);
  expect(await status("/orders")).toBe(401);
  expect(await status("/nothing")).toBe(401);
  expect(await status("/orders", reader.accessToken)).toBe(200);
  expect(await status("/nothing", reader.accessToken)).toBe(404);
  expect(await status("/orders", other.accessToken)).toBe(403);

  await site.auth.revoke({ target: { case: "userId", value: reader.userId } });
  await poll("the user's token is refused", 20_000, async () =>
    (await status("/orders", reader.accessToken)) === 401 ? true : undefined,
  );
  expect(await status("/orders", other.accessToken)).toBe(403);
  expect(await service.stop()).toBe(0);
});

import { readFile } from "node:fs/promises";
import { describe } from "vitest";
import { type FrontProxy, isInstalled, readdress, startFrontProxy } from "../support/servers/front-proxy.ts";
import { forwardAuthSuite, type Places } from "./forward-auth.suite.ts";

const program = "/usr/bin/caddy";

describe.skipIf(!(await isInstalled(program)))(
  `deploy/proxies/caddy/Caddyfile (skipped where ${program} is not installed)`,
  () => {
    forwardAuthSuite({ start, passesEveryStatus: true });
  },
);

async function start({ postern, application }: Places): Promise<FrontProxy> {
  const example = await readFile(`${import.meta.dirname}/../../deploy/proxies/caddy/Caddyfile`, "utf8");
  return startFrontProxy({
    program,
    words: () => ["run", "--config", "Caddyfile", "--adapter", "caddyfile"],
    files: ({ port }) => ({
      Caddyfile: readdress(example, {
        "\n:8000 {": `\n{\n\tadmin off\n\tauto_https off\n}\n\nhttp://127.0.0.1:${port} {`,
        "127.0.0.1:8080": postern,
        "127.0.0.1:3000": application,
      }),
    }),
  });
}

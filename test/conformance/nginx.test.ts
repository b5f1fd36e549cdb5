import { readFile } from "node:fs/promises";
import { describe } from "vitest";
import { type FrontProxy, isInstalled, readdress, startFrontProxy } from "../support/servers/front-proxy.ts";
import { forwardAuthSuite, type Places } from "./forward-auth.suite.ts";

const program = "/usr/sbin/nginx";

describe.skipIf(!(await isInstalled(program)))(
  `deploy/proxies/nginx/nginx.conf (skipped where ${program} is not installed)`,
  () => {
    forwardAuthSuite({ start, passesEveryStatus: false });
  },
);

async function start({ postern, application }: Places): Promise<FrontProxy> {
  const example = await readFile(`${import.meta.dirname}/../../deploy/proxies/nginx/nginx.conf`, "utf8");
  const folders = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path ${name};`,
  );
  return startFrontProxy({
    program,
    words: (folder) => [
      ...["-p", folder, "-c", `${folder}/nginx.conf`, "-e", "stderr"],
      ...[
        "-g",
        `daemon off; pid ${folder}/nginx.pid;${process.getuid?.() === 0 ? " user nobody nogroup;" : ""}`,
      ],
    ],
    files: ({ port }) => ({
      "nginx.conf": readdress(example, {
        "http {": `http {\n  access_log off;\n  ${folders.join("\n  ")}`,
        "127.0.0.1:8080": postern,
        "127.0.0.1:3000": application,
        "listen 8000": `listen 127.0.0.1:${port}`,
      }),
    }),
  });
}

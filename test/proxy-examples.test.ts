import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { describe, expect, onTestFinished, test } from "vitest";
import { parse } from "yaml";
import {
  identityHeaders,
  identitySpellings,
} from "../services/auth/src/domain/access/proxy/identity-headers.ts";
import { envoyContracts } from "./support/clients/envoy.ts";
import { foldedIdentityNames } from "./support/clients/folded-names.ts";

const deploy = `${import.meta.dirname}/../deploy/proxies`;
const read = (path: string) => parse(readFileSync(`${deploy}/${path}`, "utf8"));

/** Every value under a name, however deep. */
function valuesUnder(value: unknown, name: string): unknown[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, one]) => [
    ...(key === name ? [one] : []),
    ...valuesUnder(one, name),
  ]);
}

describe("Envoy's", () => {
  test("is a configuration of Envoy, to the letter", () => {
    const folder = mkdtempSync(`${tmpdir()}/postern-envoy-`);
    onTestFinished(() => rmSync(folder, { recursive: true }));
    cpSync(envoyContracts.root, folder, { recursive: true });
    writeFileSync(
      `${folder}/buf.yaml`,
      JSON.stringify({ version: "v2", modules: envoyContracts.folders.map((path) => ({ path })) }),
    );
    // The package brings rules that are older than the contracts which use them.
    const rules = `${folder}/protoc-gen-validate/validate/validate.proto`;
    const text = readFileSync(rules, "utf8");
    writeFileSync(rules, text.replace("message StringRules {", "$& optional bool ignore_empty = 26;"));
    const paths = [
      ...["config/bootstrap/v3", "extensions/upstreams/http/v3", "extensions/filters/http/ext_authz/v3"],
      ...["extensions/filters/http/router/v3", "extensions/filters/network/http_connection_manager/v3"],
    ].flatMap((path) => ["--path", `${folder}/envoy-api/envoy/${path}`]);
    const image = `${folder}/image.binpb`;
    execFileSync("buf", ["build", folder, ...paths, "-o", image]);
    const written = execFileSync("buf", [
      ...["convert", image, "--type", "envoy.config.bootstrap.v3.Bootstrap"],
      ...["--from", `${deploy}/envoy/envoy.yaml`, "--to", "-#format=json"],
    ]);
    expect(JSON.parse(written.toString())).toHaveProperty("staticResources.listeners");
  });

  test("I09: lets nothing pass undecided", () => {
    const example = read("envoy/envoy.yaml");
    expect(valuesUnder(example, "failure_mode_allow")).toEqual([false]);
    expect(valuesUnder(example, "status_on_error")).toEqual([{ code: "ServiceUnavailable" }]);
    expect(valuesUnder(example, "failure_mode_allow_header_add")).toEqual([]);
  });
});

test("I09: Istio's lets nothing pass undecided, and asks about everything", () => {
  const [provider, ...others] = read("istio/mesh-config.yaml").meshConfig.extensionProviders;
  expect(others).toEqual([]);
  expect(provider).toMatchObject({
    name: "postern",
    envoyExtAuthzGrpc: { failOpen: false, statusOnError: "503" },
  });
  expect(read("istio/authorization-policy.yaml").spec).toMatchObject({
    action: "CUSTOM",
    provider: { name: "postern" },
    rules: [{}],
  });
});

test("I03: Traefik's example trusts no header of the client, and removes every spelling of an identity header", () => {
  const { middlewares, routers } = read("traefik/dynamic.yaml").http;
  const { forwardAuth } = middlewares.postern;
  expect(forwardAuth).toMatchObject({ trustForwardHeader: false, authRequestHeaders: ["Authorization"] });
  // JavaScript does not have Go's `(?i)`.
  const [, pattern] = /^\(\?i\)(.*)$/.exec(forwardAuth.authResponseHeadersRegex) ?? [];
  const removed = new RegExp(pattern ?? "", "i");
  for (const name of [...identityHeaders, ...identitySpellings, ...foldedIdentityNames]) {
    expect(name).toMatch(removed);
  }
  expect("Authorization").not.toMatch(removed);
  expect(routers.application.middlewares).toEqual(["postern"]);
});

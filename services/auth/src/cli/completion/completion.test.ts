import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { main } from "../../main.ts";
import type { Command } from "../command.ts";
import { fakeIo } from "../io.fixture.ts";
import { commands as allCommands } from "../table.ts";
import { createCompletion } from "./completion.ts";

const run = async () => undefined;
const commands: Command[] = [
  {
    path: ["serve"],
    summary: "Run it",
    usage: "",
    options: { now: { type: "boolean", help: "at once" } },
    run,
  },
  {
    path: ["key", "make"],
    summary: "Make a key: it's [new]",
    usage: "",
    options: {
      alg: { type: "string", choices: ["ES256", "EdDSA"], help: "the [kind]: one of them" },
      file: { type: "string", value: "PATH", help: "where it's kept" },
      name: { type: "string", value: "N", multiple: true, help: "a name" },
    },
    run,
  },
  { path: ["key", "list"], summary: "List keys", usage: "", options: {}, run },
  createCompletion(() => commands),
];

async function script(shell: string, of: readonly Command[] = commands): Promise<string> {
  const { io, written } = fakeIo();
  expect(await main(["completion", shell], io, of)).toBe(0);
  expect(written.stderr).toBe("");
  return written.stdout;
}

const isThere = (shell: string) => spawnSync(shell, ["-c", "exit 0"]).status === 0;

const folder = mkdtempSync(join(tmpdir(), "postern-test-completion-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe("bash", () => {
  /** What bash is offered for the last of these words, as readline would ask. */
  async function offered(...words: string[]): Promise<string[]> {
    const asked = `eval "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
complete -p postern >/dev/null || exit 1
_postern
printf '%s\\n' "\${COMPREPLY[@]}"`;
    const args = ["--norc", "-c", asked, "bash", await script("bash"), "postern", ...words];
    const text = execFileSync("bash", args, {
      cwd: folder,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
    });
    return text.split("\n").filter((line) => line !== "");
  }

  test.each([
    [[""], ["serve", "key", "completion", "--help"]],
    [["s"], ["serve"]],
    [
      ["key", ""],
      ["make", "list", "--help"],
    ],
    [["key", "l"], ["list"]],
    [
      ["key", "make", ""],
      ["--alg", "--file", "--name", "--json", "--help"],
    ],
    [["key", "make", "--json", "--a"], ["--alg"]],
    [
      ["key", "make", "--alg", ""],
      ["ES256", "EdDSA"],
    ],
    [["key", "make", "--alg", "=", "Ed"], ["EdDSA"]],
    [
      ["key", "make", "--alg", "="],
      ["ES256", "EdDSA"],
    ],
    [["key", "make", "--name", ""], []],
    [["key", "make", "--name", "x", "--n"], ["--name"]],
    [["serve", "--n"], ["--now"]],
    [["serve", "key", "--n"], ["--now"]],
    [
      ["completion", ""],
      ["bash", "zsh", "fish", "--json", "--help"],
    ],
    [
      ["nothing", ""],
      ["serve", "key", "completion", "--help"],
    ],
  ])("offers for %j: %j", async (words, expected) => {
    expect(await offered(...words)).toEqual(expected);
  });

  test("offers files for a path", async () => {
    writeFileSync(join(folder, "a secret"), "");
    expect(await offered("key", "make", "--file", "a ")).toEqual(["a secret"]);
  });

  test("reads the script of every command", async () => {
    expect(spawnSync("bash", ["-n"], { input: await script("bash", allCommands) })).toMatchObject({
      status: 0,
    });
  });
});

describe.skipIf(!isThere("zsh"))("zsh", () => {
  test("reads the script of every command", async () => {
    expect(spawnSync("zsh", ["-f", "-n"], { input: await script("zsh", allCommands) })).toMatchObject({
      status: 0,
    });
  });
});

describe.skipIf(!isThere("fish"))("fish", () => {
  test("offers commands and values", async () => {
    const asked = `${await script("fish")}\ncomplete -C "postern key make --alg "\ncomplete -C "postern key "`;
    const { status, stdout } = spawnSync("fish", ["--no-config"], { input: asked, encoding: "utf8" });
    expect(status).toBe(0);
    for (const word of ["ES256", "EdDSA", "make", "list"]) expect(stdout).toContain(word);
  });

  test("reads the script of every command", async () => {
    const input = await script("fish", allCommands);
    expect(spawnSync("fish", ["--no-config", "--no-execute"], { input })).toMatchObject({ status: 0 });
  });
});

test("nothing that a help says reaches a shell as more than text", async () => {
  const zsh = await script("zsh");
  expect(zsh).toContain("'make:Make a key: it'\\''s [new]'");
  expect(zsh).toContain("'--alg=[the \\[kind\\]\\: one of them]:alg:(ES256 EdDSA)'");
  expect(zsh).toContain("'*--name=[a name]:name: '");
  const fish = await script("fish");
  expect(fish).toContain("-l file -r -F -d 'where it\\'s kept'");
});

test("an unknown shell is wrong use", async () => {
  for (const args of [["completion"], ["completion", "tcsh"]]) {
    const { io, written } = fakeIo();
    expect(await main(args, io, commands)).toBe(2);
    expect(written).toEqual({ stdout: "", stderr: expect.stringContaining("bash, zsh, fish") });
  }
});

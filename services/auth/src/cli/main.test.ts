import { describe, expect, test } from "vitest";
import { ConfigError } from "../config/error.ts";
import { AuthError } from "../domain/errors.ts";
import { main } from "../main.ts";
import { type Command, CommandError, UsageError } from "./command.ts";
import { fakeIo } from "./io.fixture.ts";
import { commands } from "./table.ts";

function command(run: Command["run"]): Command {
  return {
    path: ["do", "it"],
    summary: "Does it",
    usage: "[--now]",
    options: { now: { type: "boolean", help: "At once" } },
    run,
  };
}

async function runMain(argv: readonly string[], run: Command["run"] = async () => undefined, env = {}) {
  const { io, written } = fakeIo({ env });
  const exitCode = await main(argv, io, [command(run)]);
  return { exitCode, ...written };
}

function failing(error: unknown): Command["run"] {
  return async () => {
    throw error;
  };
}

describe("an answer", () => {
  test("is text, or JSON on one line, on stdout alone", async () => {
    const answer = async () => ({ id: "usr_1" });
    expect(await runMain(["do", "it"], answer)).toEqual({ exitCode: 0, stdout: "id  usr_1\n", stderr: "" });
    expect(await runMain(["do", "it", "--json"], answer)).toEqual({
      exitCode: 0,
      stdout: '{"id":"usr_1"}\n',
      stderr: "",
    });
  });

  test("may be nothing", async () => {
    expect(await runMain(["do", "it"])).toEqual({ exitCode: 0, stdout: "", stderr: "" });
  });
});

describe("help", () => {
  test("of a command prints its usage and options, and runs nothing", async () => {
    const { exitCode, stdout } = await runMain(["do", "it", "--help"], failing(new Error("ran")));
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^usage: postern do it \[--now\]\n\nDoes it\n\noptions:\n {2}--now +At once\n/);
  });

  test.each([[["--help"]], [["do", "--help"]]])("of %j lists the commands", async (argv) => {
    const { exitCode, stdout } = await runMain(argv);
    expect({ exitCode, stdout }).toEqual({
      exitCode: 0,
      stdout: expect.stringContaining("  do it  Does it\n"),
    });
  });

  test.each(commands.map((it) => [it.path.join(" "), it] as const))(
    "of `%s` is there",
    async (_, { path, summary }) => {
      const { io, written } = fakeIo();
      expect(await main([...path, "--help"], io)).toBe(0);
      expect(written.stdout).toContain(`usage: postern ${path.join(" ")}`);
      expect(written.stdout).toContain(summary);
    },
  );
});

describe("exit code 2, with nothing on stdout", () => {
  test.each([
    [[], "commands:"],
    [["do"], "commands:"],
    [["--wrong"], "commands:"],
    [["don"], "see postern --help"],
    [["do", "it", "--wrong"], "usage: postern do it [--now]"],
    [["do", "it", "surplus"], "usage: postern do it [--now]"],
  ])("for %j", async (argv, message) => {
    const { exitCode, stdout, stderr } = await runMain(argv);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: "" });
    expect(stderr).toContain(message);
  });

  test.each([
    ["wrong use", new UsageError("--email is required"), "--email is required\nusage: postern do it"],
    [
      "a wrong configuration",
      new ConfigError([{ setting: "POSTERN_X", message: "no" }]),
      "\n  POSTERN_X: no\n",
    ],
    ["a malformed argument", new AuthError("INVALID_REQUEST", { message: "no address" }), "no address\n"],
  ])("for %s", async (_, error, message) => {
    const { exitCode, stdout, stderr } = await runMain(["do", "it"], failing(error));
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: "" });
    expect(stderr).toContain(message);
  });
});

describe("exit code 1, with one line on stderr", () => {
  const refused = Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });

  test.each([
    ["a refusal", new AuthError("NOT_FOUND", { message: "no such user" }), "no such user"],
    ["a command's failure", new CommandError("the file is empty"), "the file is empty"],
    [
      "an unexpected fault",
      new TypeError("x is not a function\nmore"),
      "unexpected fault: x is not a function",
    ],
    ["faults of several addresses", new AggregateError([refused]), "unexpected fault: connect ECONNREFUSED"],
    ["a fault without words", new Error(""), "unexpected fault: no reason given"],
  ])("for %s", async (_, error, message) => {
    const { exitCode, stdout, stderr } = await runMain(["do", "it"], failing(error));
    expect({ exitCode, stdout, stderr }).toEqual({
      exitCode: 1,
      stdout: "",
      stderr: `postern do it: ${message}\n`,
    });
  });

  test("and the stack with POSTERN_LOG_LEVEL=debug", async () => {
    const { stderr } = await runMain(["do", "it"], failing(new Error("broken")), {
      POSTERN_LOG_LEVEL: "debug",
    });
    expect(stderr).toContain("main.test.ts");
  });
});

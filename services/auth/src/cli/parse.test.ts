import { describe, expect, test } from "vitest";
import { type Command, UsageError } from "./command.ts";
import { findCommand, parseCommandArgs } from "./parse.ts";

function command(...path: string[]): Command {
  return {
    path,
    summary: "",
    usage: "",
    options: {
      email: { type: "string", help: "" },
      role: { type: "string", multiple: true, help: "" },
    },
    run: async () => undefined,
  };
}

const create = command("user", "create");
const commands = [command("serve"), create, command("user", "get")];

describe("finding", () => {
  test.each([
    [["serve"], { kind: "command", command: commands[0], rest: [] }],
    [["user", "create", "--email", "a"], { kind: "command", command: create, rest: ["--email", "a"] }],
    [["user", "get", "a@b"], { kind: "command", command: commands[2], rest: ["a@b"] }],
    [["user", "--help"], { kind: "group", words: ["user"], rest: ["--help"] }],
    [[], { kind: "group", words: [], rest: [] }],
  ])("%j", (argv, expected) => {
    expect(findCommand(commands, argv)).toEqual(expected);
  });

  test.each([
    [["serv"], "no such command; did you mean `serve`?"],
    [["user", "craete"], "no such command; did you mean `create`?"],
    [["frobnicate"], "no such command"],
  ])("%j names no command", (argv, message) => {
    expect(() => findCommand(commands, argv)).toThrow(new UsageError(message));
  });
});

describe("arguments", () => {
  test("options that may be repeated are kept in order", () => {
    const { values } = parseCommandArgs(create, ["--role", "a", "--email=x", "--role=b", "--json"]);
    expect(values).toEqual({ role: ["a", "b"], email: "x", json: true });
  });

  test.each([
    [["--email", "-kWo_3"], "-kWo_3"],
    [["--email=-kWo_3"], "-kWo_3"],
    [["--email", "-"], "-"],
    [["--email", "-a=b c"], "-a=b c"],
  ])("%j has a value that begins with a dash, as page tokens can", (argv, email) => {
    expect(parseCommandArgs(create, argv).values).toEqual({ email });
  });

  test.each([
    [["--", "--email", "-x"]],
    [["--json", "-x"]],
    [["--email", "--", "-x"]],
    [["--passwort", "hunter2"]],
    [["--password=hunter2"]],
    [["--email"]],
    [["--email", "--json"]],
    [["--json=hunter2"]],
    [["--email", "a", "--email", "hunter2"]],
    [["hunter2"]],
    [["--", "hunter2"]],
    [["-x"]],
  ])("%j is wrong use, and the error does not repeat the value", (argv) => {
    expect(() => parseCommandArgs(create, argv)).toThrow(UsageError);
    expect(() => parseCommandArgs(create, argv)).not.toThrow(/hunter2/);
  });

  test("a command gets as many arguments as it has", () => {
    const get = { ...create, maxPositionals: 1 };
    expect(parseCommandArgs(get, ["a@b"]).positionals).toEqual(["a@b"]);
    expect(() => parseCommandArgs(get, ["a@b", "c@d"])).toThrow(UsageError);
  });
});

import { describe, expect, test } from "vitest";
import { parseId } from "../../lib/type-id.ts";
import { audit } from "../audit/audit.ts";
import { UsageError } from "../command.ts";
import { fakeIo } from "../io.fixture.ts";
import { parseCommandArgs } from "../parse.ts";
import { parseAskedEvents, toFilter } from "./audit-options.ts";

const now = new Date("2026-01-31T12:00:00Z");
const session = "ses_01h45ctjrt78tbthvwqsp9x1vp";
const users = {
  find: () => Promise.reject(new Error("no user is looked up")),
};

function filterOf(...argv: string[]) {
  return toFilter(parseAskedEvents(parseCommandArgs(audit, argv)), users, now);
}

describe("the filter", () => {
  test("is nothing, where nothing is", async () => {
    const filter = await filterOf();
    expect(filter.events).toEqual([]);
    expect(Object.values({ ...filter, events: undefined }).every((value) => value === undefined)).toBe(true);
  });

  test("is events, ids and texts", async () => {
    const user = session.replace("ses", "usr");
    const key = session.replace("ses", "key");
    const argv = [
      ...["--event", "login", "--event", "login_refused", "--user", user, "--session", session],
      ...["--client", "spa", "--caller", "web", "--address", "192.0.2.1", "--key", key, "--account", "m"],
    ];
    const { userId, sessionId, keyId, ...rest } = await filterOf(...argv);
    const uuid = parseId("ses", session);
    expect([userId, sessionId, keyId]).toEqual([uuid, uuid, uuid]);
    expect(rest).toMatchObject({
      events: ["login", "login_refused"],
      clientId: "spa",
      caller: "web",
      clientAddresses: ["192.0.2.1"],
      account: "m",
    });
  });

  test.each([
    ["2001:db8::9", ["2001:db8::9"]],
    ["2001:DB8:0:0::9", ["2001:db8::9", "2001:DB8:0:0::9"]],
    ["::ffff:203.0.113.7", ["203.0.113.7", "::ffff:203.0.113.7"]],
  ])("`--address` searches for the canonical spelling and for the given one: %s", async (text, addresses) => {
    expect((await filterOf("--address", text)).clientAddresses).toEqual(addresses);
  });

  test.each([
    ["1h", "2026-01-31T11:00:00Z"],
    ["30d", "2026-01-01T12:00:00Z"],
    ["0", "2026-01-31T12:00:00Z"],
    ["2026-01-30T00:00:00Z", "2026-01-30T00:00:00Z"],
    ["2026-01-30t01:00:00.5+01:00", "2026-01-30T00:00:00.500Z"],
    ["2024-02-29T23:59:59-01:00", "2024-03-01T00:59:59Z"],
    ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"],
    ["9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"],
  ])("is a time: %s", async (text, expected) => {
    expect((await filterOf("--since", text)).since).toEqual(new Date(expected));
    expect((await filterOf("--until", text)).until).toEqual(new Date(expected));
  });

  const faulty: [string[], RegExp][] = [
    [["--event", "logn"], /did you mean `login`/],
    [["--event", "nothing_like_it"], /login_refused/],
    [["--session", "ses_1"], /--session takes an ID/],
    [["--session", session.replace("ses", "usr")], /`ses_` and 26/],
    [["--key", session], /--key takes an ID/],
    [["--user", "usr_1"], /an ID is/],
    [["--address", "localhost"], /--address takes an IP address/],
    [["--address", "192.0.2.1:80"], /--address takes an IP address, without port, brackets or zone/],
    [["--address", "[2001:db8::9]"], /--address takes an IP address/],
    [["--address", "192.0.2.01"], /--address takes an IP address/],
    [["--since", "yesterday"], /--since takes a time/],
    [["--since", "2026-01-30"], /--since takes a time/],
    [["--since", "2026-13-30T00:00:00Z"], /--since takes a time/],
    [["--since", "2026-02-30T00:00:00Z"], /--since takes a time/],
    [["--since", "2025-02-29T00:00:00+01:00"], /--since takes a time/],
    [["--since", "2026-01-01T24:00:00Z"], /--since takes a time/],
    [["--since", "0000-01-01T00:00:00Z"], /--since takes a time/],
    [["--until", "0001-01-01T00:00:00+01:00"], /--until takes a time/],
    [["--until", "9999-12-31T23:59:59-00:01"], /--until takes a time/],
    [["--until", "-1h"], /--until/],
    [["--follow", "--until", "1h"], /leave out --until/],
    [["--follow", "--page-size", "5"], /leave out --page-size/],
  ];
  test.each(faulty)("is refused where it makes no sense: %j", async (argv, message) => {
    const run = async () => audit.run(parseCommandArgs(audit, argv), fakeIo().io);
    await expect(run()).rejects.toThrow(UsageError);
    await expect(run()).rejects.toThrow(message);
  });
});

import fc from "fast-check";
import { expect, test } from "vitest";
import { SettingError } from "../error.ts";
import { defaultLoginLimits, parseLoginLimits } from "./login-limits.ts";

const defaults = {
  account: { count: 10, windowMs: 600_000 },
  accountAll: { count: 100, windowMs: 3_600_000 },
  address: { count: 100, windowMs: 600_000 },
  total: { count: 1000, windowMs: 60_000 },
};

test("the default is what its text says", () => {
  expect(parseLoginLimits(defaultLoginLimits)).toEqual(defaults);
});

test.each([
  ["account=5/1m", { account: { count: 5, windowMs: 60_000 } }],
  [
    "total=1/1s,account_all=1000000/24h",
    {
      accountAll: { count: 1_000_000, windowMs: 86_400_000 },
      total: { count: 1, windowMs: 1000 },
    },
  ],
  ["address=7/1d", { address: { count: 7, windowMs: 86_400_000 } }],
  ["account=off", { account: undefined }],
  ["account_all=off,address=off", { accountAll: undefined, address: undefined }],
])("%s changes what it names; the rest keeps its default", (text, changed) => {
  expect(parseLoginLimits(text)).toStrictEqual({ ...defaults, ...changed });
});

test("all may be switched off", () => {
  const off = { account: undefined, accountAll: undefined, address: undefined, total: undefined };
  expect(parseLoginLimits("account=off,account_all=off,address=off,total=off")).toStrictEqual(off);
});

test.each([
  ...[
    "",
    ",",
    "off",
    "account",
    "account=",
    "account=10",
    "account=10/",
    "account=/10m",
    "account=10/10m/1m",
  ],
  ...["account=10/10m,", ",account=10/10m", "account=10/10m, total=off", " account=off", "account=off "],
  ...["account=10/10m;total=off", "account:10/10m", "Account=off", "account=OFF", "account =off"],
  ...["accounts=10/10m", "accountAll=off", "session=1/1m", "__proto__=off", "account_all"],
  ...["account=off,account=off", "account=10/10m,total=off,account=5/1m", "total=off,total=1/1m"],
  ...["account=0/10m", "account=-1/10m", "account=1000001/10m", "account=1.5/10m", "account=010/10m"],
  ...["account=10/999ms", "account=10/0s", "account=10/0", "account=10/25h", "account=10/86401s"],
  ...["account=10/10", "account=10/1h30m", "account=10/ 10m", "account=10/10m\n", "account=10 / 10m"],
])("O14: %j is refused", (text) => {
  expect(() => parseLoginLimits(text)).toThrow(SettingError);
});

test("a refusal says which entry and what to write, never what was written", () => {
  expect(() => parseLoginLimits("account=off,s3cret=1/1s")).toThrow(
    /^entry 2 does not begin with account, account_all, address, total; write entries such as/,
  );
  expect(() => parseLoginLimits("address=s3cret/1m")).toThrow(
    /^address is a count, a slash and a span, or `off`: write a whole number from 1 to 1000000$/,
  );
  expect(() => parseLoginLimits("total=1/s3cret")).toThrow(
    /^total is .+: write one whole number and one unit/,
  );
  expect(() => parseLoginLimits("total=off,total=1/1s")).toThrow(/^names total twice; leave one out$/);
});

test("any set of names, counts and spans within the bounds is read back", () => {
  const plain = { noNullPrototype: true };
  const count = fc.integer({ min: 1, max: 1_000_000 });
  const windowMs = fc.integer({ min: 1000, max: 86_400_000 });
  const limit = fc.option(fc.record({ count, windowMs }, plain), { nil: undefined });
  const limits = fc.record({ account: limit, accountAll: limit, address: limit, total: limit }, plain);
  fc.assert(
    fc.property(limits, (given) => {
      const write = (name: string, one: typeof given.account) =>
        `${name}=${one === undefined ? "off" : `${one.count}/${one.windowMs}ms`}`;
      const { account, accountAll, address, total } = given;
      const entries = [
        write("total", total),
        write("account_all", accountAll),
        write("account", account),
        write("address", address),
      ];
      expect(parseLoginLimits(entries.join(","))).toStrictEqual(given);
    }),
  );
});

import fc from "fast-check";
import { expect, test } from "vitest";
import type { RedisTarget } from "../../domain/ports/redis-target.ts";
import { SettingError } from "../error.ts";
import { parseRedisUrl } from "./redis-url.ts";

const single: RedisTarget = {
  mode: "single",
  hosts: [{ host: "h", port: 6379 }],
  tls: false,
  username: undefined,
  password: undefined,
  db: 0,
  masterName: undefined,
  sentinelAuth: false,
};
const sentinel: RedisTarget = {
  ...single,
  mode: "sentinel",
  hosts: [{ host: "h", port: 26_379 }],
  masterName: "m",
};
const cluster: RedisTarget = { ...single, mode: "cluster" };
const host = (name: string, port = 6379) => ({ host: name, port });

test.each<[string, RedisTarget]>([
  ["redis://h", single],
  ["redis://h:6380", { ...single, hosts: [host("h", 6380)] }],
  ["redis://h/0", single],
  ["redis://h/", single],
  ["redis://h:6379/", single],
  ["redis://h/1/", { ...single, db: 1 }],
  ["redis://h/15", { ...single, db: 15 }],
  ["redis://h:1/7", { ...single, hosts: [host("h", 1)], db: 7 }],
  ["rediss://h:65535", { ...single, tls: true, hosts: [host("h", 65_535)] }],
  ["redis://127.0.0.1", { ...single, hosts: [host("127.0.0.1")] }],
  ["redis://[::1]", { ...single, hosts: [host("::1")] }],
  ["redis://[2001:db8::1]:7000/1", { ...single, hosts: [host("2001:db8::1", 7000)], db: 1 }],
  ["redis://redis_1.internal-net", { ...single, hosts: [host("redis_1.internal-net")] }],
  ["redis://:p@h", { ...single, password: "p" }],
  ["redis://u:p@h", { ...single, username: "u", password: "p" }],
  ["redis://u:p:q@h", { ...single, username: "u", password: "p:q" }],
  ["redis://u%3Av:p%40%2F%3F%23%25%20%C3%BC@h", { ...single, username: "u:v", password: "p@/?#% ü" }],
  ["redis://:a+b=c&d%2Ce@h", { ...single, password: "a+b=c&d,e" }],
])("one server: %s", (text, expected) => {
  expect(parseRedisUrl(text)).toStrictEqual(expected);
});

test.each<[string, RedisTarget]>([
  ["redis+sentinel://h/m", sentinel],
  ["redis+sentinel://h/m/", sentinel],
  ["redis+sentinel://h/m/0/", sentinel],
  ["redis+sentinel://:p@h/m/?sentinel_auth=same", { ...sentinel, password: "p", sentinelAuth: true }],
  ["rediss+sentinel://h/m", { ...sentinel, tls: true }],
  [
    "redis+sentinel://u:p@a,b:5000,[::1]:5001/my-master_1.eu/3",
    {
      ...sentinel,
      hosts: [host("a", 26_379), host("b", 5000), host("::1", 5001)],
      username: "u",
      password: "p",
      masterName: "my-master_1.eu",
      db: 3,
    },
  ],
  ["redis+sentinel://:p@h/m?sentinel_auth=same", { ...sentinel, password: "p", sentinelAuth: true }],
])("Sentinels: %s", (text, expected) => {
  expect(parseRedisUrl(text)).toStrictEqual(expected);
});

test.each<[string, RedisTarget]>([
  ["redis+cluster://h", cluster],
  ["redis+cluster://h/", cluster],
  ["redis+cluster://h/0", cluster],
  ["rediss+cluster://h", { ...cluster, tls: true }],
  [
    "redis+cluster://u:p@a:7000,a:7001,[2001:db8::1]",
    {
      ...cluster,
      hosts: [host("a", 7000), host("a", 7001), host("2001:db8::1")],
      username: "u",
      password: "p",
    },
  ],
])("a Cluster: %s", (text, expected) => {
  expect(parseRedisUrl(text)).toStrictEqual(expected);
});

const refusals = {
  "another scheme": [
    ...["", "h:6379", "redis:h", "redis:/h", "//h", "http://h", "unix:///run/redis.sock", "REDIS://h"],
    ...[
      "redis+tls://h",
      "redis+sentinels://h/m",
      "sentinel://h/m",
      "redis+sentinel+cluster://h/m",
      " redis://h",
    ],
  ],
  "no host, or an empty one": [
    ...["redis://", "redis:///0", "redis://:p@", "redis://:6379", "redis+cluster://", "redis+sentinel:///m"],
    ...["redis+cluster://a,", "redis+cluster://,a", "redis+cluster://a,,b", "redis+sentinel://,/m"],
  ],
  "what is no host": [
    ...["redis://127.1", "redis://256.0.0.1", "redis://0x7f000001", "redis://::1", "redis://::1:6379"],
    ...["redis://[h]", "redis://[]", "redis://[127.0.0.1]", "redis://[::1", "redis://[fe80::1%25eth0]"],
    ...[
      "redis://-h",
      "redis://h-",
      "redis://a..b",
      "redis://a b",
      "redis://a%62",
      "redis://ä",
      "redis://h;i",
    ],
    ...[`redis://${"a".repeat(64)}`, "redis+cluster://a, b", "redis+cluster://a;b", "redis://h\n"],
  ],
  "a bad port": [
    ...["redis://h:", "redis://h:0", "redis://h:65536", "redis://h:06379", "redis://h:x", "redis://h:-1"],
    ...["redis://h:6379:1", "redis://[::1]6379", "redis+cluster://a:7000,b:70000", "redis://h:6379 "],
  ],
  "several hosts for one server": ["redis://a,b", "rediss://:p@a:1,a:2"],
  "a host twice": [
    ...[
      "redis+cluster://a,a",
      "redis+cluster://a,b,A",
      "redis+cluster://a,a:6379",
      "redis+sentinel://a:1,a:1/m",
    ],
    ...["redis+sentinel://a,a:26379/m", "redis+cluster://[::1],[0:0:0:0:0:0:0:1]"],
  ],
  "a user without a password, or nothing before the @": [
    ...["redis://u@h", "redis://u:@h", "redis://@h", "redis://:@h", "redis+sentinel://u@a,b/m"],
  ],
  "what is not percent-encoded": [
    ...[
      "redis://:a@b@h",
      "redis://:a/b@h",
      "redis://:a?b@h",
      "redis://:a#b@h",
      "redis://:a b@h",
      "redis://:a\\b@h",
    ],
    ...[
      "redis://:a%@h",
      "redis://:%zz@h",
      "redis://:%ff@h",
      "redis://u%:p@h",
      "redis+cluster://a,:p@b",
      "redis+cluster://a:7000,u:p@b",
      "redis://:a,b@h",
    ],
    ...["redis://u:1/p@h", "redis://u:1?p@h", "redis+sentinel://u:1/p@h/m", "redis+sentinel://u:1/m?p=q@h"],
  ],
  "another path": [
    ...[
      "redis:///",
      "redis://h/16",
      "redis://h/-1",
      "redis://h/01",
      "redis://h/1.0",
      "redis://h/x",
      "redis://h//",
      "redis://h/1//",
    ],
    ...[
      "redis://h/0/0",
      "redis+cluster://h//",
      "redis+cluster://h/0/0",
      "redis+cluster://h/1",
      "redis+sentinel://h",
      "redis+sentinel://h/",
    ],
    ...[
      "redis+sentinel://h//1",
      "redis+sentinel://h/m//",
      "redis+sentinel://h/m/16",
      "redis+sentinel://h/m/0/0",
    ],
    ...["redis+sentinel://h/m%20", "redis+sentinel://h/mä"],
  ],
  "another parameter": [
    ...[
      "redis://h?",
      "redis://h?db=1",
      "redis://h?tls=true",
      "redis+cluster://h?x=y",
      "redis+sentinel://h/m?",
    ],
    ...["redis://:p@h?sentinel_auth=same", "redis+cluster://:p@h?sentinel_auth=same"],
    ...["redis+sentinel://:p@h/m?sentinel_auth=same&x=y", "redis+sentinel://:p@h/m?sentinel_auth_x=same"],
    ...["redis+sentinel://:p@h/m?sentinel_auth", "redis+sentinel://:p@h/m?sentinel_auth=other"],
    ...[
      "redis+sentinel://:p@h/m?sentinel_auth=same&sentinel_auth=same",
      "redis+sentinel://:p@h/m?Sentinel_Auth=same",
    ],
    "redis+sentinel://h/m?sentinel_auth=same",
  ],
};

test.each(Object.entries(refusals).flatMap(([what, texts]) => texts.map((text) => [what, text] as const)))(
  "O14: %s is refused: %j",
  (_, text) => {
    expect(() => parseRedisUrl(text)).toThrow(SettingError);
  },
);

test("a refusal says what to write", () => {
  const messages = {
    "redis://": /^host 1 is empty; write `redis:\/\//,
    "redis://a,b": /^name one host; several need `redis\+sentinel:\/\/` or `redis\+cluster:\/\/`$/,
    "redis+cluster://a,b,A": /^hosts 1 and 3 are the same; leave one out$/,
    "redis+cluster://[::ffff:10.0.0.1],b,10.0.0.1": /^hosts 1 and 3 are the same/,
    "redis+cluster://a,b:0": /^host 2 needs a port from 1 to 65535/,
    "redis://u@h": /^write `user:password@` or `:password@`/,
    "redis://:a@b@h": /percent-encode/,
    "redis+sentinel://h": /the Sentinels' name of the primary/,
    "redis+cluster://h/1": /a Cluster has one database/,
    "redis+sentinel://h/m?timeout=1":
      /^leave out the parameter `timeout`; there is only `sentinel_auth=same`/,
    "redis+sentinel://h/m?sentinel_auth=same": /^`sentinel_auth` needs /,
  };
  for (const [text, message] of Object.entries(messages)) expect(() => parseRedisUrl(text)).toThrow(message);
});

const schemes = fc.constantFrom("redis", "rediss", "redis+sentinel", "rediss+cluster");
const ends = fc.constantFrom("", "/0", "/m", "/m/3", "/16", "?x=y", "/m?sentinel_auth=same");

test("credentials with any characters are read back", () => {
  const credential = fc.string({ unit: "grapheme", minLength: 1 });
  fc.assert(
    fc.property(credential, credential, (username, password) => {
      const credentials = `${encodeURIComponent(username)}:${encodeURIComponent(password)}`;
      expect(parseRedisUrl(`redis://${credentials}@h`)).toStrictEqual({ ...single, username, password });
    }),
  );
});

test("no message repeats a piece of the password, however it is broken up", () => {
  const piece = "s3cret";
  const joints = ["", ":", "/", "?", "#", "@", ",", "%", " ", "&", "[", "]", "/m?", "?x="];
  const password = fc
    .array(fc.constantFrom(...joints), { minLength: 1, maxLength: 4 })
    .map((parts) => parts.join(piece) + piece);
  const url = fc.tuple(
    schemes,
    fc.constantFrom("", "u", "u:"),
    password,
    fc.constantFrom("@h", "@a,b", "@", ""),
    ends,
  );
  fc.assert(
    fc.property(url, ([scheme, user, secret, hosts, end]) => {
      try {
        parseRedisUrl(`${scheme}://${user}${secret}${hosts}${end}`);
      } catch (error) {
        expect(error).toBeInstanceOf(SettingError);
        expect(String(error)).not.toContain(piece);
      }
    }),
    { numRuns: 2000 },
  );
});

test("any other text is refused with a fault of the setting, nothing else", () => {
  fc.assert(
    fc.property(schemes, fc.string({ unit: "binary-ascii" }), (scheme, rest) => {
      try {
        const { hosts } = parseRedisUrl(`${scheme}://${rest}`);
        expect(hosts.length).toBeGreaterThan(0);
      } catch (error) {
        expect(error).toBeInstanceOf(SettingError);
      }
    }),
  );
});

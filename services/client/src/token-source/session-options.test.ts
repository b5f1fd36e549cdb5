import { expect, test } from "vitest";
import { posternSession } from "./postern-session.ts";
import type { PosternSessionOptions } from "./session-options.ts";

const login = { identifier: "ada", password: "a secret of ada" };
const good = { baseUrl: "http://127.0.0.1:1", token: "t", login };

test.each<[string, object]>([
  ...[
    "localhost:8080",
    "grpc://postern:9090",
    "dns:///postern:9090",
    "",
    undefined,
    "http://a:b@postern",
  ].map((baseUrl): [string, object] => ["baseUrl", { baseUrl }]),
  ["token", { token: "" }],
  ["token", { token: undefined }],
  ["token", { token: "hush-hush\n" }],
  ["httpVersion", { httpVersion: "3" }],
  ["login", { login: "ada" }],
  ["login.identifier", { login: { ...login, identifier: "" } }],
  ["login.password", { login: { ...login, password: undefined } }],
  ["login.clientId", { login: { ...login, clientId: "" } }],
  ["login.audience", { login: { ...login, audience: "orders" } }],
  ["login.audience", { login: { ...login, audience: [""] } }],
  ["login.scope", { login: { ...login, scope: "orders.read" } }],
  ["login.device", { login: { ...login, device: 1 } }],
  ["login.scopes", { login: { ...login, scopes: ["orders.read"] } }],
  ["refreshToken", { refreshToken: "ptn_rt_hush-hush\n" }],
  ["refreshToken", { refreshToken: "Bearer ptn_rt_hush" }],
  ["onRefreshToken", { onRefreshToken: "keep" }],
  ["refreshtoken", { refreshtoken: "ptn_rt_0" }],
])("an invalid option is refused, and the error names it: %s %j", (name, fault) => {
  const make = () => posternSession({ ...good, ...fault } as PosternSessionOptions);
  expect(make).toThrow(TypeError);
  expect(make).toThrow(new RegExp(`^\`${name}\``));
  expect(make).not.toThrow("hush");
});

test.each([{}, { refreshToken: "" }, { login: undefined }])(
  "a session without a login and without a refresh token is refused: %j",
  (more) => {
    const { login: _, ...rest } = good;
    expect(() => posternSession({ ...rest, ...more } as PosternSessionOptions)).toThrow(
      "set `login`, `refreshToken`, or both",
    );
  },
);

test("valid options are accepted", () => {
  posternSession(good);
  posternSession({
    ...good,
    httpVersion: "2",
    onRefreshToken: () => {},
    refreshToken: `ptn_rt_${"0".repeat(83)}`,
  });
  posternSession({ ...good, login: { ...login, clientId: "shop", audience: [], scope: ["a"], device: "" } });
});

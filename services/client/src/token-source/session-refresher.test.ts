import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { TokenSetSchema } from "@postern/proto/postern/auth/v1/session_pb.js";
import { ErrorDetailSchema, Reason } from "@postern/proto/postern/error/v1/error_detail_pb.js";
import { describe, expect, test } from "vitest";
import type { PosternSessionOptions } from "./session-options.ts";
import { keepSession } from "./session-refresher.ts";

type Options = Pick<PosternSessionOptions, "login" | "refreshToken" | "onRefreshToken">;
const login = { identifier: "ada@example.com", password: "a password" };
const withCode = (code: string) => expect.objectContaining({ name: "PosternError", code });

function tokens(number: number) {
  const [accessToken, refreshToken] = [`at${number}`, `rt${number}`];
  return create(TokenSetSchema, { accessToken, refreshToken, expiresIn: 300, tokenType: "Bearer" });
}

function refusal(reason: Reason, retryAfterMs?: number): ConnectError {
  const retryAfter = retryAfterMs === undefined ? {} : { retryAfter: durationFromMs(retryAfterMs) };
  return new ConnectError("no", Code.Unknown, undefined, [
    { desc: ErrorDetailSchema, value: { reason, ...retryAfter } },
  ]);
}

/** A session over calls that answer, or fail, as the test says, in this order. */
function setUp(options: Options, ...answers: readonly (ReturnType<typeof tokens> | Error)[]) {
  const left = [...answers];
  const asked: string[][] = [];
  const rests: number[] = [];
  let ids = 0;
  async function answer(...call: string[]) {
    asked.push(call);
    const next = left.shift();
    if (next === undefined) throw new Error("nothing more was expected");
    if (next instanceof Error) throw next;
    return next;
  }
  const origin = keepSession(
    options,
    { refresh: (refreshToken, id) => answer("refresh", refreshToken, id), login: () => answer("login") },
    {
      newRequestId: () => `id${++ids}`,
      random: () => 0,
      delay: async (ms) => void rests.push(ms),
    },
  );
  return { origin, asked, rests };
}

test("logs in, and refreshes from then on", async () => {
  const { origin, asked } = setUp({ login }, tokens(1), tokens(2), tokens(2), tokens(3));
  expect(await origin.obtain()).toEqual({ accessToken: "at1", expiresInMs: 300_000 });
  for (const accessToken of ["at2", "at2", "at3"])
    expect(await origin.obtain()).toMatchObject({ accessToken });
  // A token younger than the grace is returned unchanged, and keeps its request ID.
  expect(asked).toEqual([
    ["login"],
    ["refresh", "rt1", "id1"],
    ["refresh", "rt2", "id2"],
    ["refresh", "rt2", "id2"],
  ]);
});

test("starts with the given refresh token", async () => {
  const { origin, asked } = setUp({ login, refreshToken: "rt0" }, tokens(1));
  expect(await origin.obtain()).toMatchObject({ accessToken: "at1" });
  expect(asked).toEqual([["refresh", "rt0", "id1"]]);
});

describe("when the answer is lost,", () => {
  test("the same refresh token is sent with the same request ID", async () => {
    const lost = new ConnectError("reset", Code.Aborted);
    const { origin, asked, rests } = setUp({ refreshToken: "rt0" }, lost, lost, tokens(1));
    expect(await origin.obtain()).toMatchObject({ accessToken: "at1" });
    expect(asked).toEqual([1, 2, 3].map(() => ["refresh", "rt0", "id1"]));
    expect(rests).toEqual([100, 200]);
  });

  test("also by a later attempt", async () => {
    const lost = new ConnectError("too late", Code.DeadlineExceeded);
    const { origin, asked } = setUp({ refreshToken: "rt0" }, lost, lost, lost, tokens(1));
    await expect(origin.obtain()).rejects.toEqual(withCode("ERR_UNAVAILABLE"));
    expect(await origin.obtain()).toMatchObject({ accessToken: "at1" });
    expect(asked).toEqual([1, 2, 3, 4].map(() => ["refresh", "rt0", "id1"]));
  });
});

describe("Postern's refusals:", () => {
  test.each([
    [Reason.UNAVAILABLE, 500, [500]],
    [Reason.OVERLOADED, undefined, [100]],
    [Reason.INTERNAL, 10, [100]],
  ])("%s is temporary", async (reason, retryAfterMs, expected) => {
    const { origin, rests } = setUp({ login }, refusal(reason, retryAfterMs), tokens(1));
    expect(await origin.obtain()).toMatchObject({ accessToken: "at1" });
    expect(rests).toEqual(expected);
  });

  test.each([[Reason.RATE_LIMITED], [Reason.UNAVAILABLE]])(
    "%s for long is not waited for",
    async (reason) => {
      const { origin, asked } = setUp({ login }, refusal(reason, 60_000));
      await expect(origin.obtain()).rejects.toMatchObject({ code: "ERR_UNAVAILABLE", retryAfterMs: 60_000 });
      expect(asked).toHaveLength(1);
    },
  );

  test.each([
    [Reason.INVALID_CREDENTIALS],
    [Reason.INVALID_CLIENT],
    [Reason.NOT_PERMITTED],
    [Reason.SCOPE_TOO_WIDE],
    [Reason.INVALID_REQUEST],
  ])("%s is a refused login", async (reason) => {
    const { origin, asked } = setUp({ login }, refusal(reason));
    await expect(origin.obtain()).rejects.toEqual(withCode("ERR_LOGIN_REFUSED"));
    expect(asked).toHaveLength(1);
  });

  const ends = [Reason.SESSION_ENDED, Reason.REFRESH_TOKEN_REUSED, Reason.INVALID_REFRESH_TOKEN];
  test.each(ends)("%s ends the session, permanently if there is no login", async (reason) => {
    const { origin, asked } = setUp({ refreshToken: "rt0" }, refusal(reason));
    await expect(origin.obtain()).rejects.toEqual(withCode("ERR_SESSION_ENDED"));
    await expect(origin.obtain()).rejects.toEqual(withCode("ERR_SESSION_ENDED"));
    expect(asked).toHaveLength(1);
  });

  test.each(ends)("%s makes it log in again", async (reason) => {
    const { origin, asked } = setUp({ login, refreshToken: "rt0" }, refusal(reason), tokens(1));
    expect(await origin.obtain()).toMatchObject({ accessToken: "at1" });
    expect(asked).toEqual([["refresh", "rt0", "id1"], ["login"]]);
  });

  test("an error that keeps the session does not cause a login", async () => {
    const { origin, asked } = setUp({ login, refreshToken: "rt0" }, refusal(Reason.NOT_PERMITTED), tokens(1));
    await expect(origin.obtain()).rejects.toEqual(withCode("ERR_LOGIN_REFUSED"));
    expect(await origin.obtain()).toMatchObject({ accessToken: "at1" });
    expect(asked).toEqual([1, 2].map(() => ["refresh", "rt0", "id1"]));
  });
});

test("an answer without tokens is a refused login", async () => {
  const { origin } = setUp({ login }, create(TokenSetSchema));
  await expect(origin.obtain()).rejects.toEqual(withCode("ERR_LOGIN_REFUSED"));
});

describe("a new refresh token is handed over", () => {
  test("before its access token is returned, and only once", async () => {
    const stored: string[] = [];
    const handing = Promise.withResolvers<void>();
    const onRefreshToken = (refreshToken: string) => {
      stored.push(refreshToken);
      return handing.promise;
    };
    const { origin } = setUp({ login, onRefreshToken }, tokens(1), tokens(1), tokens(2));
    let isGiven = false;
    const first = origin.obtain().then(() => {
      isGiven = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect([stored, isGiven]).toEqual([["rt1"], false]);
    handing.resolve();
    await first;
    await origin.obtain();
    await origin.obtain();
    expect(stored).toEqual(["rt1", "rt2"]);
  });

  test("again, before it is used, if that failed", async () => {
    const stored: string[] = [];
    const cause = new Error("the disk is full");
    const onRefreshToken = async (refreshToken: string) => {
      stored.push(refreshToken);
      if (stored.length < 3) throw cause;
    };
    const { origin, asked } = setUp({ login, onRefreshToken }, tokens(1), tokens(2));
    for (let times = 0; times < 2; times++) {
      await expect(origin.obtain()).rejects.toMatchObject({ code: "ERR_UNAVAILABLE", cause });
    }
    expect(asked).toEqual([["login"]]);
    expect(await origin.obtain()).toMatchObject({ accessToken: "at2" });
    expect(stored).toEqual(["rt1", "rt1", "rt1", "rt2"]);
  });
});

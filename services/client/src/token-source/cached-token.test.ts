import { describe, expect, test } from "vitest";
import { PosternError } from "../core/postern-error.ts";
import { keepToken } from "./cached-token.ts";
import type { ObtainedToken } from "./token-source.ts";
import { Unavailable } from "./unavailable.ts";

/** A source with a stopped clock, and a provider whose answers the test gives. */
function setUp(random = 0) {
  let nowMs = 1_000_000;
  const asked: PromiseWithResolvers<ObtainedToken>[] = [];
  const origin = {
    obtain() {
      const answer = Promise.withResolvers<ObtainedToken>();
      asked.push(answer);
      return answer.promise;
    },
  };
  const source = keepToken(origin, { elapsedMs: () => nowMs, random: () => random });
  return {
    source,
    asked,
    pass(ms: number) {
      nowMs += ms;
    },
    /** Answers the request that was made last. */
    async answer(accessToken: string, expiresInMs = 300_000) {
      asked.at(-1)?.resolve({ accessToken, expiresInMs });
      await settled();
    },
    async fail(error: unknown) {
      asked.at(-1)?.reject(error);
      await settled();
    },
  };
}

/** Resolves when all that waits for nothing but promises has gone on. */
const settled = () => new Promise<void>((resolve) => setImmediate(resolve));
const withCode = (code: string) => expect.objectContaining({ name: "PosternError", code });
const unavailable = new PosternError("ERR_UNAVAILABLE", "down");

describe("a token is", () => {
  test("requested at the first use, once for all waiting callers", async () => {
    const { source, asked, answer } = setUp();
    expect(asked).toHaveLength(0);
    const both = Promise.all([source.token(), source.token()]);
    await answer("a");
    expect(await both).toEqual(["a", "a"]);
    expect(await source.token()).toBe("a");
    expect(asked).toHaveLength(1);
  });

  test.each([
    ["at six tenths of its life", 0, 180_000],
    ["at eight tenths at the latest", 1, 240_000],
  ])("renewed %s by a call that does not wait", async (_, random, renewAtMs) => {
    const { source, asked, answer, pass } = setUp(random);
    const first = source.token();
    await answer("a");
    await first;
    pass(renewAtMs - 1);
    expect(await source.token()).toBe("a");
    expect(asked).toHaveLength(1);
    pass(1);
    expect([await source.token(), await source.token()]).toEqual(["a", "a"]);
    expect(asked).toHaveLength(2);
    await answer("b");
    expect(await source.token()).toBe("b");
  });

  test.each([
    ["5 s", 300_000, 295_000],
    ["a tenth of a short life", 10_000, 9_000],
  ])("not returned %s before its end", async (_, lifeMs, deadAtMs) => {
    const { source, asked, answer, pass } = setUp();
    const first = source.token();
    pass(0);
    await answer("a", lifeMs);
    await first;
    pass(deadAtMs);
    const second = source.token();
    await settled();
    expect(asked).toHaveLength(2);
    await answer("b");
    expect(await second).toBe("b");
  });

  test("as old as its request, even if the answer is late", async () => {
    const { source, asked, answer, pass } = setUp();
    const first = source.token();
    pass(296_000);
    await answer("a");
    expect(await first).toBe("a");
    const second = source.token();
    expect(asked).toHaveLength(2);
    await answer("b");
    expect(await second).toBe("b");
  });
});

describe("while the provider fails,", () => {
  test("an unexpired token is returned, and the retry delay grows", async () => {
    const { source, asked, answer, fail, pass } = setUp();
    const first = source.token();
    await answer("a");
    await first;
    pass(180_000);
    // Half of 250 ms, and twice as long each time: of random numbers, the least.
    for (const restMs of [125, 250, 500]) {
      const before = asked.length;
      expect(await source.token()).toBe("a");
      expect(asked).toHaveLength(before + 1);
      await fail(unavailable);
      pass(restMs - 1);
      expect(await source.token()).toBe("a");
      expect(asked).toHaveLength(before + 1);
      pass(1);
    }
    expect(await source.token()).toBe("a");
    await answer("b");
    expect(await source.token()).toBe("b");
  });

  test("calls fail immediately until the retry delay is over", async () => {
    const { source, asked, answer, fail, pass } = setUp();
    const rejected = expect(source.token()).rejects.toBe(unavailable);
    await fail(unavailable);
    await rejected;
    await expect(source.token()).rejects.toBe(unavailable);
    expect(asked).toHaveLength(1);
    pass(125);
    const second = source.token();
    await answer("a");
    expect(await second).toBe("a");
  });

  test("the provider's retry delay is used if it is longer", async () => {
    const { source, asked, fail, pass } = setUp();
    const rejected = expect(source.token()).rejects.toEqual(withCode("ERR_UNAVAILABLE"));
    await fail(new Unavailable("later", { retryAfterMs: 60_000 }));
    await rejected;
    pass(59_999);
    await expect(source.token()).rejects.toEqual(withCode("ERR_UNAVAILABLE"));
    expect(asked).toHaveLength(1);
    pass(1);
    source.token().catch(() => {});
    expect(asked).toHaveLength(2);
  });

  test("a refused login is retried after about half a minute, because each attempt counts as a failure", async () => {
    const { source, asked, fail, pass } = setUp();
    const rejected = expect(source.token()).rejects.toEqual(withCode("ERR_LOGIN_REFUSED"));
    await fail(new PosternError("ERR_LOGIN_REFUSED", "wrong"));
    await rejected;
    pass(14_999);
    await expect(source.token()).rejects.toEqual(withCode("ERR_LOGIN_REFUSED"));
    expect(asked).toHaveLength(1);
  });

  test("any other error becomes ERR_UNAVAILABLE, with its cause", async () => {
    const { source, fail } = setUp();
    const cause = new TypeError("any");
    const rejected = expect(source.token()).rejects.toMatchObject({ code: "ERR_UNAVAILABLE", cause });
    await fail(cause);
    await rejected;
  });

  test.each([
    ["secret\nline", 1_000],
    ["", 1_000],
    [undefined, 1_000],
    ["secret", Number.NaN],
    ["secret", "1000"],
    ["secret", undefined],
  ])(
    "an invalid answer is ERR_UNAVAILABLE, and no error repeats it: %j, %j",
    async (accessToken, expiresInMs) => {
      const { source, answer } = setUp();
      const failed = source.token().catch((thrown: Error) => thrown);
      await answer(
        accessToken as string,
        expiresInMs === undefined ? (null as never) : (expiresInMs as number),
      );
      const error = (await failed) as Error;
      expect(error).toEqual(withCode("ERR_UNAVAILABLE"));
      expect(`${error.stack} ${(error.cause as Error).stack}`).not.toContain("secret");
    },
  );

  test("the token of an ended session is not returned, even if it has not expired", async () => {
    const { source, answer, fail, pass } = setUp();
    const first = source.token();
    await answer("a");
    await first;
    pass(180_000);
    expect(await source.token()).toBe("a");
    await fail(new PosternError("ERR_SESSION_ENDED", "over"));
    await expect(source.token()).rejects.toEqual(withCode("ERR_SESSION_ENDED"));
  });
});

describe("a caller that gives up", () => {
  test("gets its own reason, and the request continues for the others", async () => {
    const { source, asked, answer } = setUp();
    const giveUp = new AbortController();
    const [given, waiting] = [source.token({ signal: giveUp.signal }), source.token()];
    const reason = new Error("enough");
    giveUp.abort(reason);
    await expect(given).rejects.toBe(reason);
    await answer("a");
    expect(await waiting).toBe("a");
    expect(asked).toHaveLength(1);
  });

  test("leaves its token to the next caller", async () => {
    const { source, asked, answer } = setUp();
    const giveUp = new AbortController();
    const given = source.token({ signal: giveUp.signal });
    giveUp.abort();
    await expect(given).rejects.toThrow("aborted");
    await answer("a");
    expect(await source.token()).toBe("a");
    expect(asked).toHaveLength(1);
  });

  test("before the call causes no request", async () => {
    const { source, asked } = setUp();
    await expect(source.token({ signal: AbortSignal.abort() })).rejects.toThrow("aborted");
    expect(asked).toHaveLength(0);
  });
});

describe("a token that was refused is", () => {
  test("renewed, and the caller waits", async () => {
    const { source, answer, pass } = setUp();
    const first = source.token();
    await answer("a");
    await first;
    pass(5_000);
    const other = source.token({ refused: "a" });
    await answer("b");
    expect(await other).toBe("b");
  });

  test("returned again if it was obtained only now", async () => {
    const { source, asked, answer, pass } = setUp();
    const first = source.token();
    await answer("a");
    await first;
    pass(4_999);
    expect(await source.token({ refused: "a" })).toBe("a");
    expect(asked).toHaveLength(1);
  });

  test("not renewed if there is another one already", async () => {
    const { source, asked, answer, pass } = setUp();
    const first = source.token();
    await answer("b");
    await first;
    pass(5_000);
    expect(await source.token({ refused: "a" })).toBe("b");
    expect(asked).toHaveLength(1);
  });
});

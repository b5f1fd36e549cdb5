import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createTokenSource } from "./create-token-source.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["performance", "Date"] }));
afterEach(() => void vi.useRealTimers());

test("a token that expired while the machine was suspended is not returned", async () => {
  let obtained = 0;
  const source = createTokenSource({
    async obtain() {
      obtained += 1;
      return { accessToken: `token-${obtained}`, expiresInMs: 300_000 };
    },
  });
  expect(await source.token()).toBe("token-1");
  vi.setSystemTime(Date.now() + 3_600_000);
  expect(await source.token()).toBe("token-2");
});

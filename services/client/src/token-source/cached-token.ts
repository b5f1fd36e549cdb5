import { ownMembers } from "../core/own-members.ts";
import { PosternError } from "../core/postern-error.ts";
import { isSendable } from "../sendable.ts";
import type { ObtainedToken, TokenProvider, TokenSource } from "./token-source.ts";
import { Unavailable } from "./unavailable.ts";

export interface KeepDeps {
  /** Milliseconds of an `ElapsedClock`. */
  readonly elapsedMs: () => number;
  /** A random number from 0 to 1. */
  readonly random: () => number;
}

interface Held {
  readonly token: string;
  readonly obtainedAtMs: number;
  /** From this time on, a call renews it. */
  readonly renewAtMs: number;
  /** From this time on, it is not returned. */
  readonly unusableAtMs: number;
}

interface Fault {
  readonly error: PosternError;
  /** No retry before this time. */
  readonly untilMs: number;
}

/** The share of its lifetime after which a token is renewed. It is random, because other processes start at the same time. */
const renewFrom = 0.6;
const renewSpread = 0.2;
/** A token is not returned this close to its end, because a call takes time; at most a tenth of its lifetime. */
const marginMs = 5_000;
/** If a server refuses a token younger than this, a new token would not help. */
const youngMs = 5_000;
/** Maximum delay before a retry: after the first failure, and after many. */
const retryDelays = {
  unavailable: { firstMs: 250, maxMs: 30_000 },
  // Each try counts as a failed login.
  refused: { firstMs: 30_000, maxMs: 300_000 },
};

/** Caches a provider's token, with one request to the provider at a time. */
export function keepToken(provider: TokenProvider, { elapsedMs, random }: KeepDeps): TokenSource {
  let held: Held | undefined;
  let fault: Fault | undefined;
  let failures = 0;
  let renewing: Promise<Held> | undefined;

  function renew(): Promise<Held> {
    if (renewing === undefined) {
      renewing = obtain().finally(() => {
        renewing = undefined;
      });
      // Its callers may have stopped waiting.
      renewing.catch(() => {});
    }
    return renewing;
  }

  async function obtain(): Promise<Held> {
    const requestedAtMs = elapsedMs();
    try {
      const { accessToken, expiresInMs } = takeToken(await provider.obtain());
      const lifeMs = Math.max(0, expiresInMs);
      held = {
        token: accessToken,
        obtainedAtMs: elapsedMs(),
        renewAtMs: requestedAtMs + lifeMs * (renewFrom + renewSpread * random()),
        unusableAtMs: requestedAtMs + lifeMs - Math.min(marginMs, lifeMs / 10),
      };
      failures = 0;
      fault = undefined;
      return held;
    } catch (thrown) {
      const error = asPosternError(thrown);
      if (error.code === "ERR_SESSION_ENDED") held = undefined;
      fault = { error, untilMs: elapsedMs() + retryDelayMs(error) };
      failures += 1;
      throw error;
    }
  }

  function retryDelayMs(error: PosternError): number {
    const { firstMs, maxMs } =
      error.code === "ERR_UNAVAILABLE" ? retryDelays.unavailable : retryDelays.refused;
    const retryDelayMs = Math.min(maxMs, firstMs * 2 ** Math.min(failures, 16)) * (0.5 + random() / 2);
    return error instanceof Unavailable ? Math.max(retryDelayMs, error.retryAfterMs) : retryDelayMs;
  }

  function usable(nowMs: number, refused: string | undefined): Held | undefined {
    if (held === undefined || nowMs >= held.unusableAtMs) return undefined;
    return held.token === refused && nowMs - held.obtainedAtMs >= youngMs ? undefined : held;
  }

  return {
    async token(options = {}) {
      const { signal, refused } = ownMembers(options);
      signal?.throwIfAborted();
      const nowMs = elapsedMs();
      const isTooEarly = fault !== undefined && nowMs < fault.untilMs;
      const good = usable(nowMs, refused);
      if (good !== undefined) {
        if (nowMs >= good.renewAtMs && !isTooEarly) void renew();
        return good.token;
      }
      if (fault !== undefined && isTooEarly) throw fault.error;
      return (await unlessAborted(renew(), signal)).token;
    },
  };
}

/** Checks the token here, because the HTTP library's error about an invalid header would contain it. */
function takeToken(obtained: ObtainedToken): ObtainedToken {
  const { accessToken, expiresInMs } = ownMembers(obtained);
  if (!isSendable(accessToken))
    throw new TypeError("`accessToken` is not a token: it must be printable ASCII");
  if (typeof expiresInMs !== "number" || Number.isNaN(expiresInMs)) {
    throw new TypeError("`expiresInMs` must be a number of milliseconds");
  }
  return { accessToken, expiresInMs };
}

function asPosternError(error: unknown): PosternError {
  return error instanceof PosternError
    ? error
    : new Unavailable("no access token could be obtained", { cause: error });
}

async function unlessAborted<T>(outcome: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return outcome;
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([outcome, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

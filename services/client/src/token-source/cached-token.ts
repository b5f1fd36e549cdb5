import { ownMembers } from "../core/own-members.ts";
import { PosternError } from "../core/postern-error.ts";
import { isSendable } from "../sendable.ts";
import type { ObtainedToken, TokenProvider, TokenSource } from "./token-source.ts";
import { Unavailable } from "./unavailable.ts";

export interface KeepDeps {
  /** Milliseconds of an `ElapsedClock`. */
  readonly elapsedMs: () => number;
  /** 0 to 1, evenly. */
  readonly random: () => number;
}

interface Held {
  readonly token: string;
  readonly obtainedAtMs: number;
  /** From then on the next call has it renewed. */
  readonly renewAtMs: number;
  /** From then on it is not given out. */
  readonly deadAtMs: number;
}

interface Fault {
  readonly error: PosternError;
  /** Until then nobody asks again. */
  readonly untilMs: number;
}

/** A part of its life after which a token is renewed: a random one, for others began at the same time. */
const renewFrom = 0.6;
const renewSpread = 0.2;
/** So long before its end it is taken for dead, for a call takes time; of a short life a tenth. */
const marginMs = 5_000;
/** A token so young that is refused is refused for another reason than its age. */
const youngMs = 5_000;
/** How long to rest after a failure, at most: the first time, and after many. */
const rests = {
  unavailable: { firstMs: 250, longestMs: 30_000 },
  // Each try counts as a failed login.
  refused: { firstMs: 30_000, longestMs: 300_000 },
};

/** Keeps the token of an origin, one request to it at a time. */
export function keepToken(origin: TokenProvider, { elapsedMs, random }: KeepDeps): TokenSource {
  let held: Held | undefined;
  let fault: Fault | undefined;
  let failures = 0;
  let renewing: Promise<Held> | undefined;

  function renew(): Promise<Held> {
    if (renewing === undefined) {
      renewing = obtain().finally(() => {
        renewing = undefined;
      });
      // Whoever waited for it may be gone.
      renewing.catch(() => {});
    }
    return renewing;
  }

  async function obtain(): Promise<Held> {
    const askedAtMs = elapsedMs();
    try {
      const { accessToken, expiresInMs } = takeToken(await origin.obtain());
      const lifeMs = Math.max(0, expiresInMs);
      held = {
        token: accessToken,
        obtainedAtMs: elapsedMs(),
        renewAtMs: askedAtMs + lifeMs * (renewFrom + renewSpread * random()),
        deadAtMs: askedAtMs + lifeMs - Math.min(marginMs, lifeMs / 10),
      };
      failures = 0;
      fault = undefined;
      return held;
    } catch (thrown) {
      const error = asPosternError(thrown);
      if (error.code === "ERR_SESSION_ENDED") held = undefined;
      fault = { error, untilMs: elapsedMs() + restMs(error) };
      failures += 1;
      throw error;
    }
  }

  function restMs(error: PosternError): number {
    const { firstMs, longestMs } = error.code === "ERR_UNAVAILABLE" ? rests.unavailable : rests.refused;
    const restMs = Math.min(longestMs, firstMs * 2 ** Math.min(failures, 16)) * (0.5 + random() / 2);
    return error instanceof Unavailable ? Math.max(restMs, error.retryAfterMs) : restMs;
  }

  function usable(nowMs: number, refused: string | undefined): Held | undefined {
    if (held === undefined || nowMs >= held.deadAtMs) return undefined;
    return held.token === refused && nowMs - held.obtainedAtMs >= youngMs ? undefined : held;
  }

  return {
    async token(options = {}) {
      const { signal, refused } = ownMembers(options);
      signal?.throwIfAborted();
      const nowMs = elapsedMs();
      const isResting = fault !== undefined && nowMs < fault.untilMs;
      const good = usable(nowMs, refused);
      if (good !== undefined) {
        if (nowMs >= good.renewAtMs && !isResting) void renew();
        return good.token;
      }
      if (fault !== undefined && isResting) throw fault.error;
      return (await unlessAborted(renew(), signal)).token;
    },
  };
}

/** The HTTP library's error about a token that cannot be sent would contain the token. */
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
    : new Unavailable("no access token could be had", { cause: error });
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

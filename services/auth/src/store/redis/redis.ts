import { Cluster } from "ioredis";
import type { RedisTarget } from "../../domain/ports/redis-target.ts";
import { createBreaker } from "../../lib/breaker.ts";
import { within } from "../../lib/within.ts";
import { connectRedis, type RedisClient } from "./redis-client.ts";

/** Maximum time of a command. Without an answer by then, Redis counts as down. */
const timeoutMs = 50;
const retryDelayMs = 1_000;
/** Replies that say something of the server, nothing of the command: come again later, perhaps to another one. */
const unfit = /^(READONLY|LOADING|MASTERDOWN|CLUSTERDOWN|NOREPLICAS|NOAUTH|WRONGPASS)\b/;

/** Redis did not do it, for whatever reason. Never more than a reason to do without. */
export class RedisDownError extends Error {
  override readonly name = "RedisDownError";
}

/** The one way to Redis. */
export interface Redis extends AsyncDisposable {
  /**
   * Sends one command.
   * @throws {RedisDownError} on any error, or after 50 ms without an answer; at once while nobody waits for it
   */
  send(command: string, ...args: readonly (string | number)[]): Promise<unknown>;
  /** Whether it answers: one silence is borne, two in a row are not. */
  readonly isUp: boolean;
  /** Commands that were not carried out, since the start. */
  readonly faults: number;
}

export interface RedisDeps {
  readonly target: RedisTarget;
  readonly monotonicMs: () => number;
  /** Told when it goes down, with the cause, and when it is back. */
  readonly onChange: (isUp: boolean, cause: unknown) => void;
  /**
   * Called with the reason why there is no connection, or with the command that Redis refused. The reason never contains
   * text of the server, which may contain secrets.
   */
  readonly onFault: (reason: string) => void;
}

export function openRedis({ target, monotonicMs, onChange, onFault }: RedisDeps): Redis {
  const client = connectRedis(target, "postern");
  const breaker = createBreaker({ silences: 2, cooldownMs: retryDelayMs, nowMs: monotonicMs });
  /** Undefined until it has answered, or has not. */
  let isUp: boolean | undefined;
  let faults = 0;
  /** Whether the last command that failed was refused by a server that is not the one to ask. */
  let isUnfit = false;
  /** Why there is no connection; undefined where there is one, or nobody has said. */
  let lost: string | undefined;
  // Without a listener an error of the connection would end the process.
  client.on("error", (error: unknown) => {
    lost = codeOf(error);
    onFault(`no connection: ${lost}`);
  });

  function note(up: boolean, cause?: unknown): void {
    if (up !== isUp) onChange(up, cause);
    isUp = up;
  }

  function causeOf(error: unknown): unknown {
    if (lost !== undefined) return new Error(`no connection: ${lost}`);
    return client.status === "ready" ? error : new Error("not connected");
  }

  function failed(command: string, error: unknown): RedisDownError {
    faults += 1;
    const isReply = isRefusal(error);
    if (isReply) onFault(`${command}: ${codeOf(error)}`);
    isUnfit = isReply && unfit.test(error.message);
    const cause = isReply ? error : causeOf(error);
    if (isReply && !isUnfit) {
      // It answers: a stranger may have put something else under the key.
      breaker.answered();
      note(true);
    } else {
      if (isUnfit) breaker.open();
      if (isUnfit || breaker.silent()) {
        lookElsewhere(client);
        note(false, cause);
      }
    }
    return new RedisDownError("Redis did not do it", { cause });
  }

  async function send(command: string, ...args: readonly (string | number)[]): Promise<unknown> {
    if (!breaker.allows()) {
      faults += 1;
      throw new RedisDownError("Redis is given a rest");
    }
    try {
      const answer = await within(timeoutMs, "answer", client.call(command, ...args));
      breaker.answered();
      note(true);
      return answer;
    } catch (error) {
      throw failed(command, error);
    }
  }
  /** An idle server has nothing else to send by which it would learn that Redis is back. */
  function greet(): void {
    send("PING").catch(() => {
      if (client.status === "ready" && isUp !== true) setTimeout(greet, retryDelayMs).unref();
    });
  }
  // A new connection is a reason to try again, whatever rest was given.
  client.on("ready", () => {
    lost = undefined;
    // One that answers, but is a master no more, keeps its rest.
    if (!isUnfit) breaker.answered();
    greet();
  });

  return {
    send,
    get isUp() {
      return isUp === true;
    },
    get faults() {
      return faults;
    },
    async [Symbol.asyncDispose]() {
      client.disconnect();
    },
  };
}

export function isRefusal(error: unknown): error is Error & { name: "ReplyError" } {
  return error instanceof Error && error.name === "ReplyError";
}

/** What is wrong, without the server's own words: they may repeat what it was sent, the password too. */
export function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return "unknown";
  if (isRefusal(error)) return /^[A-Z]+/.exec(error.message)?.[0] ?? error.name;
  return "code" in error ? String(error.code) : error.name;
}

/**
 * Asks anew who the master is: one that is frozen, or a master no more, keeps its connections, and one that is frozen
 * even takes new ones, whose set-up it then does not answer.
 */
export function lookElsewhere(client: RedisClient): void {
  if (client instanceof Cluster) client.refreshSlotsCache(() => {});
  else if (client.status === "ready" || client.status === "connect") client.disconnect(true);
}

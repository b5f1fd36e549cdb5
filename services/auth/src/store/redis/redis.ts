import { Cluster } from "ioredis";
import type { RedisTarget } from "../../domain/ports/redis-target.ts";
import { createBreaker } from "../../lib/breaker.ts";
import { within } from "../../lib/within.ts";
import { connectRedis, type RedisClient } from "./redis-client.ts";

/** Maximum time of a command. A server that needs longer counts as down. */
const timeoutMs = 50;
/** How long the breaker stays open. */
const cooldownMs = 1_000;
/** Replies about the server rather than the command: another server may have to take over, or it may need more time. */
const notWritable = /^(READONLY|LOADING|MASTERDOWN|CLUSTERDOWN|NOREPLICAS|NOAUTH|WRONGPASS)\b/;

/** A Redis command failed or timed out. Callers go on without Redis. */
export class RedisDownError extends Error {
  override readonly name = "RedisDownError";
}

/** The only access to Redis. */
export interface Redis extends AsyncDisposable {
  /**
   * Sends one command.
   * @throws {RedisDownError} on any error, after 50 ms without an answer, and immediately while the breaker is open
   */
  send(command: string, ...args: readonly (string | number)[]): Promise<unknown>;
  /** False after two consecutive failures, and before the first answer. */
  readonly isUp: boolean;
  /** Commands that failed, timed out or were not sent, since the start. */
  readonly faults: number;
}

export interface RedisDeps {
  readonly target: RedisTarget;
  readonly monotonicMs: () => number;
  /** Called when Redis goes down, with the cause, and when it answers again. */
  readonly onChange: (isUp: boolean, cause: unknown) => void;
  /**
   * Called with the reason why there is no connection, or with the command that Redis refused. The reason never contains
   * text of the server, which may contain secrets.
   */
  readonly onFault: (reason: string) => void;
}

export function openRedis({ target, monotonicMs, onChange, onFault }: RedisDeps): Redis {
  const client = connectRedis(target, "postern");
  const breaker = createBreaker({ failures: 2, cooldownMs, nowMs: monotonicMs });
  /** Undefined before the first answer or failure. */
  let isUp: boolean | undefined;
  let faults = 0;
  /** Whether the last failed command was refused by a server that takes no writes now. */
  let isNotWritable = false;
  /** Why there is no connection; undefined if there is one, or if the reason is not known. */
  let lost: string | undefined;
  // Without a listener an error of the connection would end the process.
  client.on("error", (error: unknown) => {
    lost = codeOf(error);
    onFault(`no connection: ${lost}`);
  });

  function setUp(up: boolean, cause?: unknown): void {
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
    isNotWritable = isReply && notWritable.test(error.message);
    const cause = isReply ? error : causeOf(error);
    if (isReply && !isNotWritable) {
      // The server answers. An attacker may have put another type of value under the key.
      breaker.recordSuccess();
      setUp(true);
    } else {
      if (isNotWritable) breaker.open();
      if (isNotWritable || breaker.recordFailure()) {
        reconnect(client);
        setUp(false, cause);
      }
    }
    return new RedisDownError("A Redis command failed or timed out.", { cause });
  }

  async function send(command: string, ...args: readonly (string | number)[]): Promise<unknown> {
    if (!breaker.allows()) {
      faults += 1;
      throw new RedisDownError("Redis is down: the command was not sent.");
    }
    try {
      const answer = await within(timeoutMs, "answer", client.call(command, ...args));
      breaker.recordSuccess();
      setUp(true);
      return answer;
    } catch (error) {
      throw failed(command, error);
    }
  }
  /** An idle replica sends no other command that would show that Redis is back. */
  function ping(): void {
    send("PING").catch(() => {
      if (client.status === "ready" && isUp !== true) setTimeout(ping, cooldownMs).unref();
    });
  }
  // A new connection closes the breaker: the next command may succeed.
  client.on("ready", () => {
    lost = undefined;
    // But not if the server answers and takes no writes.
    if (!isNotWritable) breaker.recordSuccess();
    ping();
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

/** The kind of error, without the server's text, which may repeat what it was sent, including the password. */
export function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return "unknown";
  if (isRefusal(error)) return /^[A-Z]+/.exec(error.message)?.[0] ?? error.name;
  return "code" in error ? String(error.code) : error.name;
}

/**
 * Looks up the primary again. A frozen server, or one that is no longer the primary, keeps its connections open. A frozen
 * one even accepts new connections, and does not answer on them.
 */
export function reconnect(client: RedisClient): void {
  if (client instanceof Cluster) client.refreshSlotsCache(() => {});
  else if (client.status === "ready" || client.status === "connect") client.disconnect(true);
}

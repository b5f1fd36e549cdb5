import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import type { WatchRevocationsResponseSchema } from "@postern/proto/postern/auth/v1/auth_service_pb.js";
import { parseAccessToken } from "../core/access-token.ts";
import { maxLifeSeconds } from "../core/claims.ts";
import { ownMembers } from "../core/own-members.ts";
import {
  type RevocableClaims,
  type Revocation,
  RevocationSet,
  type RevocationTarget,
} from "../core/revocation-set.ts";
import { newId } from "./test-ids.ts";
import type { TestKeys } from "./test-keys.ts";

/** The target of a revocation: one token or session, or everything that was authenticated before. */
export type TestRevocation =
  | { readonly token: string }
  | { readonly sessionId: string }
  | { readonly userId: string }
  | { readonly clientId: string }
  | { readonly everything: true };

type WatchResponse = MessageInitShape<typeof WatchRevocationsResponseSchema>;
type Entry = Revocation & { readonly id: string };

const longestCheckpointMs = 2_000;
/** How long Postern keeps an entry after the tokens that it revokes have expired. */
const keepMs = 120_000;

/** A revocation log, and the stream of it. */
export class TestLog {
  readonly #keys: TestKeys;
  readonly #maxStalenessMs: number;
  /** Part of every cursor, so that cursors of other logs are refused. */
  readonly #name = newId("rev");
  readonly #set = new RevocationSet();
  readonly #entries: Entry[] = [];
  readonly #waiting = new Set<() => void>();

  constructor(keys: TestKeys, maxStalenessMs: number) {
    this.#keys = keys;
    this.#maxStalenessMs = maxStalenessMs;
  }

  /** Number of the last entry. */
  get sequence(): number {
    return this.#entries.length;
  }

  /** Whether a token with these claims is revoked. */
  revokes(claims: RevocableClaims): boolean {
    return this.#set.revokes(claims);
  }

  revoke(target: TestRevocation): void {
    this.add(toRevocationTarget(target));
  }

  add(target: RevocationTarget): void {
    const forgetAfterMs = Date.now() + maxLifeSeconds * 1_000 + keepMs;
    const entry = { id: newId("rev"), seq: this.sequence + 1, target, forgetAfterMs };
    this.#entries.push(entry);
    this.#set.add(entry);
    this.notify();
  }

  /** Notifies all streams that there may be something to send. */
  notify(): void {
    for (const wake of this.#waiting) wake();
  }

  /** Streams the log from a cursor on, and the keys. */
  async *watch(cursor: string, signal: AbortSignal): AsyncGenerator<WatchResponse> {
    let known = this.#placeOf(cursor);
    let keysVersion: number | undefined;
    while (!signal.aborted) {
      const { version, jwks } = this.#keys;
      const news = this.#entries.slice(known);
      known = this.sequence;
      yield {
        revocations: news.map(toMessage),
        ...(version === keysVersion ? {} : { keys: { jwks } }),
        checkpoint: {
          asOf: timestampFromMs(Date.now()),
          maxStaleness: durationFromMs(this.#maxStalenessMs),
          sequence: BigInt(known),
        },
        cursor: `${this.#name}.${known}`,
      };
      keysVersion = version;
      const isNews = () => this.sequence !== known || this.#keys.version !== keysVersion;
      if (!isNews()) await this.#change(Math.min(longestCheckpointMs, this.#maxStalenessMs / 5), signal);
    }
  }

  #placeOf(cursor: string): number {
    const place = cursor === "" ? 0 : Number(cursor.split(".", 2)[1]);
    if (cursor !== "" && cursor !== `${this.#name}.${place}`) {
      throw new ConnectError("`cursor` is invalid; call again without one", Code.OutOfRange);
    }
    return place;
  }

  /** Resolves at the next change, after `ms`, or when the signal is aborted. */
  #change(ms: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const wake = () => {
      clearTimeout(timer);
      this.#waiting.delete(wake);
      signal.removeEventListener("abort", wake);
      resolve();
    };
    const timer = setTimeout(wake, ms);
    this.#waiting.add(wake);
    signal.addEventListener("abort", wake);
    return promise;
  }
}

function toRevocationTarget(target: TestRevocation): RevocationTarget {
  const own = ownMembers(target);
  if ("token" in own) return { kind: "token", id: parseAccessToken(own.token).claims.jti };
  if ("sessionId" in own) return { kind: "session", id: own.sessionId };
  if ("userId" in own) return { kind: "user", id: own.userId };
  if ("clientId" in own) return { kind: "client", id: own.clientId };
  return { kind: "everything" };
}

const fields = {
  token: "tokenId",
  session: "sessionId",
  user: "userId",
  client: "clientId",
  key: "keyId",
} as const;

function toMessage({
  id,
  seq,
  target,
  forgetAfterMs,
}: Entry): NonNullable<WatchResponse["revocations"]>[number] {
  return {
    id,
    sequence: BigInt(seq),
    target:
      target.kind === "everything"
        ? { case: "everything", value: true }
        : { case: fields[target.kind], value: target.id },
    forgetAfter: timestampFromMs(forgetAfterMs),
  };
}

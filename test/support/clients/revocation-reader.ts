import type { WatchRevocationsResponse } from "@postern/proto/postern/auth/v1/auth_service_pb.js";
import { poll } from "../poll.ts";
import { type Clients, reasonOf } from "./clients.ts";

export interface SeenEntry {
  readonly id: string;
  readonly sequence: number;
  readonly kind: string;
  readonly target: string;
}

/** A reader of `WatchRevocations` that keeps everything that it received, in order. */
export interface RevocationReader {
  readonly messages: readonly WatchRevocationsResponse[];
  readonly entries: readonly SeenEntry[];
  /** Of the last key set that came. */
  readonly kids: readonly string[];
  readonly checkpoints: readonly { readonly asOfMs: number; readonly sequence: number }[];
  /** Of the last message. */
  readonly cursor: string;
  /** How the stream ended: `OK`, `cut` by this side, or a reason; undefined: it goes on. */
  readonly end: string | undefined;
  /** Resolves once a checkpoint says that all is here up to a number of the log. */
  until(sequence: number): Promise<void>;
  /** Resolves to how it ended. */
  readonly ended: Promise<string>;
  /** Hangs up; resolves when the stream has ended here. */
  cut(): Promise<void>;
}

const timeoutMs = 60_000;

export function openReader({ auth }: Pick<Clients, "auth">, cursor = ""): RevocationReader {
  const hangingUp = new AbortController();
  const messages: WatchRevocationsResponse[] = [];
  const entries: SeenEntry[] = [];
  const checkpoints: { asOfMs: number; sequence: number }[] = [];
  let kids: readonly string[] = [];
  let last = cursor;
  let end: string | undefined;

  function take(message: WatchRevocationsResponse): void {
    messages.push(message);
    for (const { id, sequence, target } of message.revocations) {
      const { case: kind = "", value } = target;
      entries.push({ id, sequence: Number(sequence), kind, target: String(value) });
    }
    if (message.keys !== undefined) kids = kidsIn(message.keys.jwks);
    last = message.cursor;
    const { asOf, sequence } = message.checkpoint ?? {};
    if (asOf === undefined || sequence === undefined) return;
    checkpoints.push({
      asOfMs: Number(asOf.seconds) * 1_000 + asOf.nanos / 1e6,
      sequence: Number(sequence),
    });
  }

  async function read(): Promise<string> {
    try {
      for await (const message of auth.watchRevocations({ cursor }, { signal: hangingUp.signal })) {
        take(message);
      }
      return "OK";
    } catch (error) {
      return hangingUp.signal.aborted ? "cut" : reasonOf(error);
    }
  }
  const reading = read().then((how) => {
    end = how;
    return how;
  });

  return {
    messages,
    entries,
    checkpoints,
    ended: reading,
    get kids() {
      return kids;
    },
    get cursor() {
      return last;
    },
    get end() {
      return end;
    },
    async until(sequence) {
      const isReached = () => (checkpoints.at(-1)?.sequence ?? -1) >= sequence;
      await poll(`a checkpoint at ${sequence}`, timeoutMs, async () =>
        isReached() || end !== undefined ? true : undefined,
      );
      if (!isReached()) throw new Error(`the stream has ended before entry ${sequence}: ${end}`);
    },
    async cut() {
      hangingUp.abort();
      await reading;
    },
  };
}

/** Names of the keys in a JWK Set, sorted. */
export function kidsIn(jwks: string): string[] {
  return (JSON.parse(jwks) as { keys: { kid: string }[] }).keys.map(({ kid }) => kid).sort();
}

// Many watchers in one process, each over its own connection, which report when an entry arrived.
import type { Target } from "../wire-forms.ts";
import { openWatchStream } from "./watch-stream.ts";
import { answer, sharedMs } from "./worker.ts";

/** Opened so many at a time. */
const atOnce = 20;

let count = 0;
/** What to look for in each message; empty: nothing. */
let wanted: Buffer = Buffer.alloc(0);
let seenMs: number[] = [];
let all = Promise.withResolvers<readonly number[]>();

answer({
  /** Resolves once each has had a message. */
  async join({ target, request, count: more }: { target: Target; request: string; count: number }) {
    for (let left = more; left > 0; left -= atOnce) {
      await Promise.all(Array.from({ length: Math.min(atOnce, left) }, () => join(target, request)));
    }
    count = more;
  },
  /** Looks for an id from now on. */
  async expect(id: string) {
    wanted = Buffer.from(id);
    seenMs = [];
    all = Promise.withResolvers();
    all.promise.catch(() => {});
  },
  /** When it came to each. */
  arrived: () => all.promise,
});

function join(target: Target, request: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  function take(message: Buffer): void {
    const nowMs = sharedMs();
    resolve();
    if (wanted.length === 0 || !message.includes(wanted)) return;
    seenMs.push(nowMs);
    if (seenMs.length === count) all.resolve(seenMs);
  }
  openWatchStream(target, Buffer.from(request, "base64"), take, (error) => {
    reject(error);
    all.reject(error);
  });
  return promise;
}

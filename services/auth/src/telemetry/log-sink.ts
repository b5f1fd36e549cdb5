import { writeSync } from "node:fs";

/** Where the log's lines go. */
export interface LogSink {
  /** Puts a line out at once, or as soon as there is room; in the order of the calls. Never waits, never throws. */
  write(line: string): void;
  /** Lines that were given up, since the start. */
  readonly dropped: number;
  /** Puts out what is kept, waiting for a slow reader for so long at the most; what is kept then is given up. */
  end(patienceMs: number): void;
}

export interface LogSinkOptions {
  /** @returns how many of the bytes were taken; throws where none can be, `EAGAIN` for the moment */
  readonly put: (bytes: Uint8Array) => number;
  /** Bytes that are kept for later at the most. */
  readonly limit: number;
}

const retryMs = 100;
const pauseMs = 10;

/** A sink that keeps lines while nothing takes them, and drops the newest where it would have to keep too many. */
export function createLogSink({ put, limit }: LogSinkOptions): LogSink {
  let kept: Buffer[] = [];
  let keptBytes = 0;
  let dropped = 0;
  let timer: NodeJS.Timeout | undefined;

  /** @returns `undefined` once nothing is kept, else why not */
  function putOut(): unknown {
    let done = 0;
    try {
      for (const bytes of kept) {
        const taken = put(bytes);
        keptBytes -= taken;
        if (taken < bytes.length) {
          kept[done] = bytes.subarray(taken);
          return "taken in part";
        }
        done += 1;
      }
      return undefined;
    } catch (error) {
      return error;
    } finally {
      kept = kept.slice(done);
    }
  }

  function retry(): void {
    timer = undefined;
    if (putOut() !== undefined) retryLater();
  }
  function retryLater(): void {
    timer ??= setTimeout(retry, retryMs).unref();
  }

  return {
    write(line) {
      const bytes = Buffer.from(line);
      if (keptBytes + bytes.length > limit) {
        dropped += 1;
        return;
      }
      kept.push(bytes);
      keptBytes += bytes.length;
      // Behind others it waits with them: to ask for each line anew would make a broken log dear.
      if (timer === undefined && putOut() !== undefined) retryLater();
    },
    get dropped() {
      return dropped;
    },
    end(patienceMs) {
      const untilMs = performance.now() + patienceMs;
      const pause = new Int32Array(new SharedArrayBuffer(4));
      for (;;) {
        const why = putOut();
        if (why === undefined || isForGood(why) || performance.now() >= untilMs) break;
        Atomics.wait(pause, 0, 0, pauseMs);
      }
      clearTimeout(timer);
      dropped += kept.length;
      [kept, keptBytes] = [[], 0];
    },
  };
}

/** A disk that is full or a pipe that is closed, rather than a reader who is slow. */
function isForGood(why: unknown): boolean {
  return why instanceof Error && !("code" in why && why.code === "EAGAIN");
}

/** Bytes that are kept while nobody reads stderr: some thousands of lines. */
const stderrLimit = 1024 * 1024;
const exitPatienceMs = 1_000;

/** The sink that writes to stderr, and puts out what it keeps when the process ends. */
export function openStderrSink(): LogSink {
  // Node makes a pipe non-blocking when it makes a stream of it; a reader who does not read would stop us otherwise.
  void process.stderr;
  const sink = createLogSink({ put: (bytes) => writeSync(2, bytes), limit: stderrLimit });
  process.on("exit", () => sink.end(exitPatienceMs));
  return sink;
}

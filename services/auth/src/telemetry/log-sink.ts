import { writeSync } from "node:fs";

/**
 * Where the log's lines go. Not sonic-boom, pino's own sink: its synchronous mode waits for a slow reader, and its
 * asynchronous mode lets a call go on before the call's line is written.
 */
export interface LogSink {
  /** Writes a line immediately, or as soon as there is room, in the order of the calls. Never waits, never throws. */
  write(line: string): void;
  /** Lines that were dropped since the start. */
  readonly dropped: number;
  /** Writes the lines that are still in memory. Waits up to `timeoutMs` for a slow reader, and drops what is left then. */
  end(timeoutMs: number): void;
}

export interface LogSinkOptions {
  /** @returns the number of bytes written. @throws `EAGAIN` if the reader is slow, any other error if writing failed */
  readonly put: (bytes: Uint8Array) => number;
  /** Maximum number of bytes in memory. */
  readonly limit: number;
}

const retryMs = 100;
const pauseMs = 10;

/** A sink that keeps lines in memory while the reader is slow. Above the limit it drops new lines. */
export function createLogSink({ put, limit }: LogSinkOptions): LogSink {
  let kept: Buffer[] = [];
  let keptBytes = 0;
  let dropped = 0;
  let timer: NodeJS.Timeout | undefined;

  /** @returns `undefined` if nothing is left in memory, else the reason */
  function flush(): unknown {
    let done = 0;
    try {
      for (const bytes of kept) {
        const written = put(bytes);
        keptBytes -= written;
        if (written < bytes.length) {
          kept[done] = bytes.subarray(written);
          return "written in part";
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
    if (flush() !== undefined) retryLater();
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
      // While lines wait for a retry, a new line waits with them: an attempt for each would make a broken log expensive.
      if (timer === undefined && flush() !== undefined) retryLater();
    },
    get dropped() {
      return dropped;
    },
    end(timeoutMs) {
      const untilMs = performance.now() + timeoutMs;
      const pause = new Int32Array(new SharedArrayBuffer(4));
      for (;;) {
        const reason = flush();
        if (reason === undefined || isPermanent(reason) || performance.now() >= untilMs) break;
        Atomics.wait(pause, 0, 0, pauseMs);
      }
      clearTimeout(timer);
      dropped += kept.length;
      [kept, keptBytes] = [[], 0];
    },
  };
}

/** A full disk or a closed pipe, rather than a slow reader. */
function isPermanent(reason: unknown): boolean {
  return reason instanceof Error && !("code" in reason && reason.code === "EAGAIN");
}

/** Maximum number of bytes in memory while stderr is not read: some thousands of lines. */
const stderrLimit = 1024 * 1024;
const exitTimeoutMs = 1_000;

/** The sink that writes to stderr. When the process ends, it writes what is still in memory. */
export function openStderrSink(): LogSink {
  // Node makes a pipe non-blocking when it makes a stream of it. Otherwise a reader that does not read would block us.
  void process.stderr;
  const sink = createLogSink({ put: (bytes) => writeSync(2, bytes), limit: stderrLimit });
  process.on("exit", () => sink.end(exitTimeoutMs));
  return sink;
}

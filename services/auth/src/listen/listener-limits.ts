import { readFileSync } from "node:fs";
import { getHeapStatistics } from "node:v8";

const KIB = 1024;

/** Open files that the process needs in addition to client connections: code, log, listeners, stores, and a reserve. */
const baseFiles = 128;
/** Files of a thread that hashes. */
const threadFiles = 8;
/** Connections over the limit that are open for a moment, on each listener, while they are refused. */
export const refusalsAtOnce = 16;
/** Of the heap, for one connection of each listener that serves calls; an idle one takes 5 KiB of it and 32 KiB in all. */
const connectionBytes = 128 * KIB;
/** Of the heap, for one call without a credential; one that waits takes 50 KiB. */
const publicCallBytes = 256 * KIB;
/** Operators and their tools need few. */
const opsConnections = 64;
const leastConnections = 8;
const mostPublicCalls = 8 * KIB;

export interface ProcessLimits {
  /** Files that the process may have open. */
  readonly openFiles: number;
  /** Bytes that JavaScript may use. */
  readonly heapBytes: number;
  /** Threads that hash passwords. */
  readonly hashThreads: number;
}

export interface ListenerLimits {
  /** Connections of the http listener, and as many of the grpc listener. */
  readonly connections: number;
  readonly opsConnections: number;
  /** Calls open at once on connections without an accepted credential. */
  readonly publicCalls: number;
  /** Whether the process may open so few files that the limits are below what a server needs. */
  readonly isShortOfFiles: boolean;
}

/**
 * Derives how much clients may hold, so that neither the files nor the heap of the process run out. Without a free file
 * the kernel's connections are reset, those of the ops listener too.
 */
export function listenerLimits({ openFiles, heapBytes, hashThreads }: ProcessLimits): ListenerLimits {
  const free = openFiles - baseFiles - threadFiles * hashThreads - 3 * refusalsAtOnce;
  const ops = clamp(Math.floor(free / 8), leastConnections, opsConnections);
  const byFiles = Math.floor((free - ops) / 2);
  const byHeap = Math.floor(heapBytes / connectionBytes);
  return {
    connections: Math.max(leastConnections, Math.min(byFiles, byHeap)),
    opsConnections: ops,
    publicCalls: clamp(Math.floor(heapBytes / publicCallBytes), 128, mostPublicCalls),
    isShortOfFiles: byFiles < leastConnections,
  };
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(Math.max(value, least), most);
}

/** What the operating system and Node give this process. */
export function readProcessLimits(): Pick<ProcessLimits, "openFiles" | "heapBytes"> {
  return { openFiles: readOpenFiles(), heapBytes: getHeapStatistics().heap_size_limit };
}

/** The soft limit, which Node has raised to the hard one. */
function readOpenFiles(): number {
  try {
    const text = readFileSync("/proc/self/limits", "utf8");
    const [, limit = ""] = /^Max open files\s+(\S+)/m.exec(text) ?? [];
    return limit === "unlimited" ? Number.MAX_SAFE_INTEGER : Number(limit) || unknownOpenFiles;
  } catch {
    return unknownOpenFiles;
  }
}

/** Where there is no /proc: what macOS gives at least, after Node has raised it. */
const unknownOpenFiles = 10_240;

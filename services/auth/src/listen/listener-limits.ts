import { readFileSync } from "node:fs";
import { getHeapStatistics } from "node:v8";

const KIB = 1024;

/** Open files that the process needs in addition to client connections: code, log, listeners, stores, and a reserve. */
const baseFiles = 128;
/** Open files of a thread that hashes. */
const threadFiles = 8;
/** Connections above the limit, for each listener, that are open while they are refused. */
export const refusalsAtOnce = 16;
/** Heap for one connection of each listener that serves calls. An idle connection uses 5 KiB of it, and 32 KiB in all. */
const connectionBytes = 128 * KIB;
/** Heap for one call without a credential. A waiting call uses 50 KiB. */
const publicCallBytes = 256 * KIB;
/** Maximum number of connections of the operator's listener. */
const opsConnections = 64;
const leastConnections = 8;
const mostPublicCalls = 8 * KIB;

export interface ProcessLimits {
  /** Maximum number of open files of the process. */
  readonly openFiles: number;
  /** Maximum size of the JavaScript heap, in bytes. */
  readonly heapBytes: number;
  /** Threads that hash passwords. */
  readonly hashThreads: number;
}

export interface ListenerLimits {
  /** Maximum number of connections of the http listener, and of the grpc listener. */
  readonly connections: number;
  readonly opsConnections: number;
  /** Maximum number of open calls on connections without an accepted credential. */
  readonly publicCalls: number;
  /** Whether the limit of open files is too low for a server. */
  readonly isShortOfFiles: boolean;
}

/**
 * Derives how many connections and calls clients may hold, so that the process runs out of neither files nor heap. Without a
 * free file the kernel resets new connections, also those of the operator's listener.
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

/** The limits of this process by the operating system and Node. */
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

/** Without /proc: the minimum of macOS, after Node has raised it. */
const unknownOpenFiles = 10_240;

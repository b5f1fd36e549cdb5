import { poll } from "../poll.ts";
import { readMetrics } from "../servers/metrics.ts";
import { TOKENS } from "../servers/server-process.ts";
import type { Replica } from "../servers/two-servers.ts";
import { answered } from "./answers.ts";
import { type Clients, createClients, type Protocol } from "./clients.ts";
import { openReader, type RevocationReader } from "./revocation-reader.ts";

/** Every way to watch. */
export const protocols = ["grpc", "grpc-web", "connect", "connect-binary"] as const;

export interface WatchOptions {
  /** gRPC by default. */
  readonly protocol?: Protocol;
  /** Absent: from the oldest entry on. */
  readonly cursor?: string;
  /** An administrator's by default. */
  readonly credential?: string;
  /** The URL by which the reader reaches the server of a URL: that URL itself by default. */
  readonly through?: (url: string) => string;
}

/** Readers that end with the test. */
export interface Watchers extends AsyncDisposable {
  watch(replica: Pick<Replica, "server">, options?: WatchOptions): RevocationReader;
}

export function createWatchers(): Watchers {
  const opened: { readonly reader: RevocationReader; readonly clients: Clients }[] = [];
  return {
    watch({ server }, options = {}) {
      const { protocol = "grpc", cursor = "", credential = TOKENS.admin, through = (url) => url } = options;
      const baseUrl = through(protocol === "grpc" ? server.grpc : server.http);
      const clients = createClients({ baseUrl, protocol, credential });
      const reader = openReader(clients, cursor);
      opened.push({ reader, clients });
      return reader;
    },
    async [Symbol.asyncDispose]() {
      for (const { reader, clients } of opened.splice(0)) {
        await reader.cut();
        clients[Symbol.dispose]();
      }
    },
  };
}

/** How many streams a server has open. */
export async function watchersOf({ server }: Pick<Replica, "server">): Promise<number | undefined> {
  return (await readMetrics(server.ops)).get("postern_watchers");
}

/** Waits until a server has so many streams open. */
export async function untilWatchers(replica: Pick<Replica, "server">, count: number): Promise<void> {
  await poll(`${count} streams are open`, 30_000, async () =>
    (await watchersOf(replica)) === count ? true : undefined,
  );
}

/** Adds an entry. @returns its number */
export async function revokeClient({ admin }: Pick<Replica, "admin">, clientId: string): Promise<number> {
  const target = { case: "clientId", value: clientId } as const;
  return Number((await answered(() => admin.revoke({ target }))).sequence);
}

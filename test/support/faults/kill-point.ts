import { once } from "node:events";
import { type AddressInfo, createServer, connect as dial, type Socket } from "node:net";

/** Where between a server and Postgres a statement is when the server is killed. */
export type Side = "before Postgres has it" | "before its answer is back";

/** A proxy between a server and Postgres that stops at one statement. */
export interface KillPoint extends AsyncDisposable {
  /** The URL with this proxy in the place of its host and port. */
  through(url: string): string;
  /**
   * Counts statements with parameters from now on, those of the given pools alone, and lets none go further than the
   * `nth`: there all connections stop, for good. `reached` resolves to the texts of all that were counted once they have.
   */
  arm(pools: ReadonlySet<string>, nth: number, side: Side): { readonly reached: Promise<readonly string[]> };
  /** Stops counting. Later statements pass. */
  disarm(): void;
}

interface Link {
  readonly client: Socket;
  readonly upstream: Socket;
  /** `application_name` of its connection. */
  pool: string;
}

interface Trap {
  readonly pools: ReadonlySet<string>;
  readonly nth: number;
  readonly side: Side;
  readonly counted: string[];
  readonly reached: PromiseWithResolvers<readonly string[]>;
  stopped: boolean;
  /** Of the connection that carries the statement, once it is on its way. */
  link?: Link;
}

/** Postgres is ready for the next one and in no transaction: what the statement did is committed. */
const ready = Buffer.from([0x5a, 0, 0, 0, 5, 0x49]);

export async function startKillPoint(target: { host: string; port: number }): Promise<KillPoint> {
  const sockets = new Set<Socket>();
  let trap: Trap | undefined;

  const track = (socket: Socket) => {
    sockets.add(socket);
    return socket.on("error", () => {}).setNoDelay();
  };

  function onStatement(link: Link, piece: Buffer): void {
    if (trap?.stopped) return;
    if (trap?.pools.has(link.pool) && isStatement(piece)) {
      trap.counted.push(piece.toString("latin1"));
      if (trap.counted.length === trap.nth) {
        if (trap.side === "before Postgres has it") {
          stop(trap);
          return;
        }
        trap.link = link;
      }
    }
    link.upstream.write(piece);
  }
  function onAnswer(link: Link, piece: Buffer): void {
    if (trap?.stopped) return;
    if (trap?.link === link) {
      // Nothing of it is handed on: it may come in pieces.
      if (piece.subarray(-ready.length).equals(ready)) stop(trap);
      return;
    }
    link.client.write(piece);
  }
  function stop(at: Trap): void {
    at.stopped = true;
    at.reached.resolve(at.counted);
  }

  const server = createServer((client) => {
    const link: Link = { client: track(client), upstream: track(dial(target)), pool: "" };
    client.on("data", (piece) => {
      link.pool ||= /application_name\0([^\0]*)/.exec(piece.toString("latin1"))?.[1] ?? "";
      onStatement(link, piece);
    });
    link.upstream.on("data", (piece) => onAnswer(link, piece));
    // What Postgres has begun it ends, as it would for a client that was killed.
    client.on("close", () => link.upstream.destroy());
    link.upstream.on("close", () => client.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;

  return {
    through: (url) => Object.assign(new URL(url), { host: `127.0.0.1:${port}` }).href,
    arm(pools, nth, side) {
      const reached = Promise.withResolvers<readonly string[]>();
      trap = { pools, nth, side, counted: [], reached, stopped: false };
      return { reached: reached.promise };
    },
    disarm() {
      trap = undefined;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

/** The start of an extended query. Without parameters it would be a simple one: those only read. */
function isStatement(piece: Buffer): boolean {
  return piece[0] === "P".charCodeAt(0);
}

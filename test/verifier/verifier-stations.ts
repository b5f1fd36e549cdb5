import {
  createVerifier,
  type FeedEvent,
  PosternError,
  type Verifier,
  type VerifierOptions,
} from "../../services/client/src/index.ts";
import { type HttpRelay, startHttpRelay } from "../../services/client/src/verifier/http-relay.fixture.ts";
import { poll } from "../support/poll.ts";
import { AUDIENCE, ISSUER, TOKENS } from "../support/servers/server-process.ts";
import type { Replica } from "../support/servers/two-servers.ts";

/** A verifier that follows one server. */
export interface Station extends AsyncDisposable {
  /** By what it follows: HTTP/1.1, or h2c. */
  readonly name: string;
  readonly verifier: Verifier;
  readonly events: readonly FeedEvent[];
  /** What was asked of the key set. */
  readonly asked: readonly string[];
  /** Resolves once it knows of a revocation, by the number that `Revoke` answered with, and of all before. */
  knows(answer: { readonly sequence: bigint }): Promise<void>;
}

/** One that shows the key set to a relay, so that who asks for it is seen. */
export async function openStation(
  baseUrl: string,
  httpVersion: "1.1" | "2",
  more: Partial<VerifierOptions> & { readonly token?: string; readonly keysAt?: string } = {},
): Promise<Station> {
  const { token = TOKENS.admin, keysAt = baseUrl, ...options } = more;
  const relay: HttpRelay = await startHttpRelay(() => keysAt);
  const events: FeedEvent[] = [];
  const verifier = createVerifier({
    issuer: ISSUER,
    audience: AUDIENCE,
    jwksUri: `${relay.url}/.well-known/jwks.json`,
    revocations: { baseUrl, token, httpVersion },
    onEvent: (event) => events.push(event),
    ...options,
  });
  return {
    name: `HTTP/${httpVersion}`,
    verifier,
    events,
    asked: relay.asked,
    async knows({ sequence }) {
      await poll(`it knows of ${sequence}`, 30_000, async () =>
        verifier.state.feed === "synced" && verifier.state.sequence >= Number(sequence) ? true : undefined,
      );
    },
    async [Symbol.asyncDispose]() {
      await verifier.close();
      await relay[Symbol.asyncDispose]();
    },
  };
}

/** Two verifiers at each server: one by HTTP/1.1, one by h2c. */
export async function openStations(
  replicas: readonly Replica[],
  more: Partial<VerifierOptions> = {},
): Promise<readonly Station[] & AsyncDisposable> {
  const stations: Station[] = [];
  for (const { server } of replicas) {
    stations.push(await openStation(server.http, "1.1", more));
    stations.push(await openStation(server.grpc, "2", { keysAt: server.http, ...more }));
  }
  await Promise.all(stations.map(({ verifier }) => verifier.ready));
  return Object.assign(stations, {
    async [Symbol.asyncDispose]() {
      for (const station of stations) await station[Symbol.asyncDispose]();
    },
  });
}

/**
 * What a verifier does with a token: `accepted`, or the code of its refusal. Asks again for as long as that is that it
 * knows too little at this moment, which on a machine with too much to do it may.
 */
export function verdict({ verifier }: Pick<Station, "verifier">, token: string): Promise<string> {
  return poll("a verdict", 30_000, async () => {
    const found = await onceAsked(verifier, token);
    return ["ERR_FEED_STALE", "ERR_UNAVAILABLE"].includes(found) ? undefined : found;
  });
}

/** The same, for any verdict. */
export async function onceAsked(verifier: Verifier, token: string): Promise<string> {
  try {
    await verifier.verify(token);
    return "accepted";
  } catch (error) {
    if (error instanceof PosternError) return error.code;
    throw error;
  }
}

import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { readPayload, readSignedToken } from "../core/access-token.ts";
import { type AccessTokenClaims, checkClaims } from "../core/claims.ts";
import { type OptionNames, takeOptions } from "../options.ts";
import { readKeySet } from "../verifier/key-set.ts";
import type { Verifier } from "../verifier/verifier.ts";
import type { RevocationsOptions } from "../verifier/verifier-options.ts";
import { newId } from "./test-ids.ts";
import { TestKeys } from "./test-keys.ts";
import { TestLog, type TestRevocation } from "./test-log.ts";
import { startTestServer } from "./test-server.ts";
import { type TestTokenOptions, testClaims } from "./test-tokens.ts";

export interface TestIssuerOptions {
  /** Whom tokens are for, where they do not say otherwise. Absent: `test`. */
  readonly audience?: string;
  /** How old, in milliseconds, what a verifier knows may be. Absent: 10,000, as with Postern. */
  readonly maxStaleness?: number;
}

/**
 * An issuer in memory, on a port of 127.0.0.1. To a verifier it is what Postern is: nothing in the verifier is faked.
 *
 * ```ts
 * await using issuer = await createTestIssuer();
 * await using verifier = createVerifier(issuer.verifierOptions);
 * const token = await issuer.token({ scope: "orders:read" });
 * await verifier.verify(token);
 * issuer.revoke({ token });
 * await issuer.synced(verifier);
 * await verifier.verify(token); // throws ERR_TOKEN_REVOKED
 * ```
 */
export interface TestIssuer extends AsyncDisposable {
  /** The `iss` of its tokens, and where it listens. */
  readonly url: string;
  /** For `createVerifier`, or for what a service makes its verifier from. */
  readonly verifierOptions: {
    readonly issuer: string;
    readonly audience: string;
    readonly revocations: RevocationsOptions;
  };
  /** A signed access token, as of a session that was authenticated just now. */
  token(wanted?: TestTokenOptions): Promise<string>;
  /**
   * Ends what is named, as Postern's `Revoke` does. Verifiers hear of it over the network: see `inStep`.
   * @throws {PosternError} `ERR_TOKEN_MALFORMED` where `token` is none
   */
  revoke(what: TestRevocation): void;
  /**
   * Resolves once a verifier knows of all that was revoked so far, and of the keys.
   * @throws after 10 s: the verifier does not follow this issuer, or was closed
   */
  synced(verifier: Pick<Verifier, "state">): Promise<void>;
  /**
   * Another key signs from now on; what was signed before stays good.
   * @returns its `kid`
   */
  rotateKey(): string;
  /**
   * The key that signs was stolen: it is gone, whatever it signed is over, and another takes over.
   * @returns the `kid` of the stolen one
   */
  taintKey(): string;
  /** A key is gone, as when the last token that it signed has expired. */
  removeKey(kid: string): void;
  /** An id of Postern's form. */
  newId(prefix: "usr" | "ses"): string;
  /** Ends the listener and all streams, as an outage does; tokens can still be made. */
  close(): Promise<void>;
}

const patienceMs = 10_000;

const names: OptionNames<TestIssuerOptions> = { audience: true, maxStaleness: true };

export async function createTestIssuer(options: TestIssuerOptions = {}): Promise<TestIssuer> {
  const { audience = "test", maxStaleness = 10_000 } = takeOptions(options, names);
  const keys = new TestKeys();
  const log = new TestLog(keys, maxStaleness);
  const credential = randomBytes(32).toString("base64url");
  const server = await startTestServer({ log, credential, jwks: () => keys.jwks, claimsOf });
  const { url, close } = server;

  function claimsOf(token: string, issuer: string): AccessTokenClaims | undefined {
    try {
      const signed = readSignedToken(token);
      const { kid } = signed.header;
      const key = readKeySet(keys.jwks)?.get(kid);
      if (key?.verify(signed.signingInput, signed.signature) !== true) return undefined;
      const claims = readPayload(signed);
      checkClaims(claims, { issuer, nowSeconds: Date.now() / 1_000 });
      return log.revokes({ ...claims, kid }) ? undefined : claims;
    } catch {
      return undefined;
    }
  }

  function isSynced({ state: { feed, sequence, kids } }: Pick<Verifier, "state">): boolean {
    const wanted = keys.kids;
    return (
      feed === "synced" &&
      sequence === log.sequence &&
      kids.length === wanted.length &&
      wanted.every((kid) => kids.includes(kid))
    );
  }

  function change(work: () => void): void {
    work();
    log.tell();
  }

  return {
    url,
    verifierOptions: { issuer: url, audience, revocations: { baseUrl: url, token: credential } },
    async token(wanted = {}) {
      return keys.sign(testClaims(wanted, { issuer: url, audience, rev: log.sequence }));
    },
    revoke: (what) => log.revoke(what),
    async synced(verifier) {
      const deadlineMs = performance.now() + patienceMs;
      while (!isSynced(verifier)) {
        if (performance.now() > deadlineMs)
          throw new Error("the verifier does not come in step with the issuer");
        await delay(5);
      }
    },
    rotateKey() {
      change(() => keys.rotate());
      return keys.kid;
    },
    taintKey() {
      const { kid } = keys;
      change(() => {
        keys.remove(kid);
        log.add({ kind: "key", id: kid });
      });
      return kid;
    },
    removeKey: (kid) => change(() => keys.remove(kid)),
    newId,
    close,
    [Symbol.asyncDispose]: close,
  };
}

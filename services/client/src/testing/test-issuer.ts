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

/** Options of {@link createTestIssuer}. */
export interface TestIssuerOptions {
  /** The default audience of tokens. Absent: `test`. */
  readonly audience?: string;
  /** Maximum age of a verifier's revocation data, in milliseconds. Absent: 10,000, as in Postern. */
  readonly maxStaleness?: number;
}

/**
 * An issuer in memory, on a port of 127.0.0.1. It behaves like Postern over the network, so tests run the real verifier.
 */
export interface TestIssuer extends AsyncDisposable {
  /** The base URL, which is the `iss` of its tokens. */
  readonly url: string;
  /** Options for `createVerifier`. */
  readonly verifierOptions: {
    readonly issuer: string;
    readonly audience: string;
    readonly revocations: RevocationsOptions;
  };
  /** Creates a signed access token of a session that was authenticated now. */
  token(options?: TestTokenOptions): Promise<string>;
  /**
   * Revokes the target, as Postern's `Revoke` does. Verifiers receive the revocation over the network: wait with `synced`.
   * @throws {PosternError} `ERR_TOKEN_MALFORMED` if `token` is not an access token
   */
  revoke(target: TestRevocation): void;
  /**
   * Resolves once a verifier has all revocations and keys.
   * @throws {Error} after 10 s, if the verifier does not follow this issuer or was closed
   */
  synced(verifier: Pick<Verifier, "state">): Promise<void>;
  /**
   * Signs with a new key from now on. Tokens of the old key stay valid.
   * @returns the new key's `kid`
   */
  rotateKey(): string;
  /**
   * Treats the current key as stolen: removes it, revokes its tokens, and signs with a new key.
   * @returns the `kid` of the stolen key
   */
  taintKey(): string;
  /** Removes a key, as Postern does after its last token has expired. */
  removeKey(kid: string): void;
  /** Creates a random ID in the form of Postern's IDs. */
  newId(prefix: "usr" | "ses"): string;
  /** Closes the listener and all streams, as an outage would. It can still create tokens. */
  close(): Promise<void>;
}

const syncTimeoutMs = 10_000;

const names: OptionNames<TestIssuerOptions> = { audience: true, maxStaleness: true };

/**
 * Starts an issuer for tests of a service that verifies access tokens.
 *
 * @throws {TypeError} naming the unknown option
 * @example
 * ```ts
 * import { createVerifier } from "@postern/client";
 * import { createTestIssuer } from "@postern/client/testing";
 *
 * await using issuer = await createTestIssuer();
 * await using verifier = createVerifier(issuer.verifierOptions);
 * const token = await issuer.token({ scope: "orders:read" });
 * await verifier.verify(token);
 *
 * issuer.revoke({ token });
 * await issuer.synced(verifier);
 * await verifier.verify(token); // throws ERR_TOKEN_REVOKED
 * ```
 */
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
    const expected = keys.kids;
    return (
      feed === "synced" &&
      sequence === log.sequence &&
      kids.length === expected.length &&
      expected.every((kid) => kids.includes(kid))
    );
  }

  function change(work: () => void): void {
    work();
    log.notify();
  }

  return {
    url,
    verifierOptions: { issuer: url, audience, revocations: { baseUrl: url, token: credential } },
    async token(options = {}) {
      return keys.sign(testClaims(options, { issuer: url, audience, rev: log.sequence }));
    },
    revoke: (target) => log.revoke(target),
    async synced(verifier) {
      const deadlineMs = performance.now() + syncTimeoutMs;
      while (!isSynced(verifier)) {
        if (performance.now() > deadlineMs)
          throw new Error("the verifier did not sync with the issuer: it follows another one, or was closed");
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

import { expect } from "vitest";
import type { PosternError } from "../core/postern-error.ts";
import { createTestIssuer, type TestIssuer, type TestIssuerOptions } from "../testing/index.ts";
import { createVerifier } from "./create-verifier.ts";
import { type HttpRelay, startHttpRelay } from "./http-relay.fixture.ts";
import type { Verifier } from "./verifier.ts";
import type { RevocationsOptions, VerifierOptions } from "./verifier-options.ts";

/** Ends of the paths of what a verifier asks for. */
export const watchPath = "/WatchRevocations";
export const introspectPath = "/Introspect";
export const jwksPath = "/jwks.json";

/** An issuer behind a relay, and what a verifier needs that is to know it by that alone. */
export interface Site {
  readonly issuer: TestIssuer;
  readonly relay: HttpRelay;
  readonly options: VerifierOptions & { readonly revocations: RevocationsOptions };
}

/** What was opened in a test, to be closed after it. */
export class Opened {
  readonly #stack: AsyncDisposable[] = [];

  async issuer(options?: TestIssuerOptions): Promise<TestIssuer> {
    return this.own(await createTestIssuer(options));
  }

  verifier(options: VerifierOptions): Verifier {
    return this.own(createVerifier(options));
  }

  /** An issuer and a verifier that is in step with it. */
  async pair(): Promise<{ readonly issuer: TestIssuer; readonly verifier: Verifier }> {
    const issuer = await this.issuer();
    const verifier = this.verifier(issuer.verifierOptions);
    await issuer.synced(verifier);
    return { issuer, verifier };
  }

  async site(options?: TestIssuerOptions): Promise<Site> {
    const issuer = await this.issuer(options);
    const relay = this.own(await startHttpRelay(() => issuer.url));
    const jwksUri = `${relay.url}/.well-known/jwks.json`;
    const revocations = { ...issuer.verifierOptions.revocations, baseUrl: relay.url };
    return { issuer, relay, options: { ...issuer.verifierOptions, jwksUri, revocations } };
  }

  async closeAll(): Promise<void> {
    for (const one of this.#stack.splice(0).reverse()) await one[Symbol.asyncDispose]();
  }

  /** Closed with the other verifiers. */
  own<T extends AsyncDisposable>(one: T): T {
    this.#stack.push(one);
    return one;
  }
}

/** Has a verifier refuse what need not be a token. */
export async function refuses(verifier: Verifier, token: unknown, code: PosternError["code"]): Promise<void> {
  await expect(verifier.verify(token as string)).rejects.toEqual(
    expect.objectContaining({ name: "PosternError", code }),
  );
}

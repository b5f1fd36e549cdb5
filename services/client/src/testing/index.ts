/** An issuer of access tokens in memory, for tests of services that verify them. */

export { createTestIssuer, type TestIssuer, type TestIssuerOptions } from "./test-issuer.ts";
export type { TestRevocation } from "./test-log.ts";
export type { TestTokenOptions } from "./test-tokens.ts";

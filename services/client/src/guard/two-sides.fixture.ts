import { createTestIssuer } from "../testing/index.ts";
import { createVerifier } from "../verifier/create-verifier.ts";

/** An issuer, and a verifier that is in step with it. */
export async function twoSides() {
  const issuer = await createTestIssuer();
  const verifier = createVerifier(issuer.verifierOptions);
  await verifier.ready;
  return {
    issuer,
    verifier,
    async [Symbol.asyncDispose]() {
      await verifier.close();
      await issuer.close();
    },
  };
}

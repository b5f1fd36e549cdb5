/** A header as Postern mints it. */
export const header = { alg: "ES256", typ: "at+jwt", kid: "key_01h2xcejqtf2nbrexx3vqjhp41" };

export const issuedAt = 1_790_000_000;

/** A payload as Postern mints it. */
export const payload = {
  iss: "https://auth.example.com",
  sub: "usr_01h2xcejqtf2nbrexx3vqjhp41",
  aud: ["orders", "billing"],
  exp: issuedAt + 300,
  iat: issuedAt,
  nbf: issuedAt - 5,
  jti: "tok_01h2xcejqtf2nbrexx3vqjhp42",
  sid: "ses_01h2xcejqtf2nbrexx3vqjhp43",
  client_id: "shop",
  scope: "orders:read orders:write",
  amr: ["pwd"],
  auth_time: issuedAt - 60,
  rev: 7,
};

/** base64url of the bytes, or of the text's UTF-8 form. */
export function base64url(value: string | Uint8Array): string {
  return Buffer.from(value as Uint8Array).toString("base64url");
}

/** A compact JWS of header and payload; texts are taken as they are, so that they can be malformed. */
export function compact(
  headerPart: unknown,
  payloadPart: unknown,
  signature: Uint8Array = new Uint8Array(64).fill(1),
): string {
  const [first, second] = [headerPart, payloadPart].map((part) =>
    base64url(typeof part === "string" || part instanceof Uint8Array ? part : JSON.stringify(part)),
  );
  return `${first}.${second}.${base64url(signature)}`;
}

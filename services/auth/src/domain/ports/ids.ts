import type { Id } from "../../lib/type-id.ts";

/** A UUID in its canonical lower-case form. IDs are UUIDv7 (RFC 9562), so they sort by creation. */
export type Uuid = string;

/** The compiler refuses an ID of one kind in place of another. */
export type UserId = Id<"usr">;
export type SessionId = Id<"ses">;
/** `jti` of an access token. */
export type TokenId = Id<"tok">;
export type KeyId = Id<"key">;
/** An entry of the revocation log. */
export type EntryId = Id<"rev">;
export type AuditEventId = Id<"aud">;
export type DeviceId = Id<"dev">;

/** Makes IDs. Injected, so that tests can predict them. */
export type NewId = <P extends string>() => Id<P>;

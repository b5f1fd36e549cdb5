import { create } from "@bufbuild/protobuf";
import { type Timestamp, TimestampSchema, timestampDate, timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  type IntrospectResponse,
  IntrospectResponseSchema,
} from "@postern/proto/postern/auth/v1/auth_service_pb.js";
import {
  SessionSchema,
  TokenSetSchema,
  type Session as WireSession,
  type TokenSet as WireTokenSet,
} from "@postern/proto/postern/auth/v1/session_pb.js";
import { UserSchema, type User as WireUser } from "@postern/proto/postern/user/v1/user_pb.js";
import { AuthError } from "../../domain/errors.ts";
import type { Session } from "../../domain/ports/session-store.ts";
import type { User } from "../../domain/ports/user-store.ts";
import type { ActiveToken } from "../../domain/revocation/introspect.ts";
import type { TokenSet } from "../../domain/token/mint-tokens.ts";
import { formatId, type Id, parseId } from "../../lib/type-id.ts";

/** proto3 has no absent strings. The empty string means absent. */
export function given(text: string): string | undefined {
  return text === "" ? undefined : text;
}

/** @throws {AuthError} `INVALID_REQUEST` */
export function toId<P extends "usr" | "ses" | "key">(prefix: P, id: string): Id<P> {
  const uuid = parseId(prefix, id);
  if (uuid === undefined)
    throw new AuthError("INVALID_REQUEST", { message: `not an ID of the form ${prefix}_…` });
  return uuid;
}

/** As `toId`; undefined for the empty string. */
export function toGivenId<P extends "usr" | "ses" | "key">(prefix: P, id: string): Id<P> | undefined {
  return id === "" ? undefined : toId(prefix, id);
}

/** The seconds of the years 1 to 9999: a protobuf `Timestamp` allows no others. */
const [firstSecond, lastSecond] = [-62_135_596_800n, 253_402_300_799n];
const nanosInSecond = 1_000_000_000;

/** @throws {AuthError} `INVALID_REQUEST` if the value breaks the rules of protobuf's `Timestamp` */
export function toGivenDate(timestamp: Timestamp | undefined): Date | undefined {
  if (timestamp === undefined) return undefined;
  const { seconds, nanos } = timestamp;
  if (seconds < firstSecond || seconds > lastSecond || nanos < 0 || nanos >= nanosInSecond) {
    throw new AuthError("INVALID_REQUEST", {
      message: "a time must be in the years 1 to 9999, and its `nanos` from 0 to 999,999,999",
    });
  }
  // Rounded up to whole milliseconds, the last of them would be in the year 10,000, which Postgres cannot read.
  return new Date(Math.min(timestampDate(timestamp).getTime(), Number(lastSecond) * 1_000 + 999));
}

export function toTokenSet(tokens: TokenSet): WireTokenSet {
  return create(TokenSetSchema, {
    accessToken: tokens.accessToken,
    tokenType: "Bearer",
    expiresIn: tokens.expiresIn,
    refreshToken: tokens.refreshToken,
    refreshExpiresIn: tokens.refreshExpiresIn,
    scope: [...tokens.scope],
  });
}

export function toSession(session: Session): WireSession {
  return create(SessionSchema, {
    id: formatId("ses", session.id),
    userId: formatId("usr", session.userId),
    clientId: session.clientId,
    device: session.device,
    clientAddress: session.clientAddress,
    userAgent: session.userAgent,
    createdAt: timestampFromDate(session.createdAt),
    lastUsedAt: timestampFromDate(session.lastUsedAt),
    expiresAt: timestampFromDate(session.expiresAt),
    amr: [...session.amr],
  });
}

export function toUser(user: User): WireUser {
  return create(UserSchema, {
    id: formatId("usr", user.id),
    email: user.email,
    username: user.username ?? "",
    roles: [...user.roles],
    disabled: user.disabled,
    createdAt: timestampFromDate(user.createdAt),
    updatedAt: timestampFromDate(user.updatedAt),
    ...(user.lastLoginAt === undefined ? {} : { lastLoginAt: timestampFromDate(user.lastLoginAt) }),
    loginCount: BigInt(user.loginCount),
  });
}

export function toIntrospectResponse(token: ActiveToken | undefined): IntrospectResponse {
  if (token === undefined) return create(IntrospectResponseSchema);
  return create(IntrospectResponseSchema, {
    active: true,
    tokenType: token.tokenType,
    subject: token.subject,
    sessionId: token.sessionId,
    clientId: token.clientId,
    username: token.username,
    audience: [...token.audience],
    scope: [...token.scope],
    roles: [...token.roles],
    issuer: token.issuer,
    tokenId: token.tokenId ?? "",
    expiresAt: seconds(token.expiresAt),
    authTime: seconds(token.authTime),
    amr: [...token.amr],
    ...(token.issuedAt === undefined ? {} : { issuedAt: seconds(token.issuedAt) }),
    ...(token.notBefore === undefined ? {} : { notBefore: seconds(token.notBefore) }),
  });
}

function seconds(value: number): Timestamp {
  return create(TimestampSchema, { seconds: BigInt(value) });
}

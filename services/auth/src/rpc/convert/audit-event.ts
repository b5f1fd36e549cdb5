import { create, type JsonObject } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ListAuditEventsRequest } from "@postern/proto/postern/admin/v1/admin_service_pb.js";
import {
  AuditEventSchema,
  type AuditEvent as WireAuditEvent,
} from "@postern/proto/postern/admin/v1/audit_event_pb.js";
import { spellingsOf } from "../../domain/audit/list-audit-events.ts";
import { AuthError } from "../../domain/errors.ts";
import type { AuditEvent, AuditFilter } from "../../domain/ports/audit-store.ts";
import { formatId } from "../../lib/type-id.ts";
import { given, toGivenDate, toGivenId } from "./values.ts";

/** @throws {AuthError} `INVALID_REQUEST` */
export function toAuditFilter(request: ListAuditEventsRequest): AuditFilter {
  return {
    events: request.events,
    userId: toGivenId("usr", request.userId),
    sessionId: toGivenId("ses", request.sessionId),
    account: given(request.account),
    clientId: given(request.clientId),
    caller: given(request.caller),
    clientAddresses: toGivenAddresses(request.clientAddress),
    keyId: toGivenId("key", request.keyId),
    since: toGivenDate(request.since),
    until: toGivenDate(request.until),
  };
}

function toGivenAddresses(address: string): readonly string[] | undefined {
  if (address === "") return undefined;
  const spellings = spellingsOf(address);
  if (spellings !== undefined) return spellings;
  throw new AuthError("INVALID_REQUEST", {
    message: "`client_address` must be an IP address, without port, brackets or zone",
  });
}

export function toAuditEvent(event: AuditEvent): WireAuditEvent {
  const { id, at, userId, sessionId, keyId, clientId, clientAddress, detail, ...rest } = event;
  return create(AuditEventSchema, {
    ...rest,
    id: formatId("aud", id),
    at: timestampFromDate(at),
    userId: userId === undefined ? "" : formatId("usr", userId),
    sessionId: sessionId === undefined ? "" : formatId("ses", sessionId),
    keyId: keyId === undefined ? "" : formatId("key", keyId),
    clientId: clientId ?? "",
    clientAddress: clientAddress ?? "",
    detail: detail as JsonObject,
  });
}

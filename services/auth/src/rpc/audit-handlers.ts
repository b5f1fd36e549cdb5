import { create, type JsonObject } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ListAuditEventsRequest } from "@postern/proto/postern/admin/v1/admin_service_pb.js";
import {
  AuditEventSchema,
  type AuditEvent as WireAuditEvent,
} from "@postern/proto/postern/admin/v1/audit_event_pb.js";
import { type ListAuditEventsDeps, listAuditEvents, spellingsOf } from "../domain/audit/list-audit-events.ts";
import type { Caller } from "../domain/caller/caller.ts";
import { PosternError } from "../domain/errors.ts";
import type { AuditEvent, AuditFilter } from "../domain/ports/audit-store.ts";
import { formatId } from "../lib/type-id.ts";
import { given, toGivenDate, toGivenUuid } from "./convert.ts";

/** Maximum time of a search. Afterwards the call returns the events found until then. It is well within any deadline. */
const timeoutMs = 2_000;

/** `AdminService.ListAuditEvents`. */
export async function answerAuditEvents(
  deps: ListAuditEventsDeps,
  caller: Caller,
  request: ListAuditEventsRequest,
): Promise<{ events: WireAuditEvent[]; nextPageToken: string }> {
  const { events, nextPageToken } = await listAuditEvents(deps, {
    caller,
    filter: toFilter(request),
    order: request.oldestFirst ? "oldest first" : "newest first",
    pageSize: request.pageSize,
    pageToken: request.pageToken,
    timeoutMs,
  });
  return { events: events.map(toAuditEvent), nextPageToken };
}

function toFilter(request: ListAuditEventsRequest): AuditFilter {
  return {
    events: request.events,
    userId: toGivenUuid("usr", request.userId),
    sessionId: toGivenUuid("ses", request.sessionId),
    account: given(request.account),
    clientId: given(request.clientId),
    caller: given(request.caller),
    clientAddresses: toGivenAddresses(request.clientAddress),
    keyId: toGivenUuid("key", request.keyId),
    since: toGivenDate(request.since),
    until: toGivenDate(request.until),
  };
}

function toGivenAddresses(address: string): readonly string[] | undefined {
  if (address === "") return undefined;
  const spellings = spellingsOf(address);
  if (spellings !== undefined) return spellings;
  throw new PosternError("INVALID_REQUEST", {
    message: "`client_address` must be an IP address, without port, brackets or zone",
  });
}

function toAuditEvent(event: AuditEvent): WireAuditEvent {
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

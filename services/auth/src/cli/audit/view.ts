import type { AuditEvent } from "../../domain/ports/audit-store.ts";
import type { UserId, Uuid } from "../../domain/ports/ids.ts";
import { formatId } from "../../lib/type-id.ts";
import { formatCell } from "../output.ts";

/** An event for programs, with the members of the RPC's JSON. */
export function showEvent(event: AuditEvent) {
  const { id, at, userId, sessionId, keyId, clientId, clientAddress, detail, ...rest } = event;
  return {
    id: formatId("aud", id),
    at,
    ...rest,
    userId: idOrNull("usr", userId),
    sessionId: idOrNull("ses", sessionId),
    clientId: clientId ?? null,
    clientAddress: clientAddress ?? null,
    keyId: idOrNull("key", keyId),
    detail,
  };
}

/** An event for people, in the order of the columns. `names`: the names of users. */
export function showRow(event: AuditEvent, names: ReadonlyMap<UserId, string>) {
  const { userId, sessionId, clientId, clientAddress, keyId, requestId, detail } = event;
  return {
    at: event.at,
    event: event.event,
    user: userId === undefined ? null : (names.get(userId) ?? formatId("usr", userId)),
    address: clientAddress ?? null,
    caller: event.caller,
    client: clientId ?? null,
    session: idOrNull("ses", sessionId),
    key: idOrNull("key", keyId),
    request: requestId,
    detail: Object.entries(detail).map(([name, value]) => `${name}=${toText(value)}`),
  };
}

/** The same on one line, without columns: with --follow their width is not known. */
export function showLine(event: AuditEvent, names: ReadonlyMap<UserId, string>): string {
  const { at, event: name, ...rest } = showRow(event, names);
  const members = Object.entries(rest)
    .map(([member, value]) => [member, formatCell(value)] as const)
    .filter(([, text]) => text !== "-")
    .map(([member, text]) => `${member}=${text}`);
  return `${[formatCell(at), formatCell(name), ...members].join("  ")}\n`;
}

function idOrNull(prefix: string, id: Uuid | undefined): string | null {
  return id === undefined ? null : formatId(prefix, id);
}

function toText(value: unknown): string {
  if (Array.isArray(value)) return value.join("+");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

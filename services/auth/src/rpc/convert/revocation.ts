import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { WireType } from "@bufbuild/protobuf/wire";
import { durationFromMs, timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  type WatchRevocationsResponse,
  WatchRevocationsResponseSchema,
} from "@postern/proto/postern/auth/v1/auth_service_pb.js";
import {
  CheckpointSchema,
  KeySetSchema,
  type Revocation,
} from "@postern/proto/postern/auth/v1/revocation_pb.js";
import { AuthError } from "../../domain/errors.ts";
import type { LogEntry, LogHead, RevocationTarget } from "../../domain/ports/revocation-log.ts";
import { maxStalenessMs, type WatchUpdate } from "../../domain/revocation/watch-revocations.ts";
import { formatId, parseId } from "../../lib/type-id.ts";
import type { MessageFormat } from "../methods/method.ts";

/** Encodes one entry. The bytes of several entries, one after the other, are the entries of a `WatchRevocationsResponse`. */
export function encodeEntry(entry: LogEntry): Uint8Array {
  return toBinary(
    WatchRevocationsResponseSchema,
    create(WatchRevocationsResponseSchema, {
      revocations: [
        {
          id: formatId("rev", entry.id),
          sequence: BigInt(entry.seq),
          target: toTarget(entry.target),
          forgetAfter: timestampFromDate(new Date(entry.forgetAfterMs)),
        },
      ],
    }),
  );
}

function toTarget(target: RevocationTarget): Revocation["target"] {
  switch (target.kind) {
    case "token":
      return { case: "tokenId", value: target.id };
    case "session":
      return { case: "sessionId", value: target.id };
    case "user":
      return { case: "userId", value: target.id };
    case "client":
      return { case: "clientId", value: target.id };
    case "key":
      return { case: "keyId", value: target.id };
    case "everything":
      return { case: "everything", value: true };
  }
}

export function toWatchResponse(update: WatchUpdate, format: MessageFormat): WatchRevocationsResponse {
  const { entries, keys, checkpoint, head } = update;
  const isJson = format === "json";
  const message = fromBinary(WatchRevocationsResponseSchema, isJson ? entries : new Uint8Array());
  // Unknown fields are written unchanged, so that an entry is encoded once for all watchers.
  if (!isJson && entries.length > 0) {
    message.$unknown = [{ no: 1, wireType: WireType.LengthDelimited, data: entries.subarray(1) }];
  }
  if (keys !== undefined) message.keys = create(KeySetSchema, { jwks: JSON.stringify({ keys }) });
  if (checkpoint !== undefined) {
    message.checkpoint = create(CheckpointSchema, {
      asOf: timestampFromDate(checkpoint.asOf),
      maxStaleness: durationFromMs(maxStalenessMs),
      sequence: BigInt(checkpoint.seq),
    });
  }
  message.cursor = formatCursor(head);
  return message;
}

/** Number and ID of an entry: valid on every replica, and in no other history of the database. */
function formatCursor({ seq, tail }: LogHead): string {
  return `${formatId("rev", tail)}.${seq}`;
}

const cursorForm = /^(rev_[0-9a-z]{26})\.(0|[1-9]\d{0,15})$/;

/**
 * @returns undefined for an empty cursor
 * @throws AuthError `INVALID_REQUEST` for text that `formatCursor` does not make
 */
export function parseCursor(cursor: string): LogHead | undefined {
  if (cursor === "") return undefined;
  const [, id = "", seq = ""] = cursorForm.exec(cursor) ?? [];
  const tail = parseId("rev", id);
  if (tail === undefined) {
    throw new AuthError("INVALID_REQUEST", {
      message: "`cursor` is invalid; call again without one",
    });
  }
  return { seq: Number(seq), tail };
}

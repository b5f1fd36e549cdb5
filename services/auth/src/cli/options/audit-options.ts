import { SettingError } from "../../config/error.ts";
import { nearestName } from "../../config/nearest-name.ts";
import { parseSpan } from "../../config/parsers/span.ts";
import { auditEvents } from "../../domain/audit/audit-events.ts";
import { spellingsOf } from "../../domain/audit/list-audit-events.ts";
import type { AuditFilter } from "../../domain/ports/audit-store.ts";
import type { UserStore } from "../../domain/ports/user-store.ts";
import type { GetUserInput } from "../../domain/user/get-user.ts";
import { dropBlanks } from "../../lib/blanks.ts";
import { parseId } from "../../lib/type-id.ts";
import { type Args, type Option, textOption, textOptions, UsageError } from "../command.ts";
import { findUser, guessKey } from "./user-key.ts";

/** Filters of events. An event must match all of them. */
export const auditOptions = {
  event: {
    type: "string",
    multiple: true,
    value: "NAME",
    help: "only events with this name, or one of these names",
  },
  user: { type: "string", value: "USER", help: "only events about this user, by ID, e-mail address or name" },
  session: { type: "string", value: "ID", help: "only events about this session (`ses_…`)" },
  client: { type: "string", value: "ID", help: "only events about users of this client" },
  caller: { type: "string", value: "NAME", help: "only events by this caller; an administrator by ID" },
  address: { type: "string", value: "IP", help: "only events about users from this address" },
  key: { type: "string", value: "ID", help: "only events about this key (`key_…`)" },
  account: {
    type: "string",
    value: "PSEUDONYM",
    help: "only failed logins with the unknown name that has this pseudonym",
  },
  since: {
    type: "string",
    value: "TIME",
    help: "only events since this time: RFC 3339, or a time span ago (`1h`, `30d`)",
  },
  until: { type: "string", value: "TIME", help: "only events before this time, in the form of --since" },
} as const satisfies Readonly<Record<string, Option>>;

export const auditUsage = [
  "[--event NAME]... [--user USER] [--session ID] [--client ID] [--caller NAME] [--address IP]",
  "[--key ID] [--account PSEUDONYM] [--since TIME] [--until TIME]",
].join(" ");

/** A time, or a number of milliseconds ago. */
type Moment = Date | number;

/** The filters of the command line, before the time and the users are read from the database. */
export interface AskedEvents {
  readonly filter: Omit<AuditFilter, "userId" | "since" | "until">;
  readonly user: GetUserInput["key"] | undefined;
  readonly since: Moment | undefined;
  readonly until: Moment | undefined;
}

/** @throws {UsageError} */
export function parseAskedEvents(args: Args): AskedEvents {
  const user = textOption(args, "user");
  return {
    filter: {
      events: textOptions(args, "event").map(parseEvent),
      sessionId: parseIdOption(args, "session", "ses"),
      keyId: parseIdOption(args, "key", "key"),
      clientId: textOption(args, "client"),
      caller: textOption(args, "caller"),
      clientAddresses: parseAddress(args),
      account: textOption(args, "account"),
    },
    user: user === undefined ? undefined : guessKey(user),
    since: parseMoment(args, "since"),
    until: parseMoment(args, "until"),
  };
}

/**
 * @param now the database's time
 * @throws {AuthError} `NOT_FOUND` if there is no such user
 */
export async function toFilter(
  { filter, user, since, until }: AskedEvents,
  users: Pick<UserStore, "find">,
  now: Date,
): Promise<AuditFilter> {
  const userId = user === undefined || "id" in user ? user?.id : (await findUser(users, user)).id;
  return { ...filter, userId, since: toDate(since, now), until: toDate(until, now) };
}

function toDate(moment: Moment | undefined, now: Date): Date | undefined {
  return typeof moment === "number" ? new Date(now.getTime() - moment) : moment;
}

function parseEvent(name: string): string {
  if (auditEvents.some((event) => event === name)) return name;
  const nearest = nearestName(name, auditEvents);
  throw new UsageError(
    nearest === undefined
      ? `--event takes one of ${auditEvents.join(", ")}`
      : `there is no such event; did you mean \`${nearest}\`?`,
  );
}

function parseIdOption(args: Args, name: string, prefix: string): string | undefined {
  const text = textOption(args, name);
  if (text === undefined) return undefined;
  const id = parseId(prefix, dropBlanks(text));
  if (id === undefined) throw new UsageError(`--${name} takes an ID: \`${prefix}_\` and 26 characters`);
  return id;
}

function parseAddress(args: Args): readonly string[] | undefined {
  const text = textOption(args, "address");
  if (text === undefined) return undefined;
  const spellings = spellingsOf(text);
  if (spellings === undefined)
    throw new UsageError("--address takes an IP address, without port, brackets or zone");
  return spellings;
}

const parseAge = parseSpan("0ms", "36500d");
/** RFC 3339 section 5.6. */
const dateTime = /^(\d{4}-\d\d-(\d\d))[Tt ](?:[01]\d|2[0-3]):\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/;

/** @returns undefined if the text is not a time in the years 1 to 9999 */
function parseDateTime(text: string): Date | undefined {
  const [, day = "", dayOfMonth] = dateTime.exec(text) ?? [];
  // JavaScript reads February 30 as March 2.
  if (new Date(`${day}T00:00:00Z`).getUTCDate() !== Number(dayOfMonth)) return undefined;
  const date = new Date(text.toUpperCase().replace(" ", "T"));
  const year = date.getUTCFullYear();
  return year >= 1 && year <= 9999 ? date : undefined;
}

function parseMoment(args: Args, name: string): Moment | undefined {
  const text = textOption(args, name);
  if (text === undefined) return undefined;
  const date = parseDateTime(text);
  if (date !== undefined) return date;
  try {
    return parseAge(text);
  } catch (error) {
    if (!(error instanceof SettingError)) throw error;
    throw new UsageError(
      `--${name} takes a time (\`2026-01-31T12:00:00Z\`) or how long ago (\`1h\`, \`30d\`)`,
    );
  }
}

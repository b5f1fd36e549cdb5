import { AuthError } from "../../domain/errors.ts";
import { UnknownSchemaError } from "./schema-error.ts";
import { SchemaOwnerError } from "./schema-owners.ts";

/** The connection leads to a standby, which takes no writes and may answer reads from old data. */
export class StandbyError extends Error {
  override readonly name = "StandbyError";

  constructor() {
    super("the database is a standby: it takes no writes");
  }
}

/** For a statement that ran on a standby, whose other results are of no use. */
export function onStandby(): AuthError {
  const cause = new StandbyError();
  return new AuthError("UNAVAILABLE", { cause, message: cause.message });
}

const unknownDatabase = "there is no such database on the server: make it, or name another one";
const wrongPassword = "the database refuses the user name or the password";
const [addPassword, howTls] = [
  "write `postgres://user:password@host:port/database`, special characters percent-encoded",
  "write `sslmode=verify-full`, or `sslmode=disable` where the way to the database needs no encryption",
];

/**
 * What to do about a fault that waiting does not fix, because the database, or something on the way to it, refuses us:
 * change the URL, or configure the database. Undefined for all other faults, which may pass. The text follows the name of
 * the setting. It repeats no part of the URL, and nothing that the database says about the URL.
 */
export function lastingFault(error: unknown): string | undefined {
  const fault = innermost(error);
  if (!(fault instanceof Error)) return undefined;
  if (fault instanceof SchemaOwnerError || fault instanceof UnknownSchemaError) return fault.message;
  return byCode(fault, codeOf(fault)) ?? byMessage(fault.message);
}

/**
 * The message for callers and operators about a fault behind `UNAVAILABLE`. Undefined if all that is known is that no answer
 * came in time.
 */
export function describeFault(error: unknown): string | undefined {
  const fault = innermost(error);
  if (fault instanceof StandbyError) return fault.message;
  const code = codeOf(fault);
  if (code === "25006")
    return "the database is read-only: it is a standby, or set or locked so; it takes no writes";
  if (code === "53100") return "the database has no room on its disk: it takes no writes";
  return lastingFault(fault) === undefined ? undefined : "the database refuses Postern: see the server's log";
}

/** SQLSTATE classes and codes that concern the server or its current state, not the statement. */
const passingStates = /^(08|53|57P|25006|40|55P03|57014|58)/;

/** Node's codes for a connection that cannot be made now, or is lost. */
const passingCodes =
  /^(ECONNREFUSED|ECONNRESET|ECONNABORTED|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EAI_FAIL|EHOSTUNREACH|EHOSTDOWN|ENETUNREACH|ENETDOWN|EPIPE)$/;

/** Whether the error is an answer of Postgres. */
export function isSqlError(error: unknown): error is Error & { code: string } {
  // Node has codes of this form too, such as EPIPE. No class of Postgres begins with an E.
  return /^(?!E)[0-9A-Z]{5}$/.test(codeOf(error) ?? "");
}

/** Whether a failed statement is the store's fault. Otherwise the statement is wrong, which is our fault. */
export function isOfTheMoment(error: unknown): boolean {
  return !isSqlError(error) || passingStates.test(error.code);
}

/** Whether the start waits: for faults of the connection, and for errors of a Postgres that takes no connections or writes. */
export function mayPass(error: unknown): boolean {
  if (lastingFault(error) !== undefined) return false;
  if (error instanceof AggregateError) return error.errors.every(mayPass);
  if (error instanceof AuthError) return error.reason === "UNAVAILABLE";
  const code = codeOf(error);
  // The Unix socket of a server that does not run.
  if (code === "ENOENT") return error instanceof Error && "syscall" in error && error.syscall === "connect";
  // 55000: the database accepts no connections at present.
  if (isSqlError(error)) return passingStates.test(error.code) || error.code === "55000";
  return code !== undefined && passingCodes.test(code);
}

/** A host name with several addresses fails with one error for each of them. Our own errors have the fault as their cause. */
export function innermost(error: unknown): unknown {
  if (error instanceof AuthError && error.cause !== undefined) return innermost(error.cause);
  return error instanceof AggregateError ? innermost(error.errors[0]) : error;
}

function codeOf(fault: unknown): string | undefined {
  return fault instanceof Error && "code" in fault ? String(fault.code) : undefined;
}

function byCode(fault: Error, code = ""): string | undefined {
  if (code === "28P01") return wrongPassword;
  if (code.startsWith("28")) return refusedRole(fault.message);
  if (code === "3D000") return unknownDatabase;
  if (code === "42501") return missingRight(fault);
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") {
    return "the database's certificate is for another host: write the name that it is for";
  }
  if (certificateFaults.test(code)) {
    return "the database's certificate is not trusted, or not at this time: name its CA's file with `sslrootcert`";
  }
  if (/^(ERR_(SSL|TLS|OSSL)_|EPROTO$)/.test(code))
    return `no TLS could be agreed on with the database (${code})`;
  if ((code === "EACCES" || code === "EPERM") && "syscall" in fault && fault.syscall === "connect") {
    return `the database's socket cannot be opened (${code})`;
  }
  return undefined;
}

/** Faults of OpenSSL, by Node's names. */
const certificateFaults =
  /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_\w+|CERT_\w+|INVALID_(CA|PURPOSE)|PATH_LENGTH_EXCEEDED|HOSTNAME_MISMATCH|ERROR_IN_CERT_\w+)$/;

/** Postgres has one code of class 28 for many reasons. A server in another language gets the general advice. */
function refusedRole(message: string): string {
  if (/no encryption/.test(message)) {
    return "the database's pg_hba.conf refuses this connection without TLS: use `sslmode=verify-full`, or change that file";
  }
  if (/pg_hba\.conf/.test(message))
    return "pg_hba.conf of the database lets this role not in from here: see to that file";
  if (/client certificate/.test(message)) {
    return "the database asks for a client's certificate: name it and its key with `sslcert` and `sslkey`";
  }
  if (/not permitted to log in/.test(message)) return "the role may not log in: `alter role … login`";
  if (/does not exist/.test(message))
    return "there is no such role in the database: make it, or name another one";
  if (/no PostgreSQL user name/.test(message)) return "names no user";
  return "the database does not let this role in: see its log";
}

/** What Postgres says about a schema repeats nothing of the URL. The name of the database is a part of the URL. */
function missingRight(fault: Error): string {
  if ("detail" in fault && /\bCONNECT\b/.test(String(fault.detail))) {
    return "the role lacks the right CONNECT on the database: see docs/operate/postgres.md";
  }
  const what = /database/i.test(fault.message) ? "permission denied for the database" : fault.message;
  return `the role lacks a right that Postern needs (${what}): see docs/operate/postgres.md`;
}

/** Errors of the driver, which have no code, and of PgBouncer, whose code (08P01) faults that pass have too. All are English. */
function byMessage(message: string): string | undefined {
  if (/^SASL: .*client password must be/.test(message))
    return `the database asks for a password: ${addPassword}`;
  if (/^SASL: /.test(message))
    return "the database and we know no common way to show the password, or it is not the right one";
  if (/^The server does not support SSL/.test(message)) return `the database speaks no TLS: ${howTls}`;
  if (/^((SASL|password) authentication failed|no such user)/i.test(message)) return wrongPassword;
  if (/^(no such database|database ".*" does not exist)/.test(message)) return unknownDatabase;
  return undefined;
}

import { describe, expect, test } from "vitest";
import { AuthError } from "../../domain/errors.ts";
import { LateError } from "../../lib/within.ts";
import {
  describeFault,
  isOfTheMoment,
  isSqlError,
  lastingFault,
  mayPass,
  onStandby,
  StandbyError,
} from "./connection-faults.ts";

function faultWith(code: string, message = "s3cret", more: object = {}): Error {
  return Object.assign(new Error(message), { code, ...more });
}

const lasting: [string, Error, RegExp][] = [
  ["a wrong password", faultWith("28P01"), /user name or the password/],
  ["a wrong password, as PgBouncer says it", faultWith("08P01", "SASL authentication failed"), /password/],
  ["no such user, as an older PgBouncer says it", faultWith("08P01", "no such user: s3cret"), /user name/],
  [
    "no such database, as PgBouncer says it",
    faultWith("08P01", 'database "s3cret" does not exist'),
    /no such da/,
  ],
  ["no entry in pg_hba.conf", faultWith("28000", 'no pg_hba.conf entry for host "s3cret"'), /pg_hba\.conf/],
  ["an entry for TLS alone", faultWith("28000", "pg_hba.conf rejects s3cret, no encryption"), /verify-full/],
  ["no such role", faultWith("28000", 'role "s3cret" does not exist'), /no such role/],
  ["a role that may not log in", faultWith("28000", 'role "s3cret" is not permitted to log in'), /log in/],
  ["no client's certificate", faultWith("28000", "requires a valid client certificate"), /sslcert/],
  ["no user", faultWith("28000", "no PostgreSQL user name specified in startup packet"), /no user/],
  ["class 28 in another language", faultWith("28000", "Rolle »s3cret« existiert nicht"), /see its log/],
  ["no such database", faultWith("3D000", 'database "s3cret" does not exist'), /no such database/],
  [
    "no right to connect",
    faultWith("42501", 'permission denied for database "s3cret"', {
      detail: "User does not have CONNECT privilege.",
    }),
    /CONNECT/,
  ],
  ["no right to make a schema", faultWith("42501", "permission denied for database s3cret"), /right/],
  ["no right to the schema", faultWith("42501", "permission denied for schema postern"), /schema postern/],
  [
    "no password",
    new Error("SASL: SCRAM-SERVER-FIRST-MESSAGE: client password must be a string"),
    /asks for a pass/,
  ],
  ["no common mechanism", new Error("SASL: Only mechanism(s) SCRAM-SHA-256 are supported"), /no common way/],
  ["no TLS", new Error("The server does not support SSL connections"), /speaks no TLS/],
  ["a self-signed certificate", faultWith("DEPTH_ZERO_SELF_SIGNED_CERT"), /sslrootcert/],
  ["an unknown CA", faultWith("UNABLE_TO_VERIFY_LEAF_SIGNATURE"), /sslrootcert/],
  ["a certificate that has expired", faultWith("CERT_HAS_EXPIRED"), /not at this time/],
  ["a certificate for another host", faultWith("ERR_TLS_CERT_ALTNAME_INVALID"), /another host/],
  ["no common TLS version", faultWith("ERR_SSL_UNSUPPORTED_PROTOCOL"), /no TLS could be agreed on/],
  ["a socket of others", faultWith("EACCES", "s3cret", { syscall: "connect" }), /socket/],
];

const passing: [string, Error][] = [
  ...[
    "ECONNREFUSED",
    "ECONNRESET",
    "ETIMEDOUT",
    "ENOTFOUND",
    "EAI_AGAIN",
    "EAI_FAIL",
    "EHOSTUNREACH",
    "EPIPE",
  ].map((code): [string, Error] => [code, faultWith(code)]),
  ["a server that starts", faultWith("57P03")],
  ["a role's statement_timeout", faultWith("57014")],
  ["a role's lock_timeout", faultWith("55P03")],
  ["a deadlock", faultWith("40P01")],
  ["a server that stops", faultWith("57P01")],
  ["no connection left", faultWith("53300")],
  ["a database that takes no connections for now", faultWith("55000")],
  [
    "a pooler that waits for its server",
    faultWith("08P01", "server login has been failing, try again later"),
  ],
  ["a read-only database", faultWith("25006")],
  ["a full disk", faultWith("53100")],
  ["a socket that is not there yet", faultWith("ENOENT", "s3cret", { syscall: "connect" })],
];

const others: [string, Error][] = [
  ["a faulty statement", faultWith("42601")],
  ["a file that is not there", faultWith("ENOENT", "s3cret", { syscall: "open" })],
  ["an internal fault", new TypeError("s3cret")],
];

describe("a fault that only another configuration fixes", () => {
  test.each(lasting)("says what to do, and repeats nothing of the URL: %s", (_, fault, advice) => {
    expect(lastingFault(fault)).toMatch(advice);
    expect(lastingFault(fault)).not.toContain("s3cret");
    expect(mayPass(fault)).toBe(false);
  });

  test.each(lasting)(
    "is recognized behind UNAVAILABLE, and a caller gets no details: %s",
    (_, fault, advice) => {
      const error = new AuthError("UNAVAILABLE", { cause: fault });
      expect(lastingFault(error)).toMatch(advice);
      expect(mayPass(error)).toBe(false);
      expect(describeFault(error)).toBe("the database refuses Postern: see the server's log");
    },
  );
});

describe("a fault that may pass", () => {
  test.each(passing)("is waited out: %s", (_, fault) => {
    for (const error of [
      fault,
      new AuthError("UNAVAILABLE", { cause: fault }),
      new AggregateError([fault, fault]),
    ]) {
      expect(mayPass(error)).toBe(true);
      expect(lastingFault(error)).toBeUndefined();
    }
  });

  test("is an UNAVAILABLE without a cause, and a lost connection", () => {
    expect(mayPass(new AuthError("UNAVAILABLE"))).toBe(true);
    expect(mayPass(new AuthError("UNAVAILABLE", { cause: new Error("Connection terminated") }))).toBe(true);
  });
});

test.each(others)("all else ends the start, and names no setting: %s", (_, fault) => {
  expect(mayPass(fault)).toBe(false);
  expect(mayPass(new AggregateError([faultWith("ECONNREFUSED"), fault]))).toBe(false);
  expect(lastingFault(fault)).toBeUndefined();
});

test("a read-only database is reported as read-only", () => {
  expect(describeFault(faultWith("25006"))).toMatch(/read-only/);
  expect(describeFault(faultWith("53100"))).toMatch(/no room on its disk/);
  expect(describeFault(new StandbyError())).toMatch(/standby/);
  expect(onStandby()).toMatchObject({ reason: "UNAVAILABLE", message: expect.stringContaining("standby") });
  expect(describeFault(new LateError("late"))).toBeUndefined();
  expect(describeFault(faultWith("ECONNREFUSED"))).toBeUndefined();
});

test.each(["EPIPE", "EPERM", "EBADF", "ENXIO", "ECONNRESET"])(
  "a fault of Node or the system is not a fault of a statement, although some codes have the form of an SQLSTATE: %s",
  (code) => {
    expect(isSqlError(faultWith(code))).toBe(false);
    expect(isOfTheMoment(faultWith(code))).toBe(true);
  },
);

test.each(["08006", "25006", "40001", "40P01", "53300", "55P03", "57014", "57P01", "58030"])(
  "what a running server answers with UNAVAILABLE is waited out at the start too: %s",
  (code) => {
    expect(isSqlError(faultWith(code))).toBe(true);
    expect(isOfTheMoment(faultWith(code))).toBe(true);
    expect(mayPass(faultWith(code))).toBe(true);
  },
);

test.each(["22P02", "23505", "42601", "42883", "P0001", "XX000"])(
  "what is wrong with a statement does not pass: %s",
  (code) => {
    expect(isOfTheMoment(faultWith(code))).toBe(false);
    expect(mayPass(faultWith(code))).toBe(false);
  },
);

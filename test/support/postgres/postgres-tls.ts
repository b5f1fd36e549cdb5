import { chown, stat, writeFile } from "node:fs/promises";
import { type Certificate, createCertificate } from "../redis/redis-certificate.ts";
import { withClient } from "./database.ts";
import { startLocal } from "./postgres-local.ts";

/** A local Postgres with TLS, and a role for each way of authentication. */
export interface TlsPostgres extends AsyncDisposable {
  /** Its superuser on the database `postgres`, without parameters. */
  readonly url: string;
  readonly certificate: Certificate;
}

const password = "tls-role-password-0123456789";

/** Roles by how they may connect; all but `nobody` exist and have the password. */
export const tlsRoles = {
  password,
  /** By TLS alone. */
  encrypted: "encrypted_role",
  /** By TLS and with a client's certificate. */
  certified: "certified_role",
  /** From nowhere: no entry is about it. */
  unlisted: "unlisted_role",
  /** With its password, by TLS or not, but may not log in. */
  barred: "barred_role",
  /** With its password, but may not connect to the database `closed`. */
  plain: "plain_role",
  /** Believed without a password; there is no such role. */
  nobody: "no_such_role",
} as const;

const accessRules = `
hostssl all ${tlsRoles.encrypted} all scram-sha-256
host    all ${tlsRoles.encrypted} all reject
hostssl all ${tlsRoles.certified} all cert
host    all ${tlsRoles.nobody} all trust
host    all postgres,${tlsRoles.plain},${tlsRoles.barred} all scram-sha-256
`;

export async function startTlsPostgres(): Promise<TlsPostgres> {
  await using stack = new AsyncDisposableStack();
  const postgres = stack.use(await startLocal({ fsync: "off" }));
  const certificate = stack.use(await createCertificate());
  await withClient(postgres.url, async (client) => {
    const data = String((await client.query("show data_directory")).rows[0]?.data_directory);
    const { uid, gid } = await stat(data);
    const write = async (name: string, content: string) => {
      await writeFile(`${data}/${name}`, content, { mode: 0o600 });
      await chown(`${data}/${name}`, uid, gid);
    };
    await write("server.crt", certificate.certificate);
    await write("server.key", certificate.key);
    await write("root.crt", certificate.ca);
    await write("pg_hba.conf", accessRules);
    for (const role of [tlsRoles.encrypted, tlsRoles.certified, tlsRoles.unlisted, tlsRoles.plain]) {
      await client.query(`create role ${role} login password '${password}'`);
    }
    await client.query(`create role ${tlsRoles.barred} nologin password '${password}'`);
    await client.query("create database closed");
    await client.query("revoke connect on database closed from public");
    await client.query("alter system set ssl_ca_file = 'root.crt'");
    await client.query("alter system set ssl = on");
    await client.query("select pg_reload_conf()");
  });
  const resources = stack.move();
  return {
    url: postgres.url,
    certificate,
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

import { createHash, randomBytes } from "node:crypto";
import { createCertificate } from "./redis-certificate.ts";
import { openRedisHost, type RedisNode, startNode } from "./redis-node.ts";

export { type RedisCluster, startCluster } from "./redis-cluster.ts";
export { type RedisSentinel, startSentinel } from "./redis-sentinel.ts";
export type { RedisNode };

export interface RedisOptions {
  /** Further directives of `redis.conf`, which replace the usual ones of the same name; an empty value is `""`. */
  readonly settings?: Readonly<Record<string, string>>;
  /** TLS only, on the same port. */
  readonly tls?: boolean;
  /** A user who may do everything, and then the only one: the default user is off. */
  readonly user?: { readonly name: string; readonly password: string };
}

/** A private server. */
export interface RedisServer extends RedisNode, AsyncDisposable {
  /** The path of the PEM with which clients check its certificate. */
  readonly caFile: string | undefined;
  /** Ends it and removes its data. */
  stop(): Promise<void>;
}

/**
 * Starts a real Redis, which stores nothing on disk except by `settings`: from Debian's packages, else in a
 * container. It ends with the process that started it, even if that is killed.
 */
export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  const { settings = {}, tls = false, user } = options;
  await using owned = new AsyncDisposableStack();
  const host = owned.use(await openRedisHost(1));
  const [port = 0] = host.ports;
  const certificate = tls ? owned.use(await createCertificate()) : undefined;
  if (certificate) {
    await host.write(`${port}/server.pem`, certificate.certificate);
    await host.write(`${port}/server.key`, certificate.key);
  }
  // Besides the user whose rights a test may take away.
  const admin = user && { name: "test-administrator", password: randomBytes(16).toString("hex") };
  const credentials = user && `${encodeURIComponent(user.name)}:${encodeURIComponent(user.password)}@`;
  const node = owned.use(
    await startNode(host, {
      url: `${tls ? "rediss" : "redis"}://${credentials ?? ""}127.0.0.1:${port}`,
      address: { port, user: admin, ca: certificate?.ca },
      config: [
        ...(tls ? tlsConfig(port) : [`port ${port}`]),
        ...(user && admin ? ["user default off", aclLine(user), aclLine(admin)] : []),
        ...Object.entries({ save: "", ...settings }).map(([name, value]) => `${name} ${value || '""'}`),
      ],
    }),
  );
  const all = owned.move();
  const stop = () => all.disposeAsync();
  return { ...node, caFile: certificate?.caFile, stop, [Symbol.asyncDispose]: stop };
}

function tlsConfig(port: number): string[] {
  return [
    "port 0",
    `tls-port ${port}`,
    "tls-cert-file server.pem",
    "tls-key-file server.key",
    "tls-auth-clients no",
  ];
}

function aclLine({ name, password }: { name: string; password: string }): string {
  return `user ${name} on #${createHash("sha256").update(password).digest("hex")} ~* &* +@all`;
}

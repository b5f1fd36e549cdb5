import { permissions } from "../domain/caller/permission.ts";
import { type Setting, settingNames, settings } from "./settings.ts";

/** An entry of `POSTERN_SECRET_TOKENS` for the reader; it is refused as it stands, having no digest. */
export const secretTokensExample = `[
  {
    "name": "web",
    "sha256": "<the output of: printf %s \\"$TOKEN\\" | sha256sum | cut -d' ' -f1>",
    "permissions": ["login", "introspect", "revoke", "sessions"],
    "scopes": ["read", "write"],
    "audiences": ["https://api.example.com"],
    "trusted_address": true
  }
]`;

/** The whole of `docs/reference/configuration.md`, from the table of settings. */
export function settingsDocument(): string {
  const rows = settingNames.map((name) => {
    const setting: Setting<unknown> = settings[name];
    return `| \`${name}\` | ${describeDefault(setting)} | ${setting.meaning}${setting.secret ? " (secret)" : ""} |`;
  });
  return `# Configuration

Postern is configured by environment variables alone. \`postern check-config\` checks them and prints what
holds, with secrets masked.

- Each \`POSTERN_X\` may be given as \`POSTERN_X_FILE\` instead: the path of a file whose content is the value.
  The file must be UTF-8. Postern drops a byte order mark and one trailing newline. Use this form for secrets.
- A value that is wrong or empty, both forms of one name, or an unknown \`POSTERN_*\` name: every command
  refuses to start with exit code 2 and tells all faults at once. No message repeats a value.
- The variables that Kubernetes injects for a Service named \`postern\` (\`POSTERN_SERVICE_HOST\`,
  \`POSTERN_PORT\`, \`POSTERN_PORT_8080_TCP\`, …) are ignored.
- Spans of time are one whole number and one unit: \`500ms\`, \`30s\`, \`5m\`, \`1h\`, \`30d\`.
- No two secrets may be the same: a master key, a secret token, the passwords of the database, of Redis and
  of the first administrator each need their own.

| name | default | meaning |
|---|---|---|
${rows.join("\n")}

## Secret tokens

\`POSTERN_SECRET_TOKENS\` is a JSON list with an object for each internal client:

\`\`\`json
${secretTokensExample}
\`\`\`

| member | meaning |
|---|---|
| \`name\` | whose the token is; also its client id |
| \`token\` or \`sha256\` | the token, any string of 32 characters or more (\`openssl rand -hex 32\`), or the SHA-256 of it in hexadecimal; with the digest the configuration holds nothing that could be used |
| \`permissions\` | ${permissions.map((permission) => `\`${permission}\``).join(", ")} (which holds all), or \`*\` |
| \`scopes\` | the scopes it may ask for; absent: none |
| \`audiences\` | the audiences it may ask for, and whose tokens it may introspect; absent: \`POSTERN_AUDIENCE\` |
| \`clients\` | the client ids it may act for; absent: its own name |
| \`trusted_address\` | whether the \`client_address\` that it names is believed; absent: no |

\`*\` stands for everything, by itself in its list. To change a token, add a second entry with the same name and
the same rights and the new token, restart, let the client change over, then remove the old entry.

## Redis

\`POSTERN_REDIS_URL\` has one of these forms; what is in brackets may be left out:

| form | for |
|---|---|
| \`redis://[user:password@]host[:port][/db]\` | one server (port 6379) |
| \`redis+sentinel://[user:password@]host[:port],…/name[/db][?sentinel_auth=same]\` | the master that these Sentinels (port 26379) call \`name\`; with \`sentinel_auth=same\` they, too, ask for the user name and password |
| \`redis+cluster://[user:password@]host[:port],…\` | a Cluster of which these are some nodes (port 6379) |

- \`:password@\` is for Redis's default user. Special characters in both are percent-encoded; an IPv6 address goes
  in brackets; \`db\` is 0 to 15. A trailing slash has no effect.
- \`rediss\` instead of \`redis\` is TLS on every connection, to the Sentinels too. Certificates of a private CA
  are trusted with \`NODE_EXTRA_CA_CERTS=<path>\`, a file of that CA's certificates (PEM).
- Redis is never what a verdict about a token rests on: it may be flushed or lost, and with it goes only what it
  counted of failed logins.

## Login limits

\`POSTERN_LOGIN_LIMITS\` says how many failed logins are borne within a span, by name and comma-separated:

| name | of |
|---|---|
| \`account\` | an account from one address |
| \`account_all\` | an account from all addresses together that it is not known from |
| \`address\` | one address, whatever the account |
| \`total\` | all together |

- Only wrong passwords count, those for accounts that do not exist among them; a right one gives its place back.
- Beyond a limit the answer is \`RATE_LIMITED\` (HTTP 429) with \`Retry-After\`, whether the account exists or not
  and whether the password is right or wrong.
- A device token, or an address, with which the account logged in within the last 90 days has a budget of its
  own, with the numbers of \`account\`: strangers cannot lock a user out.
- \`total\` refuses nobody who is known so; above it, whoever is not waits where there will be room within four
  seconds, and is refused otherwise.
- The address is the \`client_address\` of callers with \`trusted_address\`. Where there is none, \`account\` takes
  all logins of an account for those of one address, and \`address\` counts nothing.
- The counts are kept in Redis and, besides, by each replica. Without Redis, or while it is away, each replica
  counts for itself alone.
`;
}

function describeDefault(setting: Setting<unknown>): string {
  const plain = setting.default === undefined ? "none" : `\`${setting.default}\``;
  return setting.embedded === undefined ? plain : `${plain}; embedded: ${setting.embedded}`;
}

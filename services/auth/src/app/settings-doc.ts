import { permissions } from "../domain/access/permission.ts";
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

/** The whole of `docs/configuration.md`, from the table of settings. */
export function settingsDocument(): string {
  const rows = settingNames.map((name) => {
    const setting: Setting<unknown> = settings[name];
    return `| \`${name}\` | ${describeDefault(setting)} | ${setting.meaning}${setting.secret ? " (secret)" : ""} |`;
  });
  return `# Configuration

Postern is configured by environment variables alone. \`postern check-config\` checks them and prints what
holds, with secrets masked.

- Each \`POSTERN_X\` may be given as \`POSTERN_X_FILE\` instead: the path of a file whose content is the value.
  One newline at its end is dropped. Secrets are better given so.
- A value that is wrong or empty, both forms of one name, or an unknown \`POSTERN_*\` name: every command
  refuses to start with exit code 2 and tells all faults at once. No message repeats a value.
- The variables that Kubernetes injects for a Service named \`postern\` (\`POSTERN_SERVICE_HOST\`,
  \`POSTERN_PORT\`, \`POSTERN_PORT_8080_TCP\`, …) are ignored.
- Spans of time are one whole number and one unit: \`500ms\`, \`30s\`, \`5m\`, \`1h\`, \`30d\`.
- No two secrets may be the same: a master key, a secret token, the database's password and the first
  administrator's password each need their own.

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
`;
}

function describeDefault(setting: Setting<unknown>): string {
  const plain = setting.default === undefined ? "none" : `\`${setting.default}\``;
  return setting.embedded === undefined ? plain : `${plain}; embedded: ${setting.embedded}`;
}

const label = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i;
/** Names of containers can have underscores. */
const containerLabel = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/i;

/**
 * Whether the text is a host name (RFC 1123). A name whose last label is a number is a misspelled IPv4 address, such as
 * `127.1`.
 */
export function isHostName(host: string, { underscores = false } = {}): boolean {
  const labels = host.split(".");
  const form = underscores ? containerLabel : label;
  return (
    host.length <= 253 &&
    labels.every((one) => form.test(one)) &&
    !/^([0-9]+|0x[0-9a-f]*)$/i.test(labels.at(-1) ?? "")
  );
}

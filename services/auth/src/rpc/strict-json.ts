import type { JsonReadOptions, JsonWriteOptions } from "@bufbuild/protobuf";

/**
 * Connect's options for JSON, with a decoder that refuses what is not UTF-8 (RFC 8259 section 8.1). Connect's own puts
 * U+FFFD in its place, and a password set with one wrong byte would open with another. Connect hands the decoder on to
 * every protocol that it reads JSON by, but does not name it in the type of its options.
 */
export const strictJson: Partial<JsonReadOptions & JsonWriteOptions> & {
  readonly textDecoder: InstanceType<typeof TextDecoder>;
} = {
  textDecoder: new TextDecoder("utf-8", { fatal: true }),
};

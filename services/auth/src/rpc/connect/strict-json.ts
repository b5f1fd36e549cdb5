import type { JsonReadOptions, JsonWriteOptions } from "@bufbuild/protobuf";

/**
 * Connect's options for JSON, with a decoder that refuses invalid UTF-8 (RFC 8259 section 8.1). Connect's own decoder
 * replaces invalid bytes with U+FFFD, so a password with one invalid byte would match a password with another. Connect
 * passes this decoder to every protocol that reads JSON, but does not declare it in the type of its options.
 */
export const strictJson: Partial<JsonReadOptions & JsonWriteOptions> & {
  readonly textDecoder: InstanceType<typeof TextDecoder>;
} = {
  textDecoder: new TextDecoder("utf-8", { fatal: true }),
};

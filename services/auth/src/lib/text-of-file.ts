/** A file does not hold plain UTF-8 text. The message continues "the file" and does not repeat its content. */
export class TextFileError extends Error {
  override readonly name = "TextFileError";
}

/**
 * The text of a file in UTF-8, without the byte order mark that some editors and shells write before it.
 * @throws {TextFileError} if it is UTF-16, contains a NUL character, or is not UTF-8
 */
export function textOfFile(bytes: Uint8Array): string {
  const [first, second] = bytes;
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) throw utf16();
  // ASCII text in UTF-16 without a byte order mark is valid UTF-8 in which every other character is NUL.
  if (bytes.includes(0)) throw utf16();
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new TextFileError("is not UTF-8; save it as UTF-8");
  }
}

function utf16(): TextFileError {
  return new TextFileError("is UTF-16 or has a NUL character; save it as UTF-8");
}
